//! Who may dial pods: NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies, as far as they say so.
//!
//! Read for one question only: may a sender be let in? Whatever is not understood lets in everyone.

mod cilium;

use k8s_openapi::api::networking::v1::{
    NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub use cilium::CiliumPolicy;

/// The name of a namespace as a label of its own, which the API server sets.
const NAMESPACE: &str = "kubernetes.io/metadata.name";

/// One rule about whom some pods let in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// Of whose pods; `None`: of every namespace.
    pub namespace: Option<String>,
    /// Which of them.
    pub selector: LabelSelector,
    /// It may select only some of these: it asks for labels that are not the pods' own.
    pub perhaps: bool,
    /// These let in nobody but whom some rule lets in.
    pub denies: bool,
    pub admits: Vec<Admission>,
}

/// Who is let in, where.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    pub peers: Vec<Peer>,
    /// Ports of TCP, from and to; empty: none.
    pub ports: Vec<(u16, u16)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Peer {
    Everyone,
    /// What comes from Gateways and Ingresses of Cilium (`reserved:ingress`), whichever it is.
    Ingress,
    /// `namespace`: theirs; `None`: not one alone.
    Pods {
        namespace: Option<String>,
        selector: LabelSelector,
    },
}

const ANY: (u16, u16) = (0, u16::MAX);

impl Guard {
    /// One that is not understood: of any pod (of a namespace), and lets in everyone.
    pub fn unknown(namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
            perhaps: true,
            admits: vec![Admission { peers: vec![Peer::Everyone], ports: vec![ANY] }],
            ..Self::default()
        }
    }

    /// `networking.k8s.io/v1`.
    pub fn of_kubernetes(namespace: &str, spec: NetworkPolicySpec) -> Self {
        let types = spec.policy_types.unwrap_or_default();
        Self {
            namespace: Some(namespace.to_owned()),
            selector: spec.pod_selector.unwrap_or_default(),
            perhaps: false,
            denies: types.is_empty() || types.iter().any(|kind| kind == "Ingress"),
            admits: spec.ingress.unwrap_or_default().into_iter().map(|rule| of_rule(namespace, rule)).collect(),
        }
    }
}

fn of_rule(namespace: &str, rule: NetworkPolicyIngressRule) -> Admission {
    let peers = rule.from.unwrap_or_default();
    let peers = match peers.is_empty() {
        true => vec![Peer::Everyone],
        false => peers.into_iter().map(|peer| of_peer(namespace, peer)).collect(),
    };
    let ports = rule.ports.unwrap_or_default();
    let ports = if ports.is_empty() { vec![ANY] } else { ports.iter().filter_map(of_port).collect() };
    Admission { peers, ports }
}

fn of_peer(namespace: &str, peer: NetworkPolicyPeer) -> Peer {
    // Whether a block of addresses holds those of pods depends on who enforces it.
    if peer.ip_block.is_some() {
        return Peer::Everyone;
    }
    let namespace = match peer.namespace_selector {
        None => Some(namespace.to_owned()),
        Some(selector) => single(&selector, NAMESPACE),
    };
    Peer::Pods { namespace, selector: peer.pod_selector.unwrap_or_default() }
}

/// The one value that a label must have.
fn single(selector: &LabelSelector, label: &str) -> Option<String> {
    let exact = selector.match_labels.iter().flatten().find(|(key, _)| *key == label).map(|(_, value)| value.clone());
    let listed = selector.match_expressions.iter().flatten().find_map(|one| match one.values.as_deref() {
        Some([value]) if one.key == label && one.operator == "In" => Some(value.clone()),
        _ => None,
    });
    exact.or(listed)
}

/// `None`: of another protocol than TCP. A port by name may be any.
fn of_port(port: &NetworkPolicyPort) -> Option<(u16, u16)> {
    if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
        return None;
    }
    let Some(IntOrString::Int(first)) = port.port else { return Some(ANY) };
    let first = u16::try_from(first).ok()?;
    Some((first, port.end_port.and_then(|end| u16::try_from(end).ok()).unwrap_or(first)))
}
