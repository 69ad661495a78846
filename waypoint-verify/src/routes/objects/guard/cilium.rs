//! CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ANY, Admission, Guard, Peer, single};

/// The name of a pod's namespace, as a label of its endpoint.
const NAMESPACE_OF_POD: &str = "io.kubernetes.pod.namespace";
/// Labels that Cilium gives pods beside their own.
const OF_CILIUM: [&str; 2] = ["io.kubernetes.", "io.cilium."];
/// Entities that are neither pods nor a Gateway's Envoy.
const NO_PODS: [&str; 8] =
    ["host", "remote-node", "kube-apiserver", "health", "world", "world-ipv4", "world-ipv6", "none"];

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
