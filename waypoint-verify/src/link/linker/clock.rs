//! When a departure began, where it is told late: its head came in pieces, or was read after time had moved on.

use std::collections::VecDeque;

use crate::link::class::Order;
use crate::model::BootNs;

/// The recent calls of `advance`: each says that everything up to a clock was read, and up to which record.
#[derive(Debug, Default)]
pub struct Clock {
    recent: VecDeque<(Order, BootNs)>,
    /// The latest deadline among the entries that were forgotten because they were over.
    forgotten: BootNs,
}

const KEPT: usize = 64;

/// How long an entry is kept after it is over. Clocks of records that two CPUs write at once differ from their order by
/// less than this, and departures that are told late still find it.
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

    /// No later than when the record was written; `told` is no earlier.
    pub fn began(&self, at: Order, told: BootNs) -> BootNs {
        match self.recent.back() {
            Some(last) if at <= last.0 => {
                let before = self.recent.iter().rev().find(|(order, _)| *order < at);
                told.min(before.map_or(0, |(_, ns)| *ns))
            }
            _ => told,
        }
    }

    pub fn forget(&mut self, deadline: BootNs) {
        self.forgotten = self.forgotten.max(deadline);
    }

    /// Something that was open then may be forgotten already.
    pub fn is_too_late(&self, began: BootNs) -> bool {
        began <= self.forgotten
    }
}
