//! Copies that a mirroring route makes: named `-shadow`, with one of Envoy's own addresses once more, and seen to depart
//! long after the client had its answer.

use std::collections::VecDeque;

use super::entries::Entry;
use super::{DepartureIn, Link, Linker};
use crate::model::{BootNs, Reason};

/// Entries that are over, but whose copy may still depart.
#[derive(Debug, Default)]
pub struct Late {
    /// With until when; nearly ascending.
    entries: VecDeque<(BootNs, Entry)>,
    /// Until when one that had to be forgotten could have had a copy.
    forgotten: Option<BootNs>,
}

impl Late {
    pub fn keep(&mut self, bound: usize, until: BootNs, entry: Entry) {
        self.entries.push_back((until, entry));
        if self.entries.len() > bound
            && let Some((until, _)) = self.entries.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(until));
        }
    }

    pub fn advance(&mut self, ns: BootNs) {
        while self.entries.pop_front_if(|(until, _)| *until < ns).is_some() {}
    }
}

impl Linker {
    /// Adds the entries of which this may be a mirrored copy. `true`: there are such.
    pub(super) fn mirrored(&self, departure: &DepartureIn<'_>, began: BootNs, link: &mut Link) -> bool {
        let facts = &departure.facts;
        if !self.plan.mirrors || (facts.unshadowed.is_none() && !self.plan.own_address_last(facts)) {
            return false;
        }
        let copy = facts.as_mirrored();
        let used = self.plan.for_copy(departure.head, facts);
        let life = self.limits.mirror_life;
        let could = |entry: &Entry| {
            entry.complete_at < departure.started_at
                && entry.deadline.is_none_or(|deadline| began <= deadline.saturating_add(life))
                && self.plan.possible(&entry.facts, entry.peer, &copy, used)
        };
        let before = link.candidates.len();
        let live = self.entries.regular().chain(self.entries.irregular());
        for entry in live.chain(self.late.entries.iter().map(|(_, entry)| entry)).filter(|entry| could(entry)) {
            link.name(entry.key, self.limits.candidates);
        }
        if self.late.forgotten.is_some_and(|forgotten| began <= forgotten) {
            link.wild = link.wild.or(Some(Reason::Evicted));
        }
        let found = link.more || link.candidates.len() > before;
        link.mirror = found && before == 0;
        found
    }
}
