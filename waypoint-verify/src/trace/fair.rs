//! For whom sockets and what they hold are kept, and what each may keep.

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
