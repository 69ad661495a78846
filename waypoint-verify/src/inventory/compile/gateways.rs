//! Which Gateways Cilium serves, which containers are its Envoys, and what all routes together can do to requests.
//!
//! One Envoy serves all Gateways of a node, so that the effects of every route of every Gateway count for each.

use std::collections::{BTreeMap, BTreeSet};

use super::effects::Effects;
use super::{envoy, routes};
use crate::inventory::{EnvoyConfig, Gateway, Inventory, Item, Pod};
use crate::manifest::Problem;
use crate::model::NamespacedName;
use crate::policy::GATEWAY_GROUP;

pub const CONTROLLER: &str = "io.cilium/gateway-controller";
const CILIUM_NAMESPACE: &str = "kube-system";

/// Who serves a Gateway.
#[derive(Debug, PartialEq, Eq)]
pub enum Served<'a> {
    Cilium,
    /// By another controller: its proxies are ordinary pods to us.
    Elsewhere(&'a str),
    /// Its GatewayClass is not in the inventory. It might be Cilium's.
    Unknown,
}

pub fn served_by<'a>(inventory: &'a Inventory, gateway: &Item<Gateway>) -> Served<'a> {
    let class = NamespacedName { namespace: String::new(), name: gateway.value.spec.gateway_class_name.clone() };
    match inventory.gateway_classes.get(&class).map(|class| class.value.spec.controller_name.as_str()) {
        Some(CONTROLLER) => Served::Cilium,
        Some(other) => Served::Elsewhere(other),
        None => Served::Unknown,
    }
}

/// The Gateway that Cilium generated this configuration for.
pub fn owner_of(config: &Item<EnvoyConfig>) -> Option<NamespacedName> {
    let owner = config.meta.owner_references.iter().find(|owner| owner.is(GATEWAY_GROUP, "Gateway"))?;
    Some(NamespacedName { namespace: config.key.namespace.clone(), name: owner.name.clone() })
}

pub fn effects(inventory: &Inventory, problems: &mut Vec<Problem>) -> Effects {
    let mut effects = Effects::none();
    routes::read(inventory, &mut effects);
    for config in inventory.envoy_configs.values() {
        for (at, resource) in config.value.spec.resources.iter().enumerate() {
            envoy::read(config, at, resource, &mut effects);
        }
    }
    network_policies(inventory, &mut effects);
    missing_configs(inventory, &mut effects);
    for problem in inventory.unreadable.values().filter(|problem| {
        problem.object.as_deref().is_some_and(|object| object.starts_with("Cilium") || object.contains("Route "))
    }) {
        effects.anything(
            &Problem { severity: crate::manifest::Severity::Finding, ..problem.clone() },
            "this object cannot be read",
        );
    }
    problems.append(&mut effects.problems);
    effects
}

/// L7 rules send traffic through listeners of the same Envoy that do not append to `x-forwarded-for`.
fn network_policies(inventory: &Inventory, effects: &mut Effects) {
    for policy in inventory.network_policies.values() {
        let place = policy.finding("", "", "");
        let mut found = BTreeSet::new();
        collect_l7(&policy.value, &mut found);
        if found.contains("mismatch") {
            effects.anything(&place, "its headerMatches change headers");
        } else if found.contains("octets") {
            effects.octets(&place, "its L7 rules use a listener that passes on whatever its client writes");
        } else if !found.is_empty() {
            effects.forwarded_for(&place, "its L7 rules use a listener that does not append to the header");
        }
    }
    for pod in inventory.pods.values() {
        for name in ["policy.cilium.io/proxy-visibility", "io.cilium.proxy-visibility"] {
            if pod.meta.annotations.contains_key(name) {
                let place = pod.finding(&format!("metadata.annotations[{name}]"), "", "");
                effects.forwarded_for(&place, "L7 visibility uses a listener that does not append to the header");
            }
        }
    }
}

