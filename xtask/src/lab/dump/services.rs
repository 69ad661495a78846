//! Services of the topology and their EndpointSlices.

use serde_json::{Value, json};

use super::{object, owner};
use crate::lab::address::Address;
use crate::lab::plan::Plan;
use crate::lab::topology::{ServicePort, ServiceSpec};

pub(super) fn of(plan: &Plan) -> Vec<Value> {
    plan.topology.services.iter().flat_map(|service| [core_service(plan, service), slice(plan, service)]).collect()
}

/// `spec` fields that name a Service's addresses.
pub(super) fn addresses(address: Address) -> Value {
    let all: Vec<_> = address.iter().collect();
    let families: Vec<_> = all.iter().map(|ip| if ip.is_ipv4() { "IPv4" } else { "IPv6" }).collect();
    let policy = if all.len() > 1 { "RequireDualStack" } else { "SingleStack" };
    json!({"clusterIP": address.ipv4, "clusterIPs": all, "ipFamilies": families, "ipFamilyPolicy": policy})
}

fn core_service(plan: &Plan, service: &ServiceSpec) -> Value {
    let workload = plan.topology.workload(&service.workload).expect("checked when the topology was read");
    let mut out = object(plan, "v1", "Service", Some(&service.namespace), &service.name);
    let port = |p: &ServicePort| {
        let mut out = json!({"name": p.name, "port": p.port, "targetPort": p.target_port, "protocol": "TCP"});
        if let Some(node_port) = p.node_port {
            out["nodePort"] = json!(node_port);
        }
        out
    };
    out["spec"] = addresses(service.cluster_ip);
    out["spec"]["ports"] = service.ports.iter().map(port).collect();
    out["spec"]["selector"] = json!(workload.labels);
    out["spec"]["type"] =
        json!(if service.ports.iter().any(|p| p.node_port.is_some()) { "NodePort" } else { "ClusterIP" });
    out["status"] = json!({"loadBalancer": {}});
    out
}

fn slice(plan: &Plan, service: &ServiceSpec) -> Value {
    let name = format!("{}-ipv4", service.name);
    let mut out = object(plan, "discovery.k8s.io/v1", "EndpointSlice", Some(&service.namespace), &name);
    out["metadata"]["labels"] = json!({
        "kubernetes.io/service-name": service.name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    out["metadata"]["ownerReferences"] = owner(plan, "v1", "Service", &service.namespace, &service.name);
    let mut endpoints = Vec::new();
    let mut ports = Vec::new();
    for port in &service.ports {
        for (pod, target) in plan.endpoints(&service.workload, &port.target_port) {
            let entry = json!({"name": port.name, "port": target, "protocol": "TCP"});
            if !ports.contains(&entry) {
                ports.push(entry);
            }
            let endpoint = json!({
                "addresses": [pod.address.ipv4],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": pod.node,
                "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
            });
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
    }
    out["addressType"] = json!("IPv4");
    out["endpoints"] = endpoints.into();
    out["ports"] = ports.into();
    out
}
