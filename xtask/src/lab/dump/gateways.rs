//! GatewayClass, Gateways, routes and grants; and what Cilium's operator makes of a Gateway: a CiliumEnvoyConfig, and a Service that
//! selects nothing (facts A3).

use serde_json::{Value, json};

use super::services::addresses;
use super::{condition, object, owner};
use crate::gateway::{HttpRoute, Translated, generated_name, resources};
use crate::lab::objects::Objects;
use crate::lab::plan::Plan;
use crate::lab::topology::{GatewaySpec, ListenerSpec};

const API: &str = "gateway.networking.k8s.io/v1";
const CONTROLLER: &str = "io.cilium/gateway-controller";

pub(super) fn of(plan: &Plan, objects: &Objects, translated: &[Translated]) -> Vec<Value> {
    let mut class = object(plan, API, "GatewayClass", None, &plan.topology.gateway_class);
    class["spec"] = json!({"controllerName": CONTROLLER});
    class["status"] = json!({"conditions": [condition("Accepted", "Accepted")]});
    let mut items = vec![class];
    for (gateway, translated) in plan.topology.gateways.iter().zip(translated) {
        items.push(core_gateway(plan, gateway, translated));
        items.push(service(plan, gateway));
        items.push(slice(plan, gateway));
        items.push(envoy_config(plan, gateway, translated));
    }
    items.extend(objects.of_kind("HTTPRoute").map(|route| with_metadata(plan, route)));
    items.extend(objects.of_kind("ReferenceGrant").map(|grant| with_metadata(plan, grant)));
    items
}

fn core_gateway(plan: &Plan, gateway: &GatewaySpec, translated: &Translated) -> Value {
    let mut out = object(plan, API, "Gateway", Some(&gateway.namespace), &gateway.name);
    out["metadata"]["generation"] = json!(1);
    let listener = |l: &ListenerSpec| {
        let mut out = json!({"name": l.name, "port": l.port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}});
        if let Some(hostname) = &l.hostname {
            out["hostname"] = json!(hostname);
        }
        out
    };
    let status = |l: &ListenerSpec| {
        json!({
            "name": l.name,
            "attachedRoutes": translated.attached.get(&l.name).copied().unwrap_or(0),
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
            "conditions": [condition("Accepted", "Accepted"), condition("Programmed", "Programmed"), condition("ResolvedRefs", "ResolvedRefs")],
        })
    };
    out["spec"] = json!({
        "gatewayClassName": plan.topology.gateway_class,
        "listeners": gateway.listeners.iter().map(listener).collect::<Vec<_>>(),
    });
    out["status"] = json!({
        "addresses": gateway.load_balancer_ip.iter().map(|ip| json!({"type": "IPAddress", "value": ip})).collect::<Vec<_>>(),
        "conditions": [condition("Accepted", "Accepted"), condition("Programmed", "Programmed")],
        "listeners": gateway.listeners.iter().map(status).collect::<Vec<_>>(),
    });
    out
}

/// An object that Cilium makes for a Gateway.
fn generated(plan: &Plan, api_version: &str, kind: &str, gateway: &GatewaySpec) -> Value {
    let mut out = object(plan, api_version, kind, Some(&gateway.namespace), &generated_name(&gateway.name));
    out["metadata"]["labels"] = json!({"gateway.networking.k8s.io/gateway-name": gateway.name, "io.cilium.gateway/owning-gateway": gateway.name});
    out["metadata"]["ownerReferences"] = owner(plan, API, "Gateway", &gateway.namespace, &gateway.name);
    out
}

fn service(plan: &Plan, gateway: &GatewaySpec) -> Value {
    let mut out = generated(plan, "v1", "Service", gateway);
    out["spec"] = addresses(gateway.cluster_ip);
    out["spec"]["type"] = json!("LoadBalancer");
    out["spec"]["allocateLoadBalancerNodePorts"] = json!(true);
    out["spec"]["externalTrafficPolicy"] = json!("Cluster");
    let port = |l: &ListenerSpec| json!({"name": format!("port-{}", l.port), "port": l.port, "targetPort": l.port, "protocol": "TCP", "nodePort": l.node_port});
    out["spec"]["ports"] = gateway.listeners.iter().map(port).collect();
    let ingress: Vec<_> = gateway.load_balancer_ip.iter().map(|ip| json!({"ip": ip, "ipMode": "VIP"})).collect();
    out["status"] = json!({"loadBalancer": {"ingress": ingress}});
    out
}

/// Cilium's agent refuses a Service without any backend: the operator makes up an address that nothing has.
fn slice(plan: &Plan, gateway: &GatewaySpec) -> Value {
    let mut out = generated(plan, "discovery.k8s.io/v1", "EndpointSlice", gateway);
    out["metadata"]["labels"]["kubernetes.io/service-name"] = json!(generated_name(&gateway.name));
    out["addressType"] = json!("IPv4");
    out["endpoints"] = json!([{"addresses": ["192.192.192.192"]}]);
    out["ports"] = json!([{"port": 9999}]);
    out
}

/// As the operator writes it: names are not qualified yet, addresses are the agent's business.
fn envoy_config(plan: &Plan, gateway: &GatewaySpec, translated: &Translated) -> Value {
    let mut out = generated(plan, "cilium.io/v2", "CiliumEnvoyConfig", gateway);
    out["metadata"]["labels"]["cilium.io/use-original-source-address"] = json!("false");
    out["metadata"]["annotations"] = json!({"cec.cilium.io/use-original-source-address": "false"});
    let ports: Vec<_> = gateway.listeners.iter().map(|l| l.port).collect();
    let mut routes = translated.routes.clone();
    routes["name"] = json!("listener-insecure");
    let clusters = translated.backends.iter().map(resources::cluster);
    let all: Vec<_> =
        [resources::listener("listener", "listener-insecure"), routes].into_iter().chain(clusters).collect();
    let backends = translated.backends.iter();
    out["spec"] = json!({
        "services": [{"name": generated_name(&gateway.name), "namespace": gateway.namespace, "ports": ports}],
        "backendServices": backends.map(|b| json!({"name": b.service, "namespace": b.namespace, "number": [b.port.to_string()]})).collect::<Vec<_>>(),
        "resources": all,
    });
    out
}

/// An applied object with what the API server and Cilium add to it.
fn with_metadata(plan: &Plan, applied: &Value) -> Value {
    let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api, kind) = (text("/apiVersion"), text("/kind"));
    let mut out = object(plan, &api, &kind, Some(&text("/metadata/namespace")), &text("/metadata/name"));
    let fields = applied["metadata"].as_object().into_iter().flatten();
    for (key, value) in fields {
        out["metadata"][key] = value.clone();
    }
    out["metadata"]["generation"] = json!(1);
    out["spec"] = applied["spec"].clone();
    if let Ok(route) = serde_json::from_value::<HttpRoute>(applied.clone()) {
        let parents = applied["spec"]["parentRefs"].as_array().cloned().unwrap_or_default();
        let known = |parent: &&Value| {
            let namespace = parent["namespace"].as_str().unwrap_or(&route.metadata.namespace);
            plan.topology.gateways.iter().any(|g| parent["name"] == *g.name && namespace == g.namespace)
        };
        let status = |parent: &Value| {
            json!({
                "parentRef": parent,
                "controllerName": CONTROLLER,
                "conditions": [condition("Accepted", "Accepted"), condition("ResolvedRefs", "ResolvedRefs")],
            })
        };
        out["status"] = json!({"parents": parents.iter().filter(known).map(status).collect::<Vec<_>>()});
    }
    out
}