fn collect_l7(value: &serde_json::Value, found: &mut BTreeSet<&'static str>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, inner) in fields {
                match name.as_str() {
                    // `toPorts[].rules` holds L7 rules; DNS ones do not go through Envoy.
                    "rules" => {
                        let kinds = inner.as_object().into_iter().flat_map(|rules| rules.keys());
                        found.extend(kinds.filter_map(|kind| match kind.as_str() {
                            "dns" => None,
                            "http" => Some("rules"),
                            _ => Some("octets"),
                        }));
                    }
                    "listener" | "terminatingTLS" | "originatingTLS" | "serverNames" => {
                        found.insert("listener");
                    }
                    "mismatch" => {
                        found.insert("mismatch");
                    }
                    _ => {}
                }
                collect_l7(inner, found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_l7(item, found)),
        _ => {}
    }
}

/// Every Gateway of Cilium that serves HTTP has a CiliumEnvoyConfig. One that is in service without it means that
/// the inventory lacks them, and then hand-written ones may be missing too: what is not read counts as breaking.
fn missing_configs(inventory: &Inventory, effects: &mut Effects) {
    let owned: BTreeSet<_> = inventory.envoy_configs.values().filter_map(owner_of).collect();
    for gateway in inventory.gateways.values() {
        let http =
            gateway.value.spec.listeners.iter().any(|listener| matches!(listener.protocol.as_str(), "HTTP" | "HTTPS"));
        if !http || owned.contains(&gateway.name()) || served_by(inventory, gateway) != Served::Cilium {
            continue;
        }
        let in_service = !gateway.value.status.addresses.is_empty()
            || gateway.value.status.conditions.iter().any(|one| one.kind == "Programmed" && one.status == "True");
        if in_service {
            let mut place = gateway.finding("", "", "");
            place.cure = String::new();
            effects
                .anything(&place, "its CiliumEnvoyConfig is not in the inventory (`kubectl get cec,ccec -A -o yaml`)");
        }
    }
}

/// Containers of Cilium's Envoys by node: of the DaemonSet `cilium-envoy`, or else of the agents.
pub fn proxies(inventory: &Inventory, problems: &mut Vec<Problem>) -> BTreeMap<String, BTreeSet<String>> {
    let found = containers(inventory, "cilium-envoy", "cilium-envoy", "cilium-envoy", problems);
    let found =
        if found.is_empty() { containers(inventory, "cilium", "cilium", "cilium-agent", problems) } else { found };
    if !found.is_empty() {
        for node in inventory.nodes.values().filter(|node| !found.contains_key(&node.key.name)) {
            problems.push(node.finding(
                "",
                "no running Envoy of Cilium on this node",
                "requests that enter a Gateway here cannot be followed; dump the pods of kube-system again",
            ));
        }
    }
    found
}

fn containers(
    inventory: &Inventory,
    set: &str,
    label: &str,
    container: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, BTreeSet<String>> {
    let owned = |pod: &Item<Pod>| {
        pod.meta.owner_references.iter().any(|owner| owner.is("apps", "DaemonSet") && owner.name == set)
    };
    // A label alone proves nothing outside of kube-system: anyone can put it on a pod of theirs.
    let ours = |pod: &&Item<Pod>| {
        owned(pod)
            || pod.key.namespace == CILIUM_NAMESPACE && pod.meta.labels.get("k8s-app").is_some_and(|own| own == label)
    };
    let mut pods: Vec<_> = inventory.pods.values().filter(ours).filter(|pod| !pod.value.is_over()).collect();
    if pods.iter().any(|pod| pod.key.namespace == CILIUM_NAMESPACE) {
        pods.retain(|pod| pod.key.namespace == CILIUM_NAMESPACE);
    }
    let namespaces: BTreeSet<_> = pods.iter().map(|pod| pod.key.namespace.as_str()).collect();
    if namespaces.len() > 1 {
        let list: Vec<_> = namespaces.into_iter().collect();
        problems.push(Problem::error(
            format!("a DaemonSet {set} has pods in several namespaces: {}", list.join(", ")),
            "only one of them can be Cilium's: remove the others from the inventory",
        ));
        return BTreeMap::new();
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in pods {
        let ids = pod.value.statuses().filter(|status| status.name == container).flat_map(|status| status.ids());
        for id in ids {
            found.entry(pod.value.spec.node_name.clone()).or_default().insert(id.to_owned());
        }
    }
    found
}
