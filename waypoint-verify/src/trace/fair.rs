//! What is kept of many owners up to a bound: beyond it, the one that holds most gives way.
//!
//! So no owner can push out what is another's, however much it makes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

/// Cookies of sockets by their owners' cgroups, each in the order in which it came.
#[derive(Debug, Default)]
pub struct Fair {
    by_owner: FxHashMap<u64, BTreeMap<u64, u64>>,
    len: usize,
}

impl Fair {
    pub fn len(&self) -> usize {
        self.len
    }

    /// `order` is unique.
    pub fn insert(&mut self, owner: u64, order: u64, cookie: u64) {
        self.by_owner.entry(owner).or_default().insert(order, cookie);
        self.len += 1;
    }

    pub fn remove(&mut self, owner: u64, order: u64) {
        if let Some(of_owner) = self.by_owner.get_mut(&owner)
            && of_owner.remove(&order).is_some()
        {
            self.len -= 1;
            if of_owner.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }

    /// The oldest one of the owner that has most, with its owner and order.
    pub fn pop(&mut self) -> Option<(u64, u64)> {
        // Of several, the one whose oldest came first.
        let oldest = |of_owner: &BTreeMap<u64, u64>| Reverse(of_owner.first_key_value().map(|(order, _)| *order));
        let (owner, of_owner) =
            self.by_owner.iter_mut().max_by_key(|(_, of_owner)| (of_owner.len(), oldest(of_owner)))?;
        let (owner, (_, cookie)) = (*owner, of_owner.pop_first()?);
        self.len -= 1;
        if of_owner.is_empty() {
            self.by_owner.remove(&owner);
        }
        Some((owner, cookie))
    }
}

/// What owners hold of something that all share.
#[derive(Debug, Default)]
pub struct Charges {
    by_owner: FxHashMap<u64, usize>,
    sum: usize,
}

impl Charges {
    pub fn sum(&self) -> usize {
        self.sum
    }

    /// Something of the owner's has become larger or smaller; what it holds now.
    pub fn charge(&mut self, owner: u64, before: usize, now: usize) -> usize {
        self.sum = self.sum + now - before;
        let held = self.by_owner.entry(owner).or_default();
        *held = *held + now - before;
        let held = *held;
        if held == 0 {
            self.by_owner.remove(&owner);
        }
        held
    }
}

/// The most that each may keep so that all together keep no more than `most`; those who have less keep it all.
pub fn cap(mut held: Vec<usize>, most: usize) -> usize {
    held.sort_unstable();
    let mut left = most;
    let mut owners = held.len();
    for held in held {
        if held > left / owners {
            return left / owners;
        }
        left -= held;
        owners -= 1;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_gives_way() {
        let mut fair = Fair::default();
        fair.insert(1, 1, 11);
        for order in 2..6 {
            fair.insert(2, order, 20 + order);
        }
        fair.remove(2, 3);
        fair.remove(2, 3);
        assert_eq!(fair.len(), 4);
        assert_eq!([fair.pop(), fair.pop()], [Some((2, 22)), Some((2, 24))]);
        assert_eq!(fair.len(), 2);
        fair.remove(2, 5);
        assert_eq!([fair.pop(), fair.pop()], [Some((1, 11)), None]);
        assert_eq!(fair.len(), 0);
    }

    #[test]
    fn charges_are_kept_by_owner_and_in_all() {
        let mut charges = Charges::default();
        assert_eq!([charges.charge(1, 0, 5), charges.charge(2, 0, 7), charges.charge(1, 5, 9)], [5, 7, 9]);
        assert_eq!(charges.sum(), 16);
        assert_eq!([charges.charge(1, 9, 0), charges.charge(2, 7, 7)], [0, 7]);
        assert_eq!(charges.sum(), 7);
    }

    #[test]
    fn a_cap_leaves_alone_those_who_have_little() {
        let rows: [(&[usize], usize, usize); 6] = [
            (&[], 10, usize::MAX),
            (&[10], 10, usize::MAX),
            (&[11], 10, 10),
            (&[1, 100, 2], 10, 7),
            (&[50, 50], 10, 5),
            (&[0, 3, 3, 3], 9, usize::MAX),
        ];
        for (held, most, expected) in rows {
            assert_eq!(cap(held.to_vec(), most), expected, "{held:?}");
        }
    }
}
