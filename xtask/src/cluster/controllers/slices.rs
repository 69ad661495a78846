//! EndpointSlices of Services, from the pods that they select.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::cluster::Client;

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "xtask";

/// One slice has one family and one set of ports; pods that call a port by the same name may have different numbers for it.
type Kind = (&'static str, Vec<(String, i32, String)>);

impl Client {
    /// Brings the slices of every Service of a namespace up to date: those that the lab made before and nobody needs are removed.
    pub fn endpoint_slices(&self, namespace: &str) -> Result<()> {
        let all = ListParams::default();
        let services = self.run(self.api::<Service>(namespace).list(&all))?;
        let pods = self.run(self.api::<Pod>(namespace).list(&all))?;
        let mut wanted = BTreeSet::new();
        for service in &services {
            for (at, (kind, endpoints)) in grouped(service, &pods.items)?.into_iter().enumerate() {
                let owner = service.metadata.name.clone().unwrap_or_default();
                let name = format!("{owner}-{at}");
                self.apply(&slice(namespace, &name, service, kind, &endpoints).to_string())?;
                wanted.insert(name);
            }
        }
        let slices = self.api::<EndpointSlice>(namespace);
        let ours = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER}"));
        for old in self.run(slices.list(&ours))?.items.into_iter().filter_map(|slice| slice.metadata.name) {
            if !wanted.contains(&old) {
                self.run(slices.delete(&old, &DeleteParams::default()))?;
            }
        }
        Ok(())
    }
}

/// Endpoints of a Service with a selector; one without has slices of somebody else, or none.
fn grouped(service: &Service, pods: &[Pod]) -> Result<BTreeMap<Kind, Vec<Value>>> {
    let mut groups: BTreeMap<Kind, Vec<Value>> = BTreeMap::new();
    let spec = service.spec.clone().unwrap_or_default();
    let Some(selector) = spec.selector.filter(|selector| !selector.is_empty()) else { return Ok(groups) };
    let families = spec.ip_families.unwrap_or_else(|| vec!["IPv4".into()]);
    let selected = |pod: &&Pod| {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    for pod in pods.iter().filter(selected) {
        let mut ports = Vec::new();
        for port in spec.ports.iter().flatten() {
            // A pod without such a port is no endpoint of it.
            let Some(number) = number(port, pod) else { continue };
            let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".into());
            ports.push((port.name.clone().unwrap_or_default(), number, protocol));
        }
        for address in pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten()) {
            let parsed: IpAddr = address.ip.parse().with_context(|| format!("{:?} of a pod", address.ip))?;
            let family = if parsed.is_ipv4() { "IPv4" } else { "IPv6" };
            if families.iter().any(|wanted| wanted == family) {
                groups.entry((family, ports.clone())).or_default().push(endpoint(pod, &address.ip));
            }
        }
    }
    Ok(groups)
}

fn number(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let named = |name: &str| {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
        ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
    };
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => named(name),
    }
}

fn endpoint(pod: &Pod, address: &str) -> Value {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
    let terminating = pod.metadata.deletion_timestamp.is_some();
    json!({
        "addresses": [address],
        "conditions": { "ready": ready && !terminating, "serving": ready, "terminating": terminating },
        "nodeName": pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()),
        "targetRef": {
            "kind": "Pod", "namespace": pod.metadata.namespace, "name": pod.metadata.name, "uid": pod.metadata.uid,
        },
    })
}

fn slice(namespace: &str, name: &str, service: &Service, (family, ports): Kind, endpoints: &[Value]) -> Value {
    let owner = &service.metadata;
    let ports: Vec<Value> = ports
        .into_iter()
        .map(|(name, port, protocol)| json!({ "name": name, "port": port, "protocol": protocol }))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": { "kubernetes.io/service-name": owner.name, MANAGED_BY: MANAGER },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": owner.name, "uid": owner.uid, "controller": true,
            }],
        },
        "addressType": family, "ports": ports, "endpoints": endpoints,
    })
}
