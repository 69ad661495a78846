//! Paying departures from entries of one class, and what is overdrawn.
//!
//! Entries and departures of one class are equal in everything that is compared, so an entry could have caused every
//! departure that began while its exchange was open: the bipartite graph of entries and departures is convex
//! (an interval of departures per entry). Each entry, when its exchange is over, pays for the earliest unpaid departure
//! of its interval; taking entries by their end makes this a maximum matching (the exchange argument of Glover 1967),
//! so a departure that stays unpaid proves that more departed than entered. Which of its class it was cannot be told:
//! everything that an alternating path reaches from it is overdrawn with it.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::model::MessageKey;

/// A place in the order of records of one node.
pub type Order = u64;

/// A departure and the further attempts of the same request (they need one payment together).
#[derive(Clone, Debug)]
pub struct Unpaid {
    pub keys: SmallVec<[MessageKey; 1]>,
    pub at: Order,
    /// Irregular entries that may pay for it if its class cannot.
    pub irregular: SmallVec<[MessageKey; 1]>,
    /// It also has candidates that cannot be counted (unparsed streams).
    pub uncounted: bool,
}

#[derive(Clone, Debug)]
struct Paid {
    keys: SmallVec<[MessageKey; 1]>,
    at: Order,
    /// The interval of the entry that paid.
    from: Order,
    to: Order,
    overdrawn: bool,
}

/// What became of a departure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Paid(SmallVec<[MessageKey; 1]>),
    /// More departed than entered: `unpaid` had no entry left, `shared` are those whose payment it could have been.
    Overdrawn {
        unpaid: Vec<MessageKey>,
        shared: Vec<Vec<MessageKey>>,
    },
}

/// Live entries are kept by the owner of the class; it holds what is unpaid and the recent past.
#[derive(Debug, Default)]
pub struct Class {
    /// Ascending by `at`.
    unpaid: VecDeque<Unpaid>,
    paid: VecDeque<Paid>,
    /// Hull of the departures of this busy period that are overdrawn.
    overdrawn: Option<(Order, Order)>,
}

/// Settled departures of a busy period that are remembered, to say what is overdrawn with a later one.
pub const REMEMBERED: usize = 4096;

impl Class {
    pub fn is_idle(&self) -> bool {
        self.unpaid.is_empty()
    }

    pub fn depart(&mut self, departure: Unpaid) {
        let at = self.unpaid.partition_point(|other| other.at <= departure.at);
        self.unpaid.insert(at, departure);
    }

    /// A further attempt of the request that `first` was an attempt of. `None`: `first` is no longer unpaid.
    pub fn join(&mut self, first: MessageKey, further: MessageKey) -> Option<()> {
        let group = self.unpaid.iter_mut().find(|unpaid| unpaid.keys.contains(&first))?;
        group.keys.push(further);
        Some(())
    }

    /// An entry that could have caused departures in `from..=to` is over; it pays if its receiver really took it.
    pub fn entry_over(&mut self, from: Order, to: Order, pays: bool, out: &mut Vec<Outcome>) {
        if !pays {
            return;
        }
        let Some(index) = self.unpaid.iter().position(|unpaid| from < unpaid.at && unpaid.at <= to) else { return };
        let Some(unpaid) = self.unpaid.remove(index) else { return };
        out.push(Outcome::Paid(unpaid.keys.clone()));
        self.paid.push_back(Paid { keys: unpaid.keys, at: unpaid.at, from, to, overdrawn: false });
        if self.overdrawn.is_some() {
            self.spread(out);
        }
        if self.paid.len() > REMEMBERED {
            self.paid.pop_front();
        }
    }

    /// `earliest`: where the first entry that is still live was complete. What departed before it has no candidate left.
    /// `rescue` may pay for it with an irregular entry.
    pub fn expire(&mut self, earliest: Option<Order>, mut rescue: impl FnMut(&Unpaid) -> bool, out: &mut Vec<Outcome>) {
        while let Some(front) = self.unpaid.front() {
            if earliest.is_some_and(|earliest| earliest < front.at) {
                return;
            }
            let Some(dead) = self.unpaid.pop_front() else { return };
            if dead.uncounted || rescue(&dead) {
                out.push(Outcome::Paid(dead.keys));
                continue;
            }
            let hull = self.overdrawn.get_or_insert((dead.at, dead.at));
            *hull = (hull.0.min(dead.at), hull.1.max(dead.at));
            out.push(Outcome::Overdrawn { unpaid: dead.keys.to_vec(), shared: Vec::new() });
            self.spread(out);
        }
        if earliest.is_none() {
            self.paid.clear();
            self.overdrawn = None;
        }
    }

    /// Alternating paths: an entry that could have paid for an overdrawn departure makes the one it did pay for overdrawn.
    fn spread(&mut self, out: &mut Vec<Outcome>) {
        let Some((mut low, mut high)) = self.overdrawn else { return };
        let mut shared = Vec::new();
        loop {
            let mut grew = false;
            for paid in self.paid.iter_mut().filter(|paid| !paid.overdrawn) {
                if paid.from < high && low <= paid.to {
                    paid.overdrawn = true;
                    (low, high) = (low.min(paid.at), high.max(paid.at));
                    shared.push(paid.keys.to_vec());
                    grew = true;
                }
            }
            if !grew {
                break;
            }
        }
        self.overdrawn = Some((low, high));
        if !shared.is_empty() {
            out.push(Outcome::Overdrawn { unpaid: Vec::new(), shared });
        }
    }
}

#[cfg(test)]
mod tests;
