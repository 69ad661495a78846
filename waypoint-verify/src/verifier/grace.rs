//! What the conditions say while nodes take up a new watch list: nothing, for some seconds. Pure.
//!
//! Every pod that comes or goes changes its node's part, and for a tick or two the node does not have the new one. In a busy cluster
//! `Covered` would be False all the time, and say nothing. Only the conditions wait: judges and gates know at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::lockstep::{Blind, Coverage};
use crate::model::BootNs;

/// How long a node may take.
const GRACE: BootNs = 5_000_000_000;

#[derive(Debug, Default)]
pub struct Grace {
    /// Nodes that were seen, and since when they lack nothing but the newest watch list.
    since: BTreeMap<String, BootNs>,
}

impl Grace {
    /// What to show of the coverage at this tick. `before`: at the tick before.
    pub fn shown(&mut self, before: &Coverage, now: &Coverage, at: BootNs) -> Coverage {
        let only_stale = BTreeSet::from([Blind::Stale]);
        self.since.retain(|node, _| now.blind.get(node) == Some(&only_stale));
        let mut shown = Coverage { seen: now.seen.clone(), blind: BTreeMap::new() };
        for (node, why) in &now.blind {
            if *why == only_stale && before.seen.contains(node) {
                self.since.insert(node.clone(), at);
            }
            let is_in_time = self.since.get(node).is_some_and(|since| at.saturating_sub(*since) < GRACE);
            if is_in_time {
                shown.seen.insert(node.clone());
            } else {
                shown.blind.insert(node.clone(), why.clone());
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests;
