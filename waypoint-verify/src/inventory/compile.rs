//! Policies and inventory -> the watch list: roles by pod UID and container, listener addresses, guards per proxy.

mod addresses;
mod canary;
mod effects;
mod envoy;
mod gateways;
mod listeners;
mod pods;
mod policies;
mod routes;
mod waypoints;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use canary::{CanaryPaths, canary_paths};

use super::Inventory;
use crate::manifest::Problem;
use crate::model::{CompiledPolicy, Guards, ProxyKind, ProxySpec, WatchList, revision_of};
use crate::policy::Loaded;

/// What came of it. Policies with errors are left out of the watch list; the others are in it.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub watch: WatchList,
    /// Errors and findings, each naming its object.
    pub problems: Vec<Problem>,
}

/// The watch list, or every error at once. Findings are in the watch list, as text.
pub fn compile(policies: &[Loaded], inventory: &Inventory) -> Result<WatchList, Vec<Problem>> {
    let compiled = compile_all(policies, inventory);
    let errors: Vec<_> = compiled.problems.into_iter().filter(Problem::is_error).collect();
    if errors.is_empty() { Ok(compiled.watch) } else { Err(errors) }
}

/// As `compile`, but one bad policy does not take the others with it.
pub fn compile_all(policies: &[Loaded], inventory: &Inventory) -> Compiled {
    let mut problems = inventory.problems();
    let mut watch = WatchList::default();
    pods::name_all(inventory, &mut watch);
    watch.cluster_addresses = addresses::of_cluster(inventory, &mut problems);

    let effects = gateways::effects(inventory, &mut problems);
    let gateway_correlation = policies::gateway_correlation(policies);
    for (node, containers) in gateways::proxies(inventory, &mut problems) {
        let guards = Guards {
            own_addresses: addresses::of_node(inventory, &node),
            correlation: gateway_correlation.clone(),
            ..effects.guards.clone()
        };
        let spec = Arc::new(ProxySpec { kind: ProxyKind::Gateway, guards });
        watch.proxies.extend(containers.into_iter().map(|id| (id, spec.clone())));
    }
    let (listeners, disputed) = listeners::of_cluster(inventory, &mut problems);
    watch.listeners = listeners;

    let mut waypoints: BTreeMap<String, Guards> = BTreeMap::new();
    for policy in policies {
        let before = problems.iter().filter(|problem| problem.is_error()).count();
        let compiled = policies::resolve(policy, inventory, &watch, &disputed, &mut problems);
        if problems.iter().filter(|problem| problem.is_error()).count() > before {
            continue;
        }
        let Some(compiled) = compiled else { continue };
        let promised = waypoints::guards(&policy.policy.spec);
        for id in &compiled.waypoint {
            let own_addresses = addresses::of_container(inventory, watch.containers.get(id).map(AsRef::as_ref));
            waypoints
                .entry(id.clone())
                .and_modify(|guards| *guards = waypoints::both(guards, &promised))
                .or_insert_with(|| promised.clone())
                .own_addresses = own_addresses;
        }
        watch.protected.extend(compiled.targets.iter().cloned());
        watch.policies.push(Arc::new(compiled));
    }
    check_roles(&waypoints, &watch, &mut problems);
    for (id, guards) in waypoints {
        watch.proxies.insert(id, Arc::new(ProxySpec { kind: ProxyKind::Waypoint, guards }));
    }

    problems.extend(unused(inventory));
    dedup(&mut problems);
    watch.findings = problems.iter().filter(|problem| !problem.is_error()).map(ToString::to_string).collect();
    watch.revision = revision_of(&watch);
    Compiled { watch, problems }
}

fn check_roles(waypoints: &BTreeMap<String, Guards>, watch: &WatchList, problems: &mut Vec<Problem>) {
    let proxies: BTreeSet<&String> = watch.proxies.keys().collect();
    for id in waypoints.keys().filter(|id| proxies.contains(id)) {
        let name = watch.containers.get(id).map_or_else(|| id.clone(), ToString::to_string);
        problems.push(Problem::error(
            format!("{name} serves Gateways and is a waypoint too"),
            "a waypoint is a proxy of its own: name its Service in spec.waypoint.ref",
        ));
    }
}

/// Controllers of pods: the pods themselves are in the inventory.
const WORKLOADS: [&str; 7] = [
    "DaemonSet.apps",
    "Deployment.apps",
    "ReplicaSet.apps",
    "StatefulSet.apps",
    "ReplicationController",
    "Job.batch",
    "CronJob.batch",
];

/// Unknown kinds are said, not silently dropped: what they do to traffic is not known.
fn unused(inventory: &Inventory) -> Option<Problem> {
    let unknown = inventory.unused.iter().filter(|(kind, _)| !WORKLOADS.contains(&kind.as_str()));
    let list: Vec<_> = unknown.map(|(kind, count)| format!("{count} {kind}")).collect();
    (!list.is_empty())
        .then(|| Problem::finding(format!("kinds that were read but are not used: {}", list.join(", ")), ""))
}

fn dedup(problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
}

/// Used where a compiled policy is not needed but its absence must be said.
type Resolved = Option<CompiledPolicy>;

#[cfg(test)]
pub(super) fn effects_for_tests(inventory: &Inventory, problems: &mut Vec<Problem>) -> Guards {
    gateways::effects(inventory, problems).guards
}
