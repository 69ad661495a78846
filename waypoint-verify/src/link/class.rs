//! Paying departures from entries of one class, and what is overdrawn.
//!
//! Entries and departures of one class are equal in everything that is compared, so an entry could have caused every
//! departure that began while its exchange was open: the bipartite graph of entries and departures is convex
//! (an interval of departures per entry). Each entry, when its exchange is over, pays for the earliest unpaid departure
//! of its interval; taking entries by their end makes this a maximum matching (Glover 1967),
//! so a departure that stays unpaid proves that more departed than entered. Which of its class it was cannot be told:
//! everything that an alternating path reaches from it is overdrawn with it.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use crate::model::{BootNs, ConnKey, MessageKey};

/// A place in the order of records of one node.
pub type Order = u64;

/// The attempts of one request (they need one payment together); mostly there is one.
pub type Attempts = SmallVec<[MessageKey; 1]>;

/// A departure that needs a payment.
#[derive(Clone, Debug)]
pub struct Debt {
    pub keys: Attempts,
    pub at: Order,
    pub ns: BootNs,
    /// Irregular entries that may pay for it if its class cannot.
    pub irregular: SmallVec<[MessageKey; 1]>,
}

/// The exchange of one entry: it could have caused what departed after `from` and not after `until`.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Order,
    pub until: BootNs,
}

impl Span {
    fn covers(self, at: Order, ns: BootNs) -> bool {
        self.from < at && ns <= self.until
    }
}

#[derive(Clone, Debug)]
struct Paid {
    debt: Debt,
    by: Span,
    overdrawn: bool,
}

/// What became of a departure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Paid(Attempts),
    /// More departed than entered: `unpaid` had no entry left, `shared` are those whose payment it could have been.
    Overdrawn {
        unpaid: Vec<MessageKey>,
        shared: Vec<Vec<MessageKey>>,
    },
}

/// Where a further attempt found its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    Waiting,
    Paid,
    Overdrawn,
    Unknown,
}

/// Live entries are kept by the owner of the class; it holds what is unpaid and the recent past.
#[derive(Debug, Default)]
pub struct Class {
    /// Ascending by `at`.
    unpaid: VecDeque<Debt>,
    /// In the order of payment, which is that of the payers' ends. Kept while a path may reach it.
    paid: VecDeque<Paid>,
    /// Departures that are overdrawn, by their first attempt, as far as a live entry or a further attempt may still
    /// reach them.
    points: BTreeMap<(Order, MessageKey), BootNs>,
    /// Debts that are not paid from here, but by something else, or are undecided.
    pub lent: usize,
}

/// Paid departures of a busy period that are remembered, to say what is overdrawn with a later one. Where one is
/// forgotten, the count (and with it the policy's verdict) still is right, and the one stays called paid.
pub const REMEMBERED: usize = 4096;

const FIRST_KEY: MessageKey = MessageKey { conn: ConnKey { client_isn: 0, server_isn: 0 }, offset: 0, stream: 0 };

impl Class {
    /// Nothing waits, and nothing that happens later can be connected with what happened here.
    pub fn is_idle(&self) -> bool {
        self.unpaid.is_empty() && self.lent == 0
    }

    /// The same, and nothing is remembered of it.
    pub fn is_forgotten(&self) -> bool {
        self.is_idle() && self.points.is_empty()
    }

    pub fn depart(&mut self, debt: Debt) {
        let at = self.unpaid.partition_point(|other| other.at <= debt.at);
        self.unpaid.insert(at, debt);
    }

    /// It needs no payment after all: nothing can have caused it.
    pub fn withdraw(&mut self, key: MessageKey) -> bool {
        let found = self.unpaid.iter().position(|debt| debt.keys[..] == [key]);
        found.is_some_and(|at| self.unpaid.remove(at).is_some())
    }

    /// A further attempt of the request that `first` was an attempt of.
    pub fn join(&mut self, first: MessageKey, further: MessageKey) -> Joined {
        if let Some(debt) = self.unpaid.iter_mut().find(|debt| debt.keys.contains(&first)) {
            debt.keys.push(further);
            return Joined::Waiting;
        }
        if self.points.keys().any(|(_, key)| *key == first) {
            return Joined::Overdrawn;
        }
        let Some(paid) = self.paid.iter_mut().find(|paid| paid.debt.keys.contains(&first)) else {
            return Joined::Unknown;
        };
        paid.debt.keys.push(further);
        Joined::Paid
    }

    /// An entry is over and pays for the earliest departure of its span. `false`: it had none to pay for.
    pub fn entry_over(&mut self, by: Span, out: &mut Vec<Outcome>) -> bool {
        let index = self.unpaid.partition_point(|debt| debt.at <= by.from);
        if !self.unpaid.get(index).is_some_and(|debt| by.covers(debt.at, debt.ns)) {
            return false;
        }
        let Some(debt) = self.unpaid.remove(index) else { return false };
        out.push(Outcome::Paid(debt.keys.clone()));
        if self.is_forgotten() {
            // As `tidy` would find it.
            return true;
        }
        let keys = debt.keys.clone();
        self.paid.push_back(Paid { debt, by, overdrawn: false });
        let first = (by.from + 1, FIRST_KEY);
        if self.points.range(first..).next().is_some_and(|((at, _), ns)| by.covers(*at, *ns)) {
            self.spread(|paid| paid.debt.keys == keys, out);
        }
        self.forget();
        true
    }

