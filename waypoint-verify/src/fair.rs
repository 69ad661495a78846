//! What is kept of many owners up to a bound: beyond it, the one that holds most gives way.
//!
//! So no owner can push out what is another's, however much it makes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Values by whom they are held for, each in the order in which it came.
#[derive(Debug)]
pub struct Fair<K, V> {
    by_owner: FxHashMap<K, BTreeMap<u64, V>>,
    /// How many each has, and its oldest one.
    by_len: BTreeSet<(usize, Reverse<u64>, K)>,
    len: usize,
}

impl<K, V> Default for Fair<K, V> {
    fn default() -> Self {
        Self { by_owner: FxHashMap::default(), by_len: BTreeSet::new(), len: 0 }
    }
}

fn rank<K: Clone, V>(owner: &K, of_owner: &BTreeMap<u64, V>) -> Option<(usize, Reverse<u64>, K)> {
    // Of several that have as many, the one whose oldest came first.
    of_owner.first_key_value().map(|(oldest, _)| (of_owner.len(), Reverse(*oldest), owner.clone()))
}

impl<K: Clone + Hash + Ord, V> Fair<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `order` is unique.
    pub fn insert(&mut self, owner: K, order: u64, value: V) {
        let of_owner = self.by_owner.entry(owner.clone()).or_default();
        if let Some(before) = rank(&owner, of_owner) {
            self.by_len.remove(&before);
        }
        of_owner.insert(order, value);
        self.by_len.extend(rank(&owner, of_owner));
        self.len += 1;
    }

    pub fn remove(&mut self, owner: &K, order: u64) -> Option<V> {
        let of_owner = self.by_owner.get_mut(owner)?;
        let before = rank(owner, of_owner);
        let value = of_owner.remove(&order)?;
        before.map(|before| self.by_len.remove(&before));
        self.by_len.extend(rank(owner, of_owner));
        self.len -= 1;
        if of_owner.is_empty() {
            self.by_owner.remove(owner);
        }
        Some(value)
    }

    /// The oldest one of the owner that has most.
    pub fn pop(&mut self) -> Option<V> {
        let (_, Reverse(order), owner) = self.by_len.last()?.clone();
        self.remove(&owner, order)
    }
}

/// What owners hold of something that all share.
#[derive(Debug)]
pub struct Charges<K> {
    by_owner: FxHashMap<K, usize>,
    sum: usize,
}

impl<K> Default for Charges<K> {
    fn default() -> Self {
        Self { by_owner: FxHashMap::default(), sum: 0 }
    }
}

impl<K: Copy + Eq + Hash> Charges<K> {
    pub fn sum(&self) -> usize {
        self.sum
    }

    /// Something of the owner's has become larger or smaller; what it holds now.
    pub fn charge(&mut self, owner: K, before: usize, now: usize) -> usize {
        self.sum = self.sum + now - before;
        let held = self.by_owner.entry(owner).or_default();
        *held = *held + now - before;
        let held = *held;
        if held == 0 {
            self.by_owner.remove(&owner);
        }
        held
    }

    pub fn of(&self, owner: K) -> usize {
        self.by_owner.get(&owner).copied().unwrap_or(0)
    }

    /// What each would hold if all who hold anything held as much.
    pub fn mean(&self) -> usize {
        self.sum / self.by_owner.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_gives_way() {
        let mut fair = Fair::default();
        fair.insert("one", 1, 11);
        for order in 2..6 {
            fair.insert("two", order, 20 + order);
        }
        assert_eq!([fair.remove(&"two", 3), fair.remove(&"two", 3)], [Some(23), None]);
        assert_eq!(fair.len(), 4);
        assert_eq!([fair.pop(), fair.pop()], [Some(22), Some(24)]);
        assert_eq!((fair.len(), fair.is_empty()), (2, false));
        fair.remove(&"two", 5);
        assert_eq!([fair.pop(), fair.pop()], [Some(11), None]);
        assert_eq!((fair.len(), fair.by_len.len(), fair.by_owner.len()), (0, 0, 0));
        assert!(fair.is_empty());
    }

    #[test]
    fn of_two_that_have_as_many_the_one_that_came_first_gives_way() {
        let mut fair = Fair::default();
        for (order, owner) in [(1, "one"), (2, "two"), (3, "two")] {
            fair.insert(owner, order, order);
        }
        assert_eq!([fair.pop(), fair.pop(), fair.pop()], [Some(2), Some(1), Some(3)]);
    }

    #[test]
    fn charges_are_kept_by_owner_and_in_all() {
        let mut charges = Charges::default();
        let (one, two) = (1, 2);
        assert_eq!([charges.charge(one, 0, 5), charges.charge(two, 0, 7), charges.charge(one, 5, 9)], [5, 7, 9]);
        assert_eq!(charges.sum(), 16);
        assert_eq!([charges.charge(one, 9, 0), charges.charge(two, 7, 7)], [0, 7]);
        assert_eq!(charges.sum(), 7);
    }

    #[test]
    fn what_is_held_is_counted_by_owner_and_shared_by_all() {
        let mut peers = Charges::default();
        assert_eq!(peers.mean(), 0);
        for peer in [1, 1, 1, 2] {
            peers.charge(peer, 0, 1);
        }
        assert_eq!([peers.of(1), peers.of(2), peers.of(3), peers.mean()], [3, 1, 0, 2]);
        for peer in [1, 2] {
            peers.charge(peer, 1, 0);
        }
        assert_eq!([peers.of(1), peers.of(2), peers.mean()], [2, 0, 2], "who has nothing has no share");
        peers.charge(2, 0, 1);
        assert_eq!((peers.mean(), peers.by_owner.len()), (1, 2));
    }
}
