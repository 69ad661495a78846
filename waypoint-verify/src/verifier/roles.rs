//! Who is a target or a proxy, and evidence of those of whom a verifier does not know that yet. Pure.
//!
//! Agents observe by a watch list that a verifier made. It need not be this one, and this one may not have heard yet what the
//! other had: judged by what it knows, a new waypoint would be no waypoint, and what arrived at a new target would be nobody's.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use crate::bus::batch::Batch;
use crate::evidence::{Evidence, Subject};
use crate::model::{ProxyKind, WatchList};

/// UIDs of pods that are targets, and ids of containers that are proxies, now or a moment ago. They do not look alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(FxHashSet<String>);

impl Roles {
    /// `lost`: who had one until a moment ago.
    pub fn new<'a>(watch: &'a WatchList, lost: impl Iterator<Item = &'a String>) -> Self {
        Self(watch.protected.iter().chain(watch.proxies.keys()).chain(lost).cloned().collect())
    }

    /// Whose role a batch testifies that is not known.
    pub fn unknown<'a>(&self, batch: &'a Batch) -> BTreeSet<&'a str> {
        let all = batch.evidence.iter().filter_map(subject);
        all.filter(|id| !self.0.contains(*id)).collect()
    }
}

/// What some policies need of evidence: that of other policies' waypoints and targets says nothing of theirs.
#[derive(Clone, Debug, Default)]
pub struct Relevant(FxHashSet<String>);

impl Relevant {
    /// For the policies of this watch list.
    pub fn to(watch: &WatchList) -> Self {
        let gateways = watch.proxies.iter().filter(|(_, proxy)| proxy.kind == ProxyKind::Gateway).map(|(id, _)| id);
        let own = watch.policies.iter().flat_map(|policy| policy.targets.iter().chain(&policy.waypoint));
        Self(gateways.chain(own).cloned().collect())
    }

    pub fn takes(&self, evidence: &Evidence) -> bool {
        subject(evidence).is_none_or(|id| self.0.contains(id))
    }
}

/// Of whom it is evidence, if it is of somebody as target or as proxy.
fn subject(evidence: &Evidence) -> Option<&str> {
    match evidence.subject()? {
        Subject::Target(container) => Some(&container.pod.uid),
        Subject::Proxy(container) => Some(&container.id),
        Subject::Owner(_) => None,
    }
}

#[cfg(test)]
mod tests;
