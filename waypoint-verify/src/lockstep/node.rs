//! The stream of one node: what comes next, and what is missing.

use std::collections::{BTreeSet, VecDeque};

use super::Blind;
use crate::bus::batch::{Answer, Batch};
use crate::model::BootNs;

/// Earlier runs of an agent that are remembered, so that what is left of them does not look like a new one.
const EPOCHS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Next,
    /// The first one of this node: what was before it nobody asked for.
    First,
    Again,
    Gap,
}

#[derive(Debug, Default)]
pub struct Node {
    /// The agent's run, and the number of its next batch.
    stream: Option<(u64, u64)>,
    older: VecDeque<u64>,
    /// Batches that are missing since the last tick; one where it is not known how many.
    missing: Option<u64>,
    pub answer: Option<Answer>,
    /// When the tick was issued that it answered last in this epoch; 0: none.
    pub answered_at: BootNs,
}

impl Node {
    pub fn order(&mut self, batch: &Batch) -> Order {
        let follows = batch.sequence.saturating_add(1);
        match self.stream {
            Some((epoch, next)) if epoch == batch.epoch => {
                if batch.sequence < next {
                    return Order::Again;
                }
                self.stream = Some((epoch, follows));
                if batch.sequence == next {
                    return Order::Next;
                }
                self.missing = Some(self.missing.unwrap_or(0).saturating_add(batch.sequence - next));
                Order::Gap
            }
            _ if self.older.contains(&batch.epoch) => Order::Again,
            before => {
                if let Some((epoch, _)) = before {
                    self.older.push_front(epoch);
                    self.older.truncate(EPOCHS);
                }
                self.stream = Some((batch.epoch, follows));
                self.answer = None;
                self.answered_at = 0;
                if before.is_none() { Order::First } else { Order::Gap }
            }
        }
    }

    /// Something of it is missing.
    pub fn gap(&mut self) {
        self.missing.get_or_insert(1);
    }

    pub fn take_gap(&mut self) -> Option<u64> {
        self.missing.take()
    }

    pub fn has_answered(&self, tick: u64) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.tick == tick)
    }

    /// Why this node was not seen when the tick was over. Before the gap is taken.
    pub fn blind(&self, tick: u64, revision: u64) -> BTreeSet<Blind> {
        let mut blind = BTreeSet::new();
        if self.missing.is_some() {
            blind.insert(Blind::Gap);
        }
        match &self.answer {
            Some(answer) if answer.tick == tick => {
                if answer.revision != revision {
                    blind.insert(Blind::Stale);
                }
                blind.extend(answer.blind.iter().cloned().map(Blind::Said));
            }
            Some(_) => {
                blind.insert(Blind::Silent);
            }
            None => {
                blind.insert(Blind::NoAgent);
            }
        }
        blind
    }
}
