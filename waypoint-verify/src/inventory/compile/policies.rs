//! Resolves one policy against the inventory.

use std::collections::BTreeSet;
use std::time::Duration;

use super::pods::{Backends, behind};
use super::{Resolved, gateways, listeners, waypoints};
use crate::inventory::{Inventory, Item, Service, matches};
use crate::manifest::{Nature, Problem};
use crate::model::{CompiledPolicy, ExemptFrom, Exemption, GatewayRef, NamespacedName, ProxyKind, WatchList};
use crate::policy::{CorrelatedProxy, ExemptSource, GROUP, KIND, Loaded, TargetRef, parse_duration};

const WINDOW: Duration = Duration::from_secs(600);

/// Headers that every policy declares for Gateways: one Envoy serves them all, and no policy speaks for another.
pub fn gateway_correlation(policies: &[Loaded]) -> BTreeSet<String> {
    let declared = |policy: &Loaded| -> BTreeSet<String> {
        let spec = &policy.policy.spec;
        let ours = spec.correlation.iter().filter(|one| one.proxy == CorrelatedProxy::Gateway);
        ours.map(|one| one.header.to_ascii_lowercase()).collect()
    };
    policies.iter().map(declared).reduce(|a, b| a.intersection(&b).cloned().collect()).unwrap_or_default()
}

/// `None` where an error was reported.
pub fn resolve(
    policy: &Loaded,
    inventory: &Inventory,
    watch: &WatchList,
    disputed: &BTreeSet<GatewayRef>,
    problems: &mut Vec<Problem>,
) -> Resolved {
    let spec = &policy.policy.spec;
    let mut targets = BTreeSet::new();
    for (at, target) in spec.target_refs.iter().enumerate() {
        let path = format!("spec.targetRefs[{at}]");
        granted(policy, &path, target, inventory, problems);
        if let Some((service, backends)) = service(policy, &path, target, inventory, problems) {
            for address in &backends.others {
                problems.push(policy.finding(
                    &path,
                    format!("{} leads to {address}, which is no pod of the inventory", service.key),
                    "what arrives there is not seen",
                ));
            }
            targets.extend(backends.pods.values().map(|pod| pod.meta.uid.clone()));
        }
    }
    let mut waypoint = BTreeSet::new();
    if let Some((service, backends)) =
        service(policy, "spec.waypoint.ref", &spec.waypoint.reference, inventory, problems)
    {
        waypoint = waypoints::containers(policy, service, &backends, problems);
        for pod in backends.pods.values().filter(|pod| targets.contains(&pod.meta.uid)) {
            problems.push(policy.problem(
                "spec.waypoint.ref",
                format!("{} is behind the waypoint's Service and behind a target's", pod.key),
                "give waypoint and target selectors that do not overlap",
            ));
        }
    }
    let via: Vec<_> = gateway_list(policy, "spec.via", &spec.via, inventory, watch, disputed, problems);
    let entry = spec
        .entry
        .as_ref()
        .map(|entry| gateway_list(policy, "spec.entry", entry, inventory, watch, disputed, problems));
    let exempt = spec.exempt.iter().enumerate().map(|(at, exempt)| {
        let from = match &exempt.from {
            ExemptSource { kubelet: Some(_), .. } => ExemptFrom::Kubelet,
            selectors => ExemptFrom::Pods(exempt_pods(policy, at, selectors, &waypoint, inventory, watch, problems)),
        };
        Exemption { from, ports: exempt.ports.iter().copied().collect(), reason: exempt.reason.clone() }
    });
    let exempt = exempt.collect();
    Some(CompiledPolicy {
        name: policy.key(),
        targets,
        waypoint,
        via,
        entry: entry.map(|entry| entry.into_iter().collect()),
        exempt,
        window: spec.window.as_deref().and_then(parse_duration).unwrap_or(WINDOW),
    })
}

pub fn name_of(policy: &Loaded, reference: &TargetRef) -> NamespacedName {
    let namespace = reference.namespace.clone().unwrap_or_else(|| policy.namespace.clone());
    NamespacedName { namespace, name: reference.name.clone() }
}

fn service<'a>(
    policy: &Loaded,
    path: &str,
    reference: &TargetRef,
    inventory: &'a Inventory,
    problems: &mut Vec<Problem>,
) -> Option<(&'a Item<Service>, Backends<'a>)> {
    let name = name_of(policy, reference);
    let Some(service) = inventory.services.get(&name) else {
        problems.push(
            policy
                .problem(
                    &format!("{path}.name"),
                    format!("there is no Service {name} in the inventory"),
                    elsewhere(&name, inventory.services.keys(), "dump the cluster again, or mend the name"),
                )
                .being(Nature::NotFound),
        );
        return None;
    };
    let backends = behind(inventory, service);
    if backends.pods.is_empty() {
        let cure = if service.value.spec.selector.is_empty() {
            "it has no selector: add its EndpointSlices to the inventory".to_owned()
        } else {
            let selector: Vec<_> =
                service.value.spec.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!(
                "its selector is {}: check the labels of the pods, and that the pods were dumped",
                selector.join(",")
            )
        };
        problems.push(
            policy
                .problem(&format!("{path}.name"), format!("Service {name} has no pods"), cure)
                .being(Nature::NotFound),
        );
        return None;
    }
    Some((service, backends))
}

/// Names the same object of another namespace, the usual mistake.
fn elsewhere<'a>(wanted: &NamespacedName, known: impl Iterator<Item = &'a NamespacedName>, otherwise: &str) -> String {
    let same: Vec<_> = known.filter(|name| name.name == wanted.name).map(ToString::to_string).collect();
    if same.is_empty() { otherwise.to_owned() } else { format!("did you mean {}? Set `namespace`", same.join(" or ")) }
}

