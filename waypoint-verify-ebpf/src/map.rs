//! Names and values of the maps.

use core::mem::{offset_of, size_of};

use crate::record::kind;

pub const EVENTS: &str = "EVENTS";
pub const OWNERS: &str = "OWNERS";
pub const GRANTS: &str = "GRANTS";
pub const SETTINGS: &str = "SETTINGS";
pub const LOST: &str = "LOST";
pub const SHARES: &str = "SHARES";
pub const COUNTERS: &str = "COUNTERS";

/// What is wanted of the sockets that were created in a cgroup: values of `OWNERS`.
pub mod owner {
    /// Requests that its passively opened sockets receive, and what they acknowledge.
    pub const ENTRIES: u32 = 1 << 0;
    /// Requests that its actively opened sockets send.
    pub const DEPARTURES: u32 = 1 << 1;
    /// Responses that its passively opened sockets send.
    pub const RESPONSES: u32 = 1 << 2;
}

/// Indices into [`Counters`].
pub mod counter {
    /// Payload that the kernel could not read for us.
    pub const COPY_FAILED: u32 = 0;
    /// Packets whose headers could not be read.
    pub const UNPARSABLE: u32 = 1;
    /// IP fragments (none are expected at these hooks).
    pub const FRAGMENT: u32 = 2;
    /// IPv6 extension headers that are unknown or too many.
    pub const EXTENSION_HEADER: u32 = 3;
    /// Packets of other protocols than TCP into containers with ENTRIES (QUIC, for one).
    pub const NOT_TCP: u32 = 4;
    /// Socket storage could not be allocated: the socket goes unseen.
    pub const NO_STORAGE: u32 = 5;
    pub const END: u32 = 6;
}

/// The one value of `SETTINGS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// 0 until everything is attached.
    pub enabled: u32,
    /// Changes whenever `OWNERS` or `default_flags` do; never 0.
    pub generation: u32,
    /// Bytes of a stream that are copied beyond the last grant, or its start.
    pub window: u32,
    /// [`owner`] flags of cgroups that no entry of `OWNERS` covers.
    pub default_flags: u32,
    /// Bytes that are copied of one socket of such a cgroup, in each direction.
    pub unclassified_budget: u32,
    /// As `window`, while the ring is calm: nobody need know the length of a chunked message, so that it is followed only
    /// by copying it as fast as it is written.
    pub calm_window: u32,
    /// Bytes that wait in the ring from which on it is not calm.
    pub calm: u32,
    /// Whenever so many more bytes wait in the ring, the reader is woken; the exponent of 2.
    pub bulk: u32,
    /// Size of the ring.
    pub ring: u32,
    /// What one cgroup may reserve of what is free in the ring, in 256ths.
    pub share: u32,
}

/// Value of `GRANTS`, by [`grant_key`]: bytes of the stream before `until` need not be copied.
///
/// A letter box: the socket keeps what it finds there, so that an eviction loses nothing that was read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    pub until: u32,
}

/// Key of `GRANTS`: one direction of a socket's connection. Cookies are counted from 1 and never use the highest bit.
#[must_use]
pub const fn grant_key(cookie: u64, response: bool) -> u64 {
    cookie | (response as u64) << 63
}

/// What did not fit the ring, of one kind of record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    pub records: u64,
    /// Payload bytes; the records' headers are not counted.
    pub bytes: u64,
}

/// The one value of `LOST`: indexed by record kind, so that userspace reads all with one call. Counted after the same
/// was counted in [`Share::lost`]: while this does not change, nor does that.
pub type Losses = [Lost; kind::END as usize];

/// Cgroups of which shares are kept; those beyond it have that of [`NOBODY`] together.
pub const SHARES_MOST: u32 = 4096;

/// The key of `SHARES` for what is of no cgroup that is known, or of one too many.
pub const NOBODY: u64 = 0;

/// Value of `SHARES`, by the cgroup in which a record's socket was created: what it takes of the ring, and what it lost.
///
/// What is counted as taken was reserved since the reader was last seen past `mark`; so it may leave out what was reserved
/// before that and is not yet read. A cgroup holds at most twice its share.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The ring's producer position when `taken` was last 0.
    pub mark: u64,
    /// Bytes reserved since, headers included.
    pub taken: u64,
    /// Lost records for which there was no room in the share; the others found the whole ring full.
    pub refused: u64,
    pub lost: Losses,
}

/// The one value of `COUNTERS`: indexed by [`counter`].
pub type Counters = [u64; counter::END as usize];

/// Value of `SOCKETS`, per socket. An accepted socket starts with a copy of its listener's.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// The cgroup in which it was created; 0 if unknown.
    pub cgroup: u64,
    /// [`owner`] flags with [`socket::UNCLASSIFIED`] in the low half, and in the high half the generation of
    /// [`Settings`] for which they are valid: one word, so that no CPU sees one without the other.
    pub verdict: u64,
    /// [`socket`] bits of this connection.
    pub bits: u32,
    /// The last acknowledgement that was reported.
    pub acked: u32,
    /// Of the request direction, then of the response direction.
    pub ways: [Way; 2],
}

/// What is copied of one direction of a socket's connection.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Where the window starts: the first byte, then the last grant that was read.
    pub origin: u32,
    /// 1 once `origin` is a grant: what is before it is skipped.
    pub granted: u32,
    /// Bytes copied while unclassified.
    pub spent: u32,
}

/// Bits of [`Socket`].
pub mod socket {
    pub const ACTIVE: u32 = 1 << 0;
    pub const PASSIVE: u32 = 1 << 1;
    pub const STRAY: u32 = 1 << 2;
    pub const OVER_BUDGET: u32 = 1 << 3;
    pub const CLOSED: u32 = 1 << 4;
    /// Its first packet of another protocol than TCP was told.
    pub const OTHER: u32 = 1 << 5;
    /// In [`Socket::verdict`]: nobody has named the owner yet.
    ///
    /// [`Socket::verdict`]: super::Socket::verdict
    pub const UNCLASSIFIED: u32 = 1 << 31;
}

/// One row per map value: name, size, and the sum of its fields.
pub const LAYOUT: [(&str, usize, usize); 6] = [
    ("Settings", size_of::<Settings>(), 4 * 10),
    ("Grant", size_of::<Grant>(), 4),
    ("Lost", size_of::<Lost>(), 8 * 2),
    ("Share", size_of::<Share>(), 8 * 3 + 16 * kind::END as usize),
    ("Way", size_of::<Way>(), 4 * 3),
    ("Socket", size_of::<Socket>(), 8 * 2 + 4 * 2 + 12 * 2),
];

const _: () = {
    let mut row = 0;
    while row < LAYOUT.len() {
        assert!(LAYOUT[row].1 == LAYOUT[row].2, "a map value has padding that no field names");
        row += 1;
    }
    assert!(offset_of!(Settings, generation) == 4);
    assert!(offset_of!(Settings, calm) == 24);
    assert!(offset_of!(Settings, share) == 36);
    assert!(offset_of!(Share, lost) == 24);
    assert!(offset_of!(Socket, verdict) == 8);
    assert!(offset_of!(Socket, ways) == 24);
};
