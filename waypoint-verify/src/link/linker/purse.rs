//! Irregular entries as payers: each may pay for departures of several classes.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::link::class::Debt;
use crate::model::MessageKey;

/// Irregular entries that are over: how many are remembered. One that is forgotten pays no more (a false alarm, never a
/// false payment).
const REMEMBERED: usize = 256;

#[derive(Debug, Default)]
struct Payer {
    acknowledged: bool,
    /// With its class.
    pays: Option<(u64, Debt)>,
}

#[derive(Debug, Default)]
pub struct Purse {
    payers: FxHashMap<MessageKey, Payer>,
    over: VecDeque<MessageKey>,
    pub changed: bool,
}

/// What an irregular entry can do for a debt.
#[derive(Debug)]
pub enum Can {
    Pay,
    /// If it is acknowledged.
    Later,
    /// It pays for something else already.
    Instead,
    Nothing,
}

impl Purse {
    pub fn is_empty(&self) -> bool {
        self.payers.is_empty()
    }

    pub fn entered(&mut self, key: MessageKey) {
        self.payers.insert(key, Payer::default());
    }

    pub fn acknowledged(&mut self, key: MessageKey) {
        if let Some(payer) = self.payers.get_mut(&key) {
            payer.acknowledged = true;
            self.changed = true;
        }
    }

    /// Gives the class of a debt that is no longer remembered.
    pub fn over(&mut self, key: MessageKey) -> Option<u64> {
        self.changed = true;
        if self.payers.get(&key).is_some_and(|payer| !payer.acknowledged) {
            self.payers.remove(&key);
            return None;
        }
        self.over.push_back(key);
        if self.over.len() <= REMEMBERED {
            return None;
        }
        let forgotten = self.over.pop_front().and_then(|oldest| self.payers.remove(&oldest));
        forgotten.and_then(|payer| payer.pays).map(|(class, _)| class)
    }

    /// Forgets everything, if all its entries are over; gives the classes of the debts.
    pub fn close(&mut self) -> Vec<u64> {
        if self.over.len() < self.payers.len() {
            return Vec::new();
        }
        self.over.clear();
        self.payers.drain().filter_map(|(_, payer)| payer.pays).map(|(class, _)| class).collect()
    }

    /// A debt that is paid from here gets a further attempt.
    pub fn join(&mut self, first: MessageKey, further: MessageKey) {
        let debts = self.payers.values_mut().filter_map(|payer| payer.pays.as_mut());
        for (_, debt) in debts.filter(|(_, debt)| debt.keys.contains(&first)) {
            debt.keys.push(further);
        }
    }

    pub fn can(&self, key: MessageKey) -> Can {
        match self.payers.get(&key) {
            None => Can::Nothing,
            Some(Payer { acknowledged: false, .. }) => Can::Later,
            Some(Payer { pays: None, .. }) => Can::Pay,
            Some(Payer { pays: Some(_), .. }) => Can::Instead,
        }
    }

    pub fn paid(&self, key: MessageKey) -> Option<&(u64, Debt)> {
        self.payers.get(&key)?.pays.as_ref()
    }

    /// It pays for this one; gives what it paid for before.
    pub fn pay(&mut self, key: MessageKey, class: u64, debt: Debt) -> Option<(u64, Debt)> {
        self.payers.get_mut(&key)?.pays.replace((class, debt))
    }
}
