//! What is wanted of the sockets of a cgroup.

use std::ops::{BitOr, BitOrAssign};

use waypoint_verify_ebpf::map::owner;

/// What is recorded of the sockets that were created in a cgroup, beyond openings and closes (always recorded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// Nothing more.
    pub const NONE: Self = Self(0);
    /// Of passively opened sockets: request bytes and what they acknowledge.
    pub const ENTRIES: Self = Self(owner::ENTRIES);
    /// Of actively opened sockets: request bytes.
    pub const DEPARTURES: Self = Self(owner::DEPARTURES);
    /// Of passively opened sockets: response bytes.
    pub const RESPONSES: Self = Self(owner::RESPONSES);

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
