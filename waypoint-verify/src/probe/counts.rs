//! What was lost, and what was counted.

use std::ops::{Add, Index, IndexMut, Sub};

use waypoint_verify_ebpf::{map, record::kind};

use super::record::Kind;

/// What did not fit the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    pub records: u64,
    /// Payload bytes of the lost [`Kind::Data`] records.
    pub bytes: u64,
}

/// [`Lost`] by kind of record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses([Lost; kind::END as usize]);

impl Losses {
    pub(super) fn of(lost: map::Losses) -> Self {
        Self(lost.map(|lost| Lost { records: lost.records, bytes: lost.bytes }))
    }

    /// What is in these and not in those.
    pub(super) fn beyond(mut self, those: Self) -> Self {
        for (these, those) in self.0.iter_mut().zip(those.0) {
            these.records = these.records.saturating_sub(those.records);
            these.bytes = these.bytes.saturating_sub(those.bytes);
        }
        self
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|lost| lost.records == 0)
    }

    /// Records of all kinds.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.0.iter().map(|lost| lost.records).sum()
    }
}

impl Index<Kind> for Losses {
    type Output = Lost;

    fn index(&self, kind: Kind) -> &Lost {
        &self.0[place(kind)]
    }
}

impl IndexMut<Kind> for Losses {
    fn index_mut(&mut self, kind: Kind) -> &mut Lost {
        &mut self.0[place(kind)]
    }
}

fn place(kind: Kind) -> usize {
    (match kind {
        Kind::Created => kind::CREATED,
        Kind::Opened => kind::OPENED,
        Kind::Data => kind::DATA,
        Kind::Note => kind::NOTE,
        Kind::Closed => kind::CLOSED,
        Kind::Stray => kind::STRAY,
        Kind::Other => kind::OTHER,
    }) as usize
}

impl Sub for Losses {
    type Output = Self;

    fn sub(mut self, before: Self) -> Self {
        for (now, before) in self.0.iter_mut().zip(before.0) {
            now.records -= before.records;
            now.bytes -= before.bytes;
        }
        self
    }
}

impl Add for Losses {
    type Output = Self;

    fn add(mut self, more: Self) -> Self {
        for (these, more) in self.0.iter_mut().zip(more.0) {
            these.records += more.records;
            these.bytes += more.bytes;
        }
        self
    }
}

/// What was lost of one cgroup's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostOf {
    pub cgroup: u64,
    pub lost: Losses,
    /// Records for which there was no room in its own share ([`Config::owner_share`]): it floods. The others found the
    /// whole ring full.
    pub refused: u64,
}

/// What one drain brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Every record with a `ts` up to this time (`CLOCK_BOOTTIME`, ns) has been seen or lost. It stays behind while a
    /// record is still being written.
    pub until_ns: u64,
    pub records: u64,
    /// Of the records, with their headers.
    pub bytes: u64,
    /// Records that could not be decoded: a defect, and a loss.
    pub undecodable: u64,
    /// What was lost since the drain before, and of which nobody knows whose it was: it may be of anybody. Read after the
    /// ring was: a loss is never reported late.
    pub lost: Losses,
    /// What else was lost, by whose it was.
    pub lost_of: Vec<LostOf>,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub lost: Losses,
    pub undecodable: u64,
    /// Payloads that the kernel could not read for us.
    pub copy_failed: u64,
    /// Packets of watched sockets whose headers could not be read.
    pub unparsable: u64,
    pub fragments: u64,
    /// IPv6 packets with unknown or too many extension headers.
    pub extension_headers: u64,
    /// Packets of other protocols than TCP into containers with [`Flags::ENTRIES`].
    pub not_tcp: u64,
    /// Sockets that went unseen for lack of kernel memory.
    pub no_storage: u64,
}