/// A target of another namespace has to allow it (as Gateway API's ReferenceGrant does for routes).
fn granted(policy: &Loaded, path: &str, target: &TargetRef, inventory: &Inventory, problems: &mut Vec<Problem>) {
    let name = name_of(policy, target);
    if name.namespace == policy.namespace {
        return;
    }
    let allowed = inventory.grants.values().filter(|grant| grant.key.namespace == name.namespace).any(|grant| {
        let spec = &grant.value.spec;
        spec.from.iter().any(|from| from.group == GROUP && from.kind == KIND && from.namespace == policy.namespace)
            && spec.to.iter().any(|to| {
                to.group.is_empty() && to.kind == "Service" && to.name.as_ref().is_none_or(|only| *only == name.name)
            })
    });
    if !allowed {
        problems.push(
            policy
                .problem(
                    &format!("{path}.namespace"),
                    format!("Service {name} is in another namespace, which does not allow it"),
                    format!(
                        "create a ReferenceGrant in {} from {KIND} of {} to Service",
                        name.namespace, policy.namespace
                    ),
                )
                .being(Nature::NotPermitted),
        );
    }
}

fn gateway_list(
    policy: &Loaded,
    path: &str,
    references: &[TargetRef],
    inventory: &Inventory,
    watch: &WatchList,
    disputed: &BTreeSet<GatewayRef>,
    problems: &mut Vec<Problem>,
) -> Vec<GatewayRef> {
    let mut names = Vec::new();
    for (at, reference) in references.iter().enumerate() {
        let name = name_of(policy, reference);
        gateway(policy, &format!("{path}[{at}]"), &name, inventory, watch, disputed, problems);
        names.push(name);
    }
    names
}

fn gateway(
    policy: &Loaded,
    path: &str,
    name: &GatewayRef,
    inventory: &Inventory,
    watch: &WatchList,
    disputed: &BTreeSet<GatewayRef>,
    problems: &mut Vec<Problem>,
) {
    let Some(gateway) = inventory.gateways.get(name) else {
        problems.push(
            policy
                .problem(
                    &format!("{path}.name"),
                    format!("there is no Gateway {name} in the inventory"),
                    elsewhere(name, inventory.gateways.keys(), "dump the cluster again, or mend the name"),
                )
                .being(Nature::NotFound),
        );
        return;
    };
    let class = &gateway.value.spec.gateway_class_name;
    match gateways::served_by(inventory, gateway) {
        gateways::Served::Cilium => {}
        gateways::Served::Elsewhere(controller) => {
            problems.push(policy.problem(
                path,
                format!("Gateway {name} is served by {controller}, whose proxies are not known"),
                format!("use a GatewayClass of {}", gateways::CONTROLLER),
            ));
            return;
        }
        gateways::Served::Unknown => {
            problems.push(policy.problem(
                path,
                format!("GatewayClass {class} of Gateway {name} is not in the inventory"),
                "add the output of `kubectl get gatewayclasses -o yaml`",
            ));
            return;
        }
    }
    if !watch.proxies.values().any(|proxy| proxy.kind == ProxyKind::Gateway) {
        problems.push(policy.problem(
            path,
            format!("no running Envoy of Cilium serves Gateway {name}"),
            "add the pods of kube-system (DaemonSet cilium-envoy, or cilium) with their status",
        ));
    }
    if gateway.value.spec.listeners.is_empty() {
        problems.push(policy.problem(
            path,
            format!("Gateway {name} has no listener"),
            "give it one, or name another Gateway",
        ));
    } else if !watch.listeners.values().any(|listener| listener.gateway == *name) && !disputed.contains(name) {
        let cure = if listeners::services_of(inventory, gateway).is_empty() {
            format!("add its Service (cilium-gateway-{}) to the inventory", name.name)
        } else {
            "its Service has no address yet: see `kubectl describe gateway`".to_owned()
        };
        problems.push(policy.problem(path, format!("Gateway {name} has no address that is its own"), cure));
    }
}

fn exempt_pods(
    policy: &Loaded,
    at: usize,
    from: &ExemptSource,
    waypoint: &BTreeSet<String>,
    inventory: &Inventory,
    watch: &WatchList,
    problems: &mut Vec<Problem>,
) -> BTreeSet<String> {
    let path = format!("spec.exempt[{at}].from");
    let pods: Vec<_> = inventory
        .pods
        .values()
        .filter(|pod| match &from.namespace_selector {
            Some(selector) => matches(selector, &inventory.labels_of_namespace(&pod.key.namespace)),
            None => pod.key.namespace == policy.namespace,
        })
        .filter(|pod| from.pod_selector.as_ref().is_none_or(|selector| matches(selector, &pod.meta.labels)))
        .collect();
    if pods.is_empty() {
        problems.push(policy.finding(&path, "selects no pod", "remove it, or mend its selectors"));
    } else if pods.len() == inventory.pods.len() {
        problems.push(policy.finding(&path, "exempts every pod of the cluster", "name the pods that need it"));
    }
    let is_waypoint =
        |uid: &str| waypoint.iter().filter_map(|id| watch.containers.get(id)).any(|one| one.pod.uid == uid);
    for pod in pods.iter().filter(|pod| is_waypoint(&pod.meta.uid)) {
        problems.push(policy.finding(
            &path,
            format!("exempts {}, a pod of the waypoint: what it sends by itself is not judged", pod.key),
            "exempt other pods only",
        ));
    }
    pods.into_iter().map(|pod| pod.meta.uid.clone()).collect()
}
