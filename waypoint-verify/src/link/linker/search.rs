//! Alternating paths through classes and the purse: what a class cannot pay may be paid by an irregular entry, for itself
//! or for another debt whose payer then is free for it.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::purse::{Can, Purse};
use crate::link::class::{Class, Debt};
use crate::model::MessageKey;

/// A payer that pays for a debt already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// The payer at this place of a class.
    Regular(u64, usize),
    Irregular(MessageKey),
}

#[derive(Debug)]
pub enum Search {
    /// `free` is to pay for the debt of the last payer of the way (or for the debt itself), which is to pay for the one
    /// before, and so on.
    Paid { way: Vec<Payer>, free: MessageKey },
    /// An entry on the way may still be acknowledged.
    Wait,
    /// Irregular entries that are reached.
    Stuck(Vec<MessageKey>),
}

type Classes = FxHashMap<u64, Class>;

fn debt_of<'a>(classes: &'a Classes, purse: &'a Purse, payer: Payer) -> Option<(u64, &'a Debt)> {
    match payer {
        Payer::Regular(class, place) => classes.get(&class)?.paid_at(place).map(|debt| (class, debt)),
        Payer::Irregular(key) => purse.paid(key).map(|(class, debt)| (*class, debt)),
    }
}

/// Breadth first.
pub fn search(classes: &Classes, purse: &Purse, class: u64, dead: &Debt) -> Search {
    let mut reached_from: FxHashMap<Payer, Option<Payer>> = FxHashMap::default();
    let mut queue: VecDeque<Option<Payer>> = VecDeque::from([None]);
    let mut may_come = false;
    while let Some(at) = queue.pop_front() {
        let found = at.map_or(Some((class, dead)), |payer| debt_of(classes, purse, payer));
        let Some((class, debt)) = found else { continue };
        for key in &debt.irregular {
            match purse.can(*key) {
                Can::Nothing => {}
                Can::Later => may_come = true,
                Can::Pay => return Search::Paid { way: way(&reached_from, at), free: *key },
                Can::Instead => {
                    reach(Payer::Irregular(*key), at, &mut reached_from, &mut queue);
                }
            }
        }
        for place in classes.get(&class).into_iter().flat_map(|account| account.payers_of(debt)) {
            reach(Payer::Regular(class, place), at, &mut reached_from, &mut queue);
        }
    }
    if may_come {
        return Search::Wait;
    }
    let irregular = |payer: Payer| if let Payer::Irregular(key) = payer { Some(key) } else { None };
    Search::Stuck(reached_from.into_keys().filter_map(irregular).collect())
}

fn reach(
    payer: Payer,
    from: Option<Payer>,
    reached_from: &mut FxHashMap<Payer, Option<Payer>>,
    queue: &mut VecDeque<Option<Payer>>,
) {
    if let Entry::Vacant(new) = reached_from.entry(payer) {
        new.insert(from);
        queue.push_back(Some(payer));
    }
}

fn way(reached_from: &FxHashMap<Payer, Option<Payer>>, last: Option<Payer>) -> Vec<Payer> {
    let mut way: Vec<Payer> = Vec::new();
    let mut at = last;
    while let Some(payer) = at {
        way.push(payer);
        at = reached_from.get(&payer).copied().flatten();
    }
    way.reverse();
    way
}
