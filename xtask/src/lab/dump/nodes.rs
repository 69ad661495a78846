//! Nodes, CiliumNodes and Namespaces.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::object;
use crate::lab::address::cidr;
use crate::lab::plan::{Node, Plan};

pub(super) fn of(plan: &Plan) -> Vec<Value> {
    let gateways = plan.topology.gateways.iter().map(|g| g.namespace.as_str());
    let names: BTreeSet<&str> = plan.pods.iter().map(|pod| pod.namespace.as_str()).chain(gateways).collect();
    let namespaces = names.into_iter().map(|name| {
        let mut namespace = object(plan, "v1", "Namespace", None, name);
        namespace["metadata"]["labels"] = json!({"kubernetes.io/metadata.name": name});
        namespace["spec"] = json!({"finalizers": ["kubernetes"]});
        namespace["status"] = json!({"phase": "Active"});
        namespace
    });
    let nodes = plan.nodes.iter().flat_map(|node| [core_node(plan, node), cilium_node(plan, node)]);
    namespaces.chain(nodes).collect()
}

fn pod_cidrs(node: &Node) -> Vec<String> {
    node.pod_cidr.iter().map(|ip| cidr(ip, 24, 64)).collect()
}

fn core_node(plan: &Plan, node: &Node) -> Value {
    let mut out = object(plan, "v1", "Node", None, &node.name);
    out["metadata"]["labels"] = json!({"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"});
    out["spec"] = json!({"podCIDR": pod_cidrs(node)[0], "podCIDRs": pod_cidrs(node)});
    let internal = node.address.iter().map(|ip| json!({"type": "InternalIP", "address": ip}));
    let addresses: Vec<_> = internal.chain([json!({"type": "Hostname", "address": node.name})]).collect();
    let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"});
    out["status"] = json!({"addresses": addresses, "conditions": [ready]});
    out
}

fn cilium_node(plan: &Plan, node: &Node) -> Value {
    let mut out = object(plan, "cilium.io/v2", "CiliumNode", None, &node.name);
    let internal = node.address.iter().map(|ip| json!({"type": "InternalIP", "ip": ip}));
    let router = node.router.iter().map(|ip| json!({"type": "CiliumInternalIP", "ip": ip}));
    let mut ingress = json!({"ipv4": node.ingress.ipv4});
    if let Some(ipv6) = node.ingress.ipv6 {
        ingress["ipv6"] = json!(ipv6);
    }
    out["spec"] = json!({
        "addresses": internal.chain(router).collect::<Vec<_>>(),
        "ingress": ingress,
        "ipam": {"podCIDRs": pod_cidrs(node)},
    });
    out
}
