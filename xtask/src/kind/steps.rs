//! What is asked of kind, helm and kubectl: argument lists, and nothing that runs. Paths are relative to the workspace.

use super::CLUSTER;
use super::pins::Pins;
use super::programs::Program;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Said before it runs.
    pub(crate) says: String,
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
}

impl Step {
    pub(crate) fn new(says: impl Into<String>, program: Program, arguments: &[&str]) -> Self {
        Self { says: says.into(), program, arguments: arguments.iter().map(ToString::to_string).collect() }
    }
}

pub(super) fn context() -> String {
    format!("kind-{CLUSTER}")
}

pub(super) fn kubectl(says: impl Into<String>, arguments: &[&str]) -> Step {
    Step::new(says, Program::Kubectl, &[&["--context", &context()], arguments].concat())
}

/// A cluster, Gateway API, Cilium, and addresses for Gateways, in this order: Cilium's operator looks for Gateway API once, at its start.
pub(super) fn up(pins: &Pins) -> Vec<Step> {
    let (gateway_api, cilium) = (&pins.gateway_api, &pins.cilium);
    let helm = [
        "--kube-context",
        &context(),
        "upgrade",
        "--install",
        "cilium",
        "cilium",
        "--repo",
        "https://helm.cilium.io",
        "--version",
        cilium,
        "--namespace",
        "kube-system",
        "--values",
        "kind/cilium-values.yaml",
        "--wait",
        "--timeout",
        "10m",
    ];
    vec![
        Step::new(
            format!("kind: making cluster {CLUSTER} of {}", pins.node),
            Program::Kind,
            &["create", "cluster", "--name", CLUSTER, "--image", &pins.node, "--config", "kind/cluster.yaml"],
        ),
        kubectl(
            format!("kind: Gateway API {}", gateway_api.version),
            // By the server: the definitions are too long for the annotation that kubectl would write otherwise.
            &["apply", "--server-side", "--filename", &gateway_api.manifest()],
        ),
        Step::new(format!("kind: Cilium {cilium}"), Program::Helm, &helm),
        kubectl(
            "kind: waiting for the nodes",
            &["wait", "node", "--all", "--for", "condition=Ready", "--timeout", "5m"],
        ),
        kubectl(
            "kind: waiting for Cilium's definitions",
            &["wait", "crd/ciliumloadbalancerippools.cilium.io", "--for", "condition=Established", "--timeout", "2m"],
        ),
        kubectl("kind: addresses for Gateways", &["apply", "--filename", "kind/address-pool.yaml"]),
    ]
}

pub(super) fn load(image: &str) -> Step {
    Step::new(
        format!("kind: loading {image} into the nodes"),
        Program::Kind,
        &["load", "docker-image", image, "--name", CLUSTER],
    )
}

pub(super) fn down() -> Step {
    Step::new(format!("kind: removing cluster {CLUSTER}"), Program::Kind, &["delete", "cluster", "--name", CLUSTER])
}
