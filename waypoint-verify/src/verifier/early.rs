//! Batches that speak of roles which this verifier does not know of yet: they wait until the API server has told of them, and what
//! comes after them from the same node waits with them. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::readers::Read;
use super::roles::Roles;
use crate::model::BootNs;

/// How long: what one verifier has been told, another one is told within this time, or never.
const PATIENCE: BootNs = 5_000_000_000;
/// Octets of all that wait, as they were on the bus; past it nothing waits.
const OCTETS: usize = 64 << 20;
/// Roles that are not waited for any more, at most: past it, those are waited for again.
const GIVEN_UP: usize = 4096;

#[derive(Debug, Default)]
pub struct Early {
    waiting: BTreeMap<String, VecDeque<(BootNs, Read)>>,
    octets: usize,
    /// Roles that nobody told of in time: a watch list may have had them that is none any more.
    given_up: BTreeSet<String>,
}

/// One that need not wait any more.
#[derive(Debug)]
pub struct Released {
    pub read: Read,
    /// Whose roles it speaks of though they are still not known.
    pub unknown: Vec<String>,
}

impl Early {
    /// Takes one that has to wait, and gives back one that has not.
    pub fn hold(&mut self, read: Read, roles: &Roles, at: BootNs) -> Option<Read> {
        if !self.waiting.contains_key(&read.node) && self.unknown(&read, roles).is_empty() {
            return Some(read);
        }
        self.octets += read.octets;
        self.waiting.entry(read.node.clone()).or_default().push_back((at, read));
        None
    }

    /// The next one, of each node in its order.
    pub fn release(&mut self, roles: &Roles, at: BootNs) -> Option<Released> {
        let too_many = self.octets > OCTETS;
        let ready = self.waiting.iter().find_map(|(node, queue)| {
            let (since, read) = queue.front()?;
            let unknown = self.unknown(read, roles);
            let is_over = too_many || at.saturating_sub(*since) >= PATIENCE;
            (unknown.is_empty() || is_over).then(|| (node.clone(), unknown))
        });
        let (node, unknown) = ready?;
        let queue = self.waiting.get_mut(&node)?;
        let (_, read) = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&node);
        }
        self.octets -= read.octets;
        if self.given_up.len() + unknown.len() > GIVEN_UP {
            self.given_up.clear();
        }
        self.given_up.extend(unknown.iter().cloned());
        Some(Released { read, unknown })
    }

    fn unknown(&self, read: &Read, roles: &Roles) -> Vec<String> {
        let Ok(batch) = &read.batch else { return Vec::new() };
        let unknown = roles.unknown(batch).into_iter().filter(|id| !self.given_up.contains(*id));
        unknown.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests;
