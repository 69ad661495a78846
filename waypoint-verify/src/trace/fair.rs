//! What is kept of many owners up to a bound: beyond it, the one that holds most gives way.
//!
//! So no owner can push out what is another's, however much it makes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustc_hash::FxHashMap;

/// Who something is held for: a cgroup, and whoever dialled. What a proxy accepted is the proxy's own, but how much of it
/// there is, its clients decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share {
    pub cgroup: u64,
    pub dialled: Option<IpAddr>,
}

impl Share {
    pub fn of(cgroup: u64) -> Self {
        Self { cgroup, dialled: None }
    }
}

/// Cookies of sockets by whom they are held for, each in the order in which it came.
#[derive(Debug, Default)]
pub struct Fair {
    by_owner: FxHashMap<Share, BTreeMap<u64, u64>>,
    /// How many each has, and its oldest one.
    by_len: BTreeSet<(usize, Reverse<u64>, Share)>,
    len: usize,
}

fn rank(owner: Share, of_owner: &BTreeMap<u64, u64>) -> Option<(usize, Reverse<u64>, Share)> {
    // Of several that have as many, the one whose oldest came first.
    of_owner.first_key_value().map(|(oldest, _)| (of_owner.len(), Reverse(*oldest), owner))
}

impl Fair {
    pub fn len(&self) -> usize {
        self.len
    }

    /// `order` is unique.
    pub fn insert(&mut self, owner: Share, order: u64, cookie: u64) {
        let of_owner = self.by_owner.entry(owner).or_default();
        if let Some(before) = rank(owner, of_owner) {
            self.by_len.remove(&before);
        }
        of_owner.insert(order, cookie);
        self.by_len.extend(rank(owner, of_owner));
        self.len += 1;
    }

    pub fn remove(&mut self, owner: Share, order: u64) -> Option<u64> {
        let of_owner = self.by_owner.get_mut(&owner)?;
        let before = rank(owner, of_owner);
        let cookie = of_owner.remove(&order)?;
        before.map(|before| self.by_len.remove(&before));
        self.by_len.extend(rank(owner, of_owner));
        self.len -= 1;
        if of_owner.is_empty() {
            self.by_owner.remove(&owner);
        }
        Some(cookie)
    }

    /// The oldest one of the owner that has most.
    pub fn pop(&mut self) -> Option<u64> {
        let (_, Reverse(order), owner) = *self.by_len.last()?;
        self.remove(owner, order)
    }
}

/// What owners hold of something that all share.
#[derive(Debug, Default)]
pub struct Charges {
    by_owner: FxHashMap<Share, usize>,
    sum: usize,
}

impl Charges {
    pub fn sum(&self) -> usize {
        self.sum
    }

    /// Something of the owner's has become larger or smaller; what it holds now.
    pub fn charge(&mut self, owner: Share, before: usize, now: usize) -> usize {
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
        fair.insert(Share::of(1), 1, 11);
        for order in 2..6 {
            fair.insert(Share::of(2), order, 20 + order);
        }
        assert_eq!([fair.remove(Share::of(2), 3), fair.remove(Share::of(2), 3)], [Some(23), None]);
        assert_eq!(fair.len(), 4);
        assert_eq!([fair.pop(), fair.pop()], [Some(22), Some(24)]);
        assert_eq!(fair.len(), 2);
        fair.remove(Share::of(2), 5);
        assert_eq!([fair.pop(), fair.pop()], [Some(11), None]);
        assert_eq!((fair.len(), fair.by_len.len(), fair.by_owner.len()), (0, 0, 0));
    }

    #[test]
    fn who_dials_a_proxy_often_is_not_another_who_does() {
        let dialled = |last: u8| Share { cgroup: 1, dialled: Some([10, 0, 0, last].into()) };
        let mut fair = Fair::default();
        for (order, last) in [(1, 1), (2, 2), (3, 2)] {
            fair.insert(dialled(last), order, order);
        }
        assert_eq!([fair.pop(), fair.pop(), fair.pop()], [Some(2), Some(1), Some(3)]);
    }

    #[test]
    fn charges_are_kept_by_owner_and_in_all() {
        let mut charges = Charges::default();
        let (one, two) = (Share::of(1), Share::of(2));
        assert_eq!([charges.charge(one, 0, 5), charges.charge(two, 0, 7), charges.charge(one, 5, 9)], [5, 7, 9]);
        assert_eq!(charges.sum(), 16);
        assert_eq!([charges.charge(one, 9, 0), charges.charge(two, 7, 7)], [0, 7]);
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
