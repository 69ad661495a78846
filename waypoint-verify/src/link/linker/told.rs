//! What a linker is told, and what it tells.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::link::class::{Attempts, Order};
use crate::link::facts::Facts;
use crate::link::guard::Constraints;
use crate::model::{BootNs, Head, MessageKey, Reason};

/// Bounds and times of one instance.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries whose exchange is open. Beyond it the oldest is forgotten, and what it could have caused is Unverified.
    pub live_entries: usize,
    /// Of these, entries that must be compared one by one with every departure.
    pub irregular_entries: usize,
    /// Candidates that a link names; with more it is Unverified.
    pub candidates: usize,
    /// Streams that cannot be parsed and are candidates by time and peer alone; beyond it, for every departure.
    pub wild: usize,
    /// How long after its response ended an entry may still be the cause of a departure.
    pub answered_slack: BootNs,
    /// How long after its connection closed without a full response (a proxy may learn of it late).
    pub closed_slack: BootNs,
    /// How long after the answer a proxy that mirrors may still send the copy.
    pub mirror_life: BootNs,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            live_entries: 65_536,
            irregular_entries: 1024,
            candidates: 256,
            wild: 1024,
            answered_slack: 5_000_000,
            closed_slack: 2_000_000_000,
            mirror_life: 15_000_000_000,
        }
    }
}

/// A request that a proxy's accepted socket received.
#[derive(Clone, Debug)]
pub struct EntryIn {
    pub key: MessageKey,
    pub facts: Facts,
    pub peer: IpAddr,
    /// The record that completed its head.
    pub complete_at: Order,
}

/// A request that a proxy's dialled socket wrote.
#[derive(Debug)]
pub struct DepartureIn<'a> {
    pub key: MessageKey,
    pub facts: Facts,
    pub head: &'a Head,
    /// The record with its first octet.
    pub started_at: Order,
    /// The clock of that record, or of a later one of this head: an upper bound (see `advance`).
    pub started_ns: BootNs,
    /// Its socket was created by a process that is not the proxy's.
    pub foreign_process: bool,
}

/// A departure with the entries that could have caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub candidates: SmallVec<[MessageKey; 4]>,
    /// There are more candidates than are named.
    pub more: bool,
    /// A stream that could not be parsed, or was forgotten, may have caused it.
    pub wild: Option<Reason>,
    /// It is a copy that a mirroring route made.
    pub mirror: bool,
    pub foreign_process: bool,
    /// It needs a payment; `LinkEvent::Settled` or `Overdrawn` follows.
    pub counted: bool,
    pub used: Constraints,
}

impl Link {
    /// Names a candidate, if there are not `bound` of them already.
    pub(super) fn name(&mut self, key: MessageKey, bound: usize) {
        if self.candidates.len() >= bound {
            self.more = true;
        } else {
            self.candidates.push(key);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Paid for; nothing that happens later on this instance can change it, unless `Overdrawn` withdraws it.
    Settled(Attempts),
    /// See [`crate::link::class::Outcome::Overdrawn`]; `class` tells the classes of one instance apart.
    Overdrawn { class: u64, unpaid: Vec<MessageKey>, shared: Vec<Vec<MessageKey>> },
}
