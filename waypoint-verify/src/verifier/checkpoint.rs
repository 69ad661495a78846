//! What a verifier leaves for the one after it: counts, and from where in each stream they have to go on.
//!
//! The counts hold everything that was said of arrivals up to a position of each stream, but of those that were open then.
//! So another verifier reads from somewhat before (what causes an arrival is testified before it), takes of what is at or
//! below the position only the open arrivals, and of what is above everything: no arrival is counted twice, and none is
//! lost, also of those that came while nobody judged. What is told of counts is told only after a checkpoint has every stream that they
//! are of: whoever ends in between leaves from where they can be counted again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::window::Aged;
use crate::bus::Message;
use crate::evidence::Evidence;
use crate::model::{BootNs, MessageKey, NamespacedName};
use crate::policy::LastBypass;

/// How far back another verifier begins to read: longer than most requests are under way.
const BACK: BootNs = 30_000_000_000;
/// Between two remembered positions.
const STEP: BootNs = 5_000_000_000;
/// Open arrivals that fit into a checkpoint. With more none is written, and the one before stays.
const OPEN: usize = 16_384;

/// Of one policy, in one generation of its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub uid: String,
    pub generation: i64,
    pub window: Aged,
    /// As JSON: its form is Kubernetes', which does not name its fields for us.
    last_bypass: Option<String>,
    /// Seconds of the epoch.
    pub since: i64,
}

impl Saved {
    pub fn new(uid: String, generation: i64, window: Aged, last_bypass: Option<&LastBypass>, since: i64) -> Self {
        let last_bypass = last_bypass.and_then(|bypass| serde_json::to_string(bypass).ok());
        Self { uid, generation, window, last_bypass, since }
    }

    pub fn last_bypass(&self) -> Option<LastBypass> {
        self.last_bypass.as_ref().and_then(|text| serde_json::from_str(text).ok())
    }
}

/// A connection that could not be read, as its node told of it: node, socket, time.
pub type Told = (String, u64, BootNs);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Stands for all verifiers that have gone on with these counts.
    pub lineage: u64,
    /// When it was written, in seconds of the epoch.
    pub at: i64,
    /// Of each node's stream, the newest message that the counts know of, and where to begin to read.
    pub positions: BTreeMap<String, (u64, u64)>,
    /// Arrivals below these positions that were not judged for good.
    open: Vec<MessageKey>,
    unreadable: Vec<Told>,
    pub policies: Vec<(NamespacedName, Saved)>,
}

impl Message for Checkpoint {
    const VERSION: u16 = 1;
}

/// What of the streams a verifier has read, and what of it was counted before it began.
#[derive(Debug, Default)]
pub struct Progress {
    newest: BTreeMap<String, u64>,
    /// Earlier states of `newest`, and when they were.
    before: VecDeque<(BootNs, BTreeMap<String, u64>)>,
    counted: BTreeMap<String, u64>,
    /// Where reading began, of each node.
    began: BTreeMap<String, u64>,
    open: FxHashSet<MessageKey>,
    /// Those of `open` that were read again.
    found: FxHashSet<MessageKey>,
    unreadable: BTreeSet<Told>,
}

/// What a position says of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Next,
    /// What was between is not in the stream any more.
    Gap,
}

impl Progress {
    pub fn after(checkpoint: &Checkpoint) -> Self {
        Self {
            counted: checkpoint.positions.iter().map(|(node, (counted, _))| (node.clone(), *counted)).collect(),
            began: checkpoint.positions.iter().map(|(node, (_, begin))| (node.clone(), *begin)).collect(),
            open: checkpoint.open.iter().copied().collect(),
            unreadable: checkpoint.unreadable.iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// What comes after this position of the node's stream is read; nothing of it was counted before. Whether that was not known.
    pub fn begin(&mut self, node: &str, position: u64) -> bool {
        let is_new = !self.counted.contains_key(node) && !self.newest.contains_key(node);
        if is_new {
            self.newest.insert(node.to_owned(), position);
            self.began.insert(node.to_owned(), position + 1);
        }
        is_new
    }

    /// A message at this position of the node's stream was read.
    pub fn read(&mut self, node: &str, position: u64) -> Read {
        let known = self.newest.get(node).or_else(|| self.counted.get(node)).copied();
        let newest = self.newest.entry(node.to_owned()).or_default();
        *newest = position.max(*newest);
        if known.is_some_and(|known| position > known + 1) { Read::Gap } else { Read::Next }
    }

    /// Whether this has not been counted yet.
    pub fn is_new(&mut self, node: &str, position: u64, evidence: &Evidence) -> bool {
        if self.counted.get(node).is_none_or(|counted| position > *counted) {
            return true;
        }
        match evidence {
            Evidence::Arrived { key, .. } => {
                let is_open = self.open.contains(key);
                if is_open {
                    self.found.insert(*key);
                }
                is_open
            }
            Evidence::Unreadable { stream, at, .. } => self.unreadable.contains(&(node.to_owned(), *stream, *at)),
            _ => true,
        }
    }

    /// Arrivals that another verifier had not judged for good, and that were not read again: nobody will judge them.
    pub fn unfound(&self) -> usize {
        self.open.len() - self.found.len()
    }

    /// Where another verifier would begin. `None`: more is open than fits.
    pub fn checkpoint(
        &mut self,
        at: BootNs,
        open: impl Iterator<Item = MessageKey>,
        unreadable: impl Iterator<Item = Told>,
    ) -> Option<Checkpoint> {
        if self.before.back().is_none_or(|(then, _)| at.saturating_sub(*then) >= STEP) {
            self.before.push_back((at, self.newest.clone()));
        }
        // The newest of those that are old enough is the one to begin at.
        while self.before.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) >= BACK) {
            self.before.pop_front();
        }
        // Until one is, where we began: what was caused before that is needed as long.
        let is_old = |(then, _): &&(BootNs, _)| at.saturating_sub(*then) >= BACK;
        let before = self.before.front().filter(is_old).map(|(_, positions)| positions);
        // Of a node that has not been read since another verifier counted, what that one knew holds.
        let nodes: BTreeSet<_> = self.newest.keys().chain(self.counted.keys()).collect();
        let positions = nodes.into_iter().map(|node| {
            let known = self.newest.get(node).max(self.counted.get(node)).copied().unwrap_or_default();
            let begin = before.and_then(|before| before.get(node)).or_else(|| self.began.get(node));
            (node.clone(), (known, begin.copied().unwrap_or_default().max(1)))
        });
        let open: Vec<_> = open.take(OPEN + 1).collect();
        let unreadable: Vec<_> = unreadable.take(OPEN + 1).collect();
        (open.len() <= OPEN && unreadable.len() <= OPEN).then(|| Checkpoint {
            positions: positions.collect(),
            open,
            unreadable,
            ..Checkpoint::default()
        })
    }
}

#[cfg(test)]
mod tests;
