//! The declared paths: every way that a cluster's objects open to a target's pods, and which of them skip its waypoint.
//!
//! A may-analysis: it may show a path too many, never one too few. What cannot be read is told, and counts as perhaps a path.
//! Pure: objects in, paths out (docs/routes.md).

mod admission;
mod attach;
mod change;
mod cure;
pub mod dialect;
mod doors;
mod explore;
mod hosts;
mod objects;
mod observed;
mod path;
pub mod probing;
mod reach;
mod render;
mod request;
mod sample;
pub mod table;
#[cfg(test)]
mod tests;
mod text;
mod witness;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::manifest::{Object, Problem};
use crate::model::NamespacedName;
use crate::policy::{Loaded, TargetRef};

pub use admission::{Admissions, Enforcement, Sender};
pub use attach::{ListenerAt, listeners};
pub use change::Change;
pub use dialect::Dialect;
pub use dialect::ingress;
pub use explore::{Demand, OwnWay, count, own_ways};
pub use objects::{TEMPLATES, World, matters, place, version_of};
pub use observed::{Compared, compare, kinds_of};
pub use path::{Class, Door, From, Hop, Path, Reached};
pub use render::{changes, dot, tree};
pub use request::Request;
pub use witness::Witness;

/// What the objects allow, as far as one policy is concerned.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    pub policy: String,
    /// Sorted: past the waypoint first.
    pub paths: Vec<Path>,
    /// What could not be read and might add a path.
    #[serde(serialize_with = "as_text")]
    pub unread: Vec<Problem>,
    /// What else a reader must know.
    #[serde(serialize_with = "as_text")]
    pub findings: Vec<Problem>,
}

fn as_text<S: serde::Serializer>(problems: &[Problem], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(problems.iter().map(ToString::to_string))
}

impl Analysis {
    pub fn past(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(|path| path.class.is_past())
    }

    /// Something unread, or not understood, that could change the answer.
    pub fn is_partial(&self) -> bool {
        !self.unread.is_empty() || self.paths.iter().any(|path| matches!(path.class, Class::Unknown { .. }))
    }
}

impl Demand {
    pub fn of(loaded: &Loaded) -> Self {
        let name = |reference: &TargetRef| NamespacedName {
            namespace: reference.namespace.clone().unwrap_or_else(|| loaded.namespace.clone()),
            name: reference.name.clone(),
        };
        let spec = &loaded.policy.spec;
        Self {
            policy: loaded.key().to_string(),
            targets: spec.target_refs.iter().map(name).collect(),
            waypoint: name(&spec.waypoint.reference),
            via: spec.via.iter().map(name).collect(),
            entry: spec.entry.as_ref().map(|entry| entry.iter().map(name).collect::<BTreeSet<_>>()),
        }
    }
}

/// Pods that are only assumed.
fn assumed(world: &World) -> impl Iterator<Item = Problem> {
    world.workloads.iter().filter(|workload| workload.value.is_assumed).map(|workload| {
        Problem::finding(
            "nothing among the objects makes pods with these labels",
            "it is taken for pods of unknown ports; add the Deployment (or whatever makes them)",
        )
        .of(workload.key.to_string())
    })
}

/// What keeps a policy from being asked about: references to nothing.
pub fn check(world: &World, demand: &Demand) -> Vec<Problem> {
    let missing = |kind: &str, field: &str, name: &NamespacedName| {
        Problem::error(
            format!("{kind} {name} is not among the objects"),
            "add the files that hold it; kustomizations have to be rendered (`kubectl kustomize DIR | waypoint-verify routes -f -`)",
        )
        .of(format!("WaypointPolicy {}", demand.policy))
        .field(field)
    };
    let services =
        demand.targets.iter().map(|name| ("spec.targetRefs", name)).chain([("spec.waypoint.ref", &demand.waypoint)]);
    let gateways = demand.via.iter().map(|name| ("spec.via", name));
    let gateways = gateways.chain(demand.entry.iter().flatten().map(|name| ("spec.entry", name)));
    let services = services.filter(|(_, name)| !world.services.contains_key(*name));
    let gateways = gateways.filter(|(_, name)| !world.gateways.contains_key(*name));
    services
        .map(|(field, name)| missing("Service", field, name))
        .chain(gateways.map(|(field, name)| missing("Gateway", field, name)))
        .collect()
}

impl World {
    /// For these questions; `unread`: what could not be read of the objects.
    pub fn of_demands(objects: Vec<Object>, unread: Vec<Problem>, demands: &[Demand]) -> Self {
        let mut world = Self::from_objects(objects);
        world.unread.extend(unread);
        for demand in demands {
            world.assume_pods_of(demand.targets.iter().chain([&demand.waypoint]));
        }
        world
    }
}

/// Of each policy, in their order: its declared paths, or what keeps it from being asked about.
pub fn analyze_all(
    objects: Vec<Object>,
    unread: Vec<Problem>,
    policies: &[Loaded],
    assumptions: &Assumptions,
) -> Vec<Result<Analysis, Vec<Problem>>> {
    let demands: Vec<_> = policies.iter().map(Demand::of).collect();
    let world = World::of_demands(objects, unread, &demands);
    let of = |demand: &Demand| match check(&world, demand) {
        missing if missing.is_empty() => Ok(analyze(&world, demand, assumptions)),
        missing => Err(missing),
    };
    demands.iter().map(of).collect()
}

/// What objects do not say.
#[derive(Clone, Debug, Default)]
pub struct Assumptions {
    /// Overrides what controllers are known to speak; empty: nothing.
    pub dialects: Vec<Dialect>,
    /// How nodes enforce NetworkPolicies; `None`: not known, and then these close nothing.
    pub enforcement: Option<Enforcement>,
}

/// Every declared path to the target's pods and to the waypoint's.
pub fn analyze(world: &World, demand: &Demand, assumptions: &Assumptions) -> Analysis {
    let explorer = explore::Explorer::new(world, demand, assumptions);
    let (mut paths, unread, findings) = explorer.paths();
    paths.sort_by(|a, b| (&a.class, &a.hops, a.mirror, &a.reaches).cmp(&(&b.class, &b.hops, b.mirror, &b.reaches)));
    Analysis {
        policy: demand.policy.clone(),
        paths,
        unread: world.unread.iter().cloned().chain(unread).collect(),
        findings: assumed(world).chain(world.problems.iter().cloned()).chain(findings).collect(),
    }
}
