//! Who may dial pods: NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies, as far as they say so.
//!
//! Read for one question only: may a sender be let in? Whatever is not understood lets in everyone.

use k8s_openapi::api::networking::v1::{
    NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The name of a namespace as a label of its own, which the API server sets.
const NAMESPACE: &str = "kubernetes.io/metadata.name";
/// The same as a label of Cilium's pods.
const NAMESPACE_OF_POD: &str = "io.kubernetes.pod.namespace";
/// Labels that Cilium gives pods beside their own.
const OF_CILIUM: [&str; 2] = ["io.kubernetes.", "io.cilium."];
/// Entities that are neither pods nor a Gateway's Envoy.
const NO_PODS: [&str; 8] =
    ["host", "remote-node", "kube-apiserver", "health", "world", "world-ipv4", "world-ipv6", "none"];

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

/// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`pkg/policy/api/rule.go`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CiliumPolicy {
    spec: Option<CiliumRule>,
    specs: Vec<CiliumRule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CiliumRule {
    endpoint_selector: Option<LabelSelector>,
    ingress: Vec<CiliumIngress>,
    ingress_deny: Vec<Value>,
    enable_default_deny: DefaultDeny,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct DefaultDeny {
    ingress: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CiliumIngress {
    from_endpoints: Vec<LabelSelector>,
    from_entities: Vec<String>,
    #[serde(rename = "fromCIDR")]
    from_cidr: Vec<Value>,
    #[serde(rename = "fromCIDRSet")]
    from_cidr_set: Vec<Value>,
    to_ports: Vec<CiliumPorts>,
    /// Other ways to name senders or traffic.
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct CiliumPorts {
    ports: Vec<CiliumPort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CiliumPort {
    port: Value,
    end_port: Option<u16>,
    protocol: Option<String>,
}

impl CiliumPolicy {
    /// `namespace`: empty for a clusterwide one. What it denies closes nothing here: it is not looked at.
    pub fn guards(self, namespace: &str) -> impl Iterator<Item = Guard> {
        let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
        // One that selects nodes is not about pods.
        let of_pods = self.spec.into_iter().chain(self.specs);
        of_pods.filter_map(move |rule| {
            let (own, selector, perhaps) = subject(rule.endpoint_selector?);
            let has_rules = !rule.ingress.is_empty() || !rule.ingress_deny.is_empty();
            Some(Guard {
                denies: has_rules && rule.enable_default_deny.ingress != Some(false),
                admits: rule.ingress.into_iter().map(|ingress| ingress.admission(namespace.as_deref())).collect(),
                namespace: namespace.clone().or(own),
                selector,
                perhaps,
            })
        })
    }
}

impl CiliumIngress {
    fn admission(self, namespace: Option<&str>) -> Admission {
        let blocks = !self.from_cidr.is_empty() || !self.from_cidr_set.is_empty();
        // `authentication` narrows; anything else may name senders.
        let named_otherwise = self.others.keys().any(|key| !matches!(key.as_str(), "authentication"));
        let names_nobody = self.from_endpoints.is_empty() && self.from_entities.is_empty() && !blocks;
        let mut peers: Vec<_> = match named_otherwise || names_nobody {
            true => vec![Peer::Everyone],
            // Blocks of addresses hold no pods and no Gateways: who has an identity has no address (Cilium).
            false => self.from_endpoints.into_iter().filter_map(|one| of_endpoints(namespace, one)).collect(),
        };
        peers.extend(self.from_entities.iter().filter_map(|entity| match entity.as_str() {
            "ingress" => Some(Peer::Ingress),
            known if NO_PODS.contains(&known) => None,
            _ => Some(Peer::Everyone),
        }));
        let all = self.to_ports.iter().any(|one| one.ports.is_empty());
        let ports = if all || self.to_ports.is_empty() {
            vec![ANY]
        } else {
            self.to_ports.iter().flat_map(|one| &one.ports).filter_map(CiliumPort::span).collect()
        };
        Admission { peers, ports }
    }
}

impl CiliumPort {
    fn span(&self) -> Option<(u16, u16)> {
        if self.protocol.as_deref().is_some_and(|protocol| !matches!(protocol, "TCP" | "ANY" | "")) {
            return None;
        }
        let number = self.port.as_u64().or_else(|| self.port.as_str()?.parse().ok());
        match number.and_then(|number| u16::try_from(number).ok()) {
            // 0 is every port, and a name may be any.
            None | Some(0) => Some(ANY),
            Some(first) => Some((first, self.end_port.unwrap_or(first))),
        }
    }
}

/// A label's key without the prefix that says where it comes from, and that prefix.
fn source_of(key: &str) -> (&str, &str) {
    key.split_once(':').unwrap_or(("any", key))
}

/// Whose pods a rule is about: their namespace if it says so, their own labels, and whether it asks for others, too.
fn subject(selector: LabelSelector) -> (Option<String>, LabelSelector, bool) {
    let plain = plain(selector);
    let namespace = single(&plain, NAMESPACE_OF_POD);
    let is_own = |key: &str| !is_of_cilium(key) && !key.contains(':');
    let (labels, other_labels): (Vec<_>, Vec<_>) =
        plain.match_labels.into_iter().flatten().partition(|(key, _)| is_own(key));
    let (expressions, other_expressions): (Vec<_>, Vec<_>) =
        plain.match_expressions.into_iter().flatten().partition(|one| is_own(&one.key));
    let others = other_labels.len() + other_expressions.len();
    let own = LabelSelector { match_labels: Some(labels.into_iter().collect()), match_expressions: Some(expressions) };
    // The one name of a namespace is known of every pod, and nothing else of these.
    let perhaps = others > usize::from(namespace.is_some());
    (namespace, own, perhaps)
}

/// `None`: neither pods nor a Gateway's Envoy.
fn of_endpoints(namespace: Option<&str>, selector: LabelSelector) -> Option<Peer> {
    let labels = || selector.match_labels.iter().flatten().map(|(key, _)| key.as_str());
    let expressions = || selector.match_expressions.iter().flatten();
    let keys = || labels().chain(expressions().map(|one| one.key.as_str()));
    match labels().find_map(|key| key.strip_prefix("reserved:")) {
        Some("ingress") => return Some(Peer::Ingress),
        Some(known) if NO_PODS.contains(&known) => return None,
        Some(_) => return Some(Peer::Everyone),
        None => {}
    }
    // Without a source a key means a label of any source, also `reserved:ingress`.
    let is_of_pods = |key: &str| matches!(source_of(key), ("k8s" | "any", bare) if bare != "ingress");
    let required = || {
        let positive = expressions().filter(|one| matches!(one.operator.as_str(), "In" | "Exists"));
        labels().chain(positive.map(|one| one.key.as_str()))
    };
    let elsewhere = keys().any(|key| is_of_cilium(source_of(key).1));
    let own_namespace = namespace.filter(|_| !elsewhere);
    if !keys().all(is_of_pods) || (own_namespace.is_none() && required().next().is_none()) {
        return Some(Peer::Everyone);
    }
    let selector = plain(selector);
    let namespace = own_namespace.map(str::to_owned).or_else(|| single(&selector, NAMESPACE_OF_POD));
    Some(Peer::Pods { namespace, selector })
}

fn is_of_cilium(key: &str) -> bool {
    OF_CILIUM.iter().any(|prefix| key.starts_with(prefix))
}

/// With keys as pods have them.
fn plain(selector: LabelSelector) -> LabelSelector {
    let bare = |key: String| match source_of(&key) {
        ("k8s" | "any", bare) => bare.to_owned(),
        _ => key,
    };
    LabelSelector {
        match_labels: selector
            .match_labels
            .map(|labels| labels.into_iter().map(|(key, value)| (bare(key), value)).collect()),
        match_expressions: selector.match_expressions.map(|expressions| {
            expressions.into_iter().map(|one| LabelSelectorRequirement { key: bare(one.key), ..one }).collect()
        }),
    }
}
