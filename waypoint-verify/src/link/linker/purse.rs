//! Irregular entries as payers: each may pay for departures of several classes, so pairs are matched one by one.
//!
//! A debt comes here when its class cannot pay for it. It is paid if an augmenting path leads to an irregular entry that
//! was acknowledged; it waits while a path leads to one that may still be acknowledged; else it is overdrawn, and with it
//! every debt on an alternating path. The regular entries of its class are not asked again: where two
//! departures of one class differ in their irregular candidates, a matching may be missed (a false alarm, never a
//! false payment).

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::link::class::Debt;
use crate::model::MessageKey;

/// Irregular entries that are over, and debts that are decided: how many are remembered.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
struct Payer {
    acknowledged: bool,
    pays: Option<u64>,
}

#[derive(Debug)]
struct Lent {
    class: u64,
    debt: Debt,
    shared: bool,
}

/// What became of a debt.
#[derive(Debug)]
pub enum Decision {
    Paid { class: u64, debt: Debt },
    Overdrawn { class: u64, debt: Debt },
    /// It was paid before, but what pays for it could have paid for an overdrawn one.
    Shared { class: u64, debt: Debt },
}

#[derive(Debug, Default)]
pub struct Purse {
    payers: FxHashMap<MessageKey, Payer>,
    over: VecDeque<MessageKey>,
    debts: FxHashMap<u64, Lent>,
    decided: VecDeque<u64>,
    waiting: Vec<u64>,
    next: u64,
    changed: bool,
}

enum Search {
    Augmented,
    Wait,
    /// Debts that an alternating path reaches.
    Stuck(FxHashSet<u64>),
}

impl Purse {
    pub fn entered(&mut self, key: MessageKey) {
        self.payers.insert(key, Payer::default());
    }

    pub fn acknowledged(&mut self, key: MessageKey) {
        if let Some(payer) = self.payers.get_mut(&key) {
            payer.acknowledged = true;
            self.changed = true;
        }
    }

    pub fn over(&mut self, key: MessageKey) {
        self.changed = true;
        if self.payers.get(&key).is_some_and(|payer| !payer.acknowledged) {
            self.payers.remove(&key);
            return;
        }
        self.over.push_back(key);
        if self.over.len() > REMEMBERED
            && let Some(oldest) = self.over.pop_front()
        {
            self.payers.remove(&oldest);
        }
    }

    pub fn lend(&mut self, class: u64, debt: Debt) {
        self.next += 1;
        self.debts.insert(self.next, Lent { class, debt, shared: false });
        self.waiting.push(self.next);
        self.changed = true;
    }

    /// The debt that `first` is an attempt of gets a further one. `true`: it is here and undecided.
    pub fn join(&mut self, first: MessageKey, further: MessageKey) -> bool {
        let Some((id, lent)) = self.debts.iter_mut().find(|(_, lent)| lent.debt.keys.contains(&first)) else {
            return false;
        };
        lent.debt.keys.push(further);
        self.waiting.contains(id)
    }

    pub fn settle(&mut self, out: &mut Vec<Decision>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        for id in std::mem::take(&mut self.waiting) {
            match self.search(id) {
                Search::Wait => {
                    self.waiting.push(id);
                    continue;
                }
                Search::Augmented => {
                    out.extend(self.debts.get(&id).map(|l| Decision::Paid { class: l.class, debt: l.debt.clone() }));
                }
                Search::Stuck(reached) => {
                    for other in reached {
                        let Some(lent) = self.debts.get_mut(&other) else { continue };
                        let (class, debt) = (lent.class, lent.debt.clone());
                        if std::mem::replace(&mut lent.shared, true) {
                            continue;
                        }
                        out.push(match other == id {
                            true => Decision::Overdrawn { class, debt },
                            false => Decision::Shared { class, debt },
                        });
                    }
                }
            }
            self.decided.push_back(id);
            if self.decided.len() > REMEMBERED
                && let Some(oldest) = self.decided.pop_front()
            {
                self.debts.remove(&oldest);
            }
        }
    }

    /// Breadth first over alternating paths.
    fn search(&mut self, start: u64) -> Search {
        let mut came_from: FxHashMap<MessageKey, u64> = FxHashMap::default();
        let mut reached: FxHashSet<u64> = [start].into_iter().collect();
        let mut queue = VecDeque::from([start]);
        let mut may_come = false;
        while let Some(id) = queue.pop_front() {
            let Some(lent) = self.debts.get(&id) else { continue };
            for key in &lent.debt.irregular {
                let Some(payer) = self.payers.get(key) else { continue };
                if came_from.contains_key(key) {
                    continue;
                }
                if !payer.acknowledged {
                    may_come = true;
                    continue;
                }
                came_from.insert(*key, id);
                match payer.pays {
                    None => {
                        self.augment(*key, &came_from);
                        return Search::Augmented;
                    }
                    Some(other) if reached.insert(other) => queue.push_back(other),
                    Some(_) => {}
                }
            }
        }
        if may_come { Search::Wait } else { Search::Stuck(reached) }
    }

    fn augment(&mut self, free: MessageKey, came_from: &FxHashMap<MessageKey, u64>) {
        let mut payer = free;
        while let Some(debt) = came_from.get(&payer).copied() {
            // What paid for it before is free for the debt from which it was reached.
            let before = self.debts.get(&debt).and_then(|lent| {
                lent.debt.irregular.iter().copied().find(|key| self.payers.get(key).is_some_and(|p| p.pays == Some(debt)))
            });
            if let Some(payer) = self.payers.get_mut(&payer) {
                payer.pays = Some(debt);
            }
            let Some(before) = before else { return };
            payer = before;
        }
    }
}
