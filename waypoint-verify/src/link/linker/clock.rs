//! When a departure began: no later than that, whatever is told and when.
//!
//! A head may come in pieces, and the record that completes it may be told long after its first octet. What is certain
//! is the order of records, and that each call of `advance` names a clock before that of every record that follows. So a
//! departure began no earlier than the last such clock before its first record; an entry that was open then is a
//! candidate. This errs by one drain at most, towards more candidates.

use std::collections::VecDeque;

use crate::link::class::Order;
use crate::model::BootNs;

/// The recent calls of `advance`: everything up to this record was read, and everything up to this clock.
#[derive(Debug, Default)]
pub struct Clock {
    recent: VecDeque<(Order, BootNs)>,
    /// The latest deadline among the entries that were forgotten because they were over.
    forgotten: Option<BootNs>,
}

/// How many calls are remembered. A departure that began before them may have lost its cause, and is told so.
const KEPT: usize = 256;

/// How long an entry is kept after it is over: departures that are told late still find it, and the clocks of records
/// that two CPUs write at once differ from their order by less than this.
pub const GRACE: BootNs = 20_000_000;

impl Clock {
    pub fn advance(&mut self, at: Order, ns: BootNs) {
        match self.recent.back_mut() {
            Some(last) if last.0 >= at => last.1 = last.1.max(ns),
            _ => self.recent.push_back((at, ns)),
        }
        if self.recent.len() > KEPT {
            self.recent.pop_front();
        }
    }

    /// Everything up to this clock was read, so nothing that was told began later.
    pub fn now(&self) -> BootNs {
        self.recent.back().map_or(0, |(_, ns)| *ns)
    }

    /// No later than the clock of the record `at`. `told`: of that record or a later one.
    pub fn began(&self, at: Order, told: BootNs) -> BootNs {
        let before = self.recent.iter().rev().find(|(order, _)| *order < at);
        told.min(before.map_or(0, |(_, ns)| *ns))
    }

    pub fn forget(&mut self, deadline: BootNs) {
        self.forgotten = self.forgotten.max(Some(deadline));
    }

    /// Something that was open then may be forgotten already.
    pub fn is_too_late(&self, began: BootNs) -> bool {
        self.forgotten.is_some_and(|forgotten| began <= forgotten)
    }
}