    /// `earliest`: where the first entry that is still live was complete. What departed before it has no entry left.
    pub fn expire(&mut self, earliest: Option<Order>, dead: &mut Vec<Debt>) {
        while let Some(debt) = self.unpaid.pop_front_if(|debt| earliest.is_none_or(|earliest| debt.at <= earliest)) {
            dead.push(debt);
        }
    }

    /// Forgets what no later departure can be connected with. Not before the dead are decided.
    /// `attempts`: of what began with these, further attempts may come.
    pub fn tidy(&mut self, earliest: Option<Order>, attempts: impl Iterator<Item = MessageKey>) {
        if !self.is_idle() {
            return;
        }
        // Paths lead only through entries that span both ends, and no live one has paid for anything.
        self.paid.clear();
        if self.points.is_empty() {
            return;
        }
        let attempts: FxHashSet<MessageKey> = attempts.collect();
        self.points
            .retain(|(at, first), _| earliest.is_some_and(|earliest| earliest < *at) || attempts.contains(first));
    }

    /// Places of those payers that could have paid for this debt.
    pub fn payers_of(&self, debt: &Debt) -> impl Iterator<Item = usize> {
        let (at, ns) = (debt.at, debt.ns);
        self.paid.iter().enumerate().filter(move |(_, paid)| paid.by.covers(at, ns)).map(|(place, _)| place)
    }

    pub fn paid_at(&self, place: usize) -> Option<&Debt> {
        self.paid.get(place).map(|paid| &paid.debt)
    }

    /// The payer at this place pays for another debt; gives what it paid for before.
    pub fn pay_instead(&mut self, place: usize, debt: Debt) -> Option<Debt> {
        self.paid.get_mut(place).map(|paid| std::mem::replace(&mut paid.debt, debt))
    }

    /// A dead debt that nothing pays for.
    pub fn overdraw(&mut self, debt: Debt, out: &mut Vec<Outcome>) {
        out.push(Outcome::Overdrawn { unpaid: debt.keys.to_vec(), shared: Vec::new() });
        self.share(debt.at, debt.ns, &debt.keys, out);
    }

    /// A departure of this class is overdrawn, or paid by what could have paid for an overdrawn one.
    pub fn share(&mut self, at: Order, ns: BootNs, keys: &Attempts, out: &mut Vec<Outcome>) {
        if let Some(first) = keys.first() {
            self.points.insert((at, *first), ns);
        }
        self.spread(|paid| paid.by.covers(at, ns), out);
    }

    /// Alternating paths: an entry that could have paid for an overdrawn departure makes the one it did pay for overdrawn.
    fn spread(&mut self, first: impl Fn(&Paid) -> bool, out: &mut Vec<Outcome>) {
        let mut shared = Vec::new();
        let mut reached: Vec<(Order, BootNs)> = Vec::new();
        let mut mark = |paid: &mut Paid, reached: &mut Vec<(Order, BootNs)>| {
            paid.overdrawn = true;
            let Debt { keys, at, ns, .. } = &paid.debt;
            reached.push((*at, *ns));
            self.points.insert((*at, keys[0]), *ns);
            shared.push(keys.to_vec());
        };
        self.paid.iter_mut().filter(|paid| !paid.overdrawn && first(paid)).for_each(|paid| mark(paid, &mut reached));
        while let Some((at, ns)) = reached.pop() {
            let next = self.paid.iter_mut().filter(|paid| !paid.overdrawn && paid.by.covers(at, ns));
            next.for_each(|paid| mark(paid, &mut reached));
        }
        if !shared.is_empty() {
            out.push(Outcome::Overdrawn { unpaid: Vec::new(), shared });
        }
    }

    fn forget(&mut self) {
        if self.paid.len() <= REMEMBERED {
            return;
        }
        // Nothing before the first unpaid departure is reached, unless by what spans it.
        if let Some(front) = self.unpaid.front()
            && self.lent == 0
        {
            let (mut at, mut ns) = (front.at, front.ns);
            loop {
                let spanning = self.paid.iter().rev().take_while(|paid| paid.by.until >= ns);
                let lowest = spanning.map(|paid| (paid.debt.at, paid.debt.ns)).min();
                match lowest {
                    Some(lowest) if lowest < (at, ns) => (at, ns) = lowest,
                    _ => break,
                }
            }
            while self.paid.pop_front_if(|paid| paid.by.until < ns).is_some() {}
        }
        // By halves, so that the search above is rare.
        if self.paid.len() > REMEMBERED {
            self.paid.drain(..REMEMBERED / 2);
        }
    }
}

#[cfg(test)]
mod tests;
