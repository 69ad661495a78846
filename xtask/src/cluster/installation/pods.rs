//! The verifiers' pods: what their Deployment's controller makes, and a kubelet that leads a port-forward to the verifier itself.

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::json;

use super::super::controllers::Running;
use super::super::{ApiServer, Kubelet};
use super::{NAMESPACE, VERIFIER, template};

/// A pod of the Deployment with a verifier's name, on this node, running and ready. It has no container: in the lab the verifier is none.
pub fn reachable_pod(server: &ApiServer, kubelet: &Kubelet, name: &str, node: &str, at: SocketAddr) -> Result<()> {
    let template = template(server, "Deployment", VERIFIER)?;
    let mut spec = template["spec"].clone();
    spec["nodeName"] = node.into();
    server.client().create(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]},
        "spec": spec,
    }))?;
    kubelet.runs(NAMESPACE, name, at);
    let running = Running { node_address: "127.0.0.1", addresses: &[], containers: &[] };
    server.client().running(NAMESPACE, name, &running)
}
