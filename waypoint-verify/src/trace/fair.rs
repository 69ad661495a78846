//! For whom sockets and what they hold are kept, and what each may keep.

use std::net::IpAddr;

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
