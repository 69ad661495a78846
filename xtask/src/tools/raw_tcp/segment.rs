//! One segment of a script. Whatever is not said is as TCP would have it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Segment {
    /// Offset of its first octet; the first octet after the SYN has 0. May be negative.
    pub at: i64,
    pub data: Vec<u8>,
    /// Of `SFRPAU`; `PA` with data and `A` without if empty.
    pub flags: String,
    /// The acknowledgement, as an offset of the peer's stream; all that was received if none is named.
    pub acknowledge: Option<i64>,
    pub window: Option<u16>,
    pub urgent: Option<u16>,
    pub wrong_checksum: bool,
    /// Added to the timestamp: negative is old.
    pub timestamp_shift: i64,
    pub without_timestamp: bool,
    /// Sent in IP fragments with so many octets each (a multiple of 8).
    pub fragment: Option<usize>,
    /// The last fragment first.
    pub fragments_reversed: bool,
    /// IPv6 only, in this order.
    pub extensions: Vec<Extension>,
    /// Another source address than the connection's.
    pub source: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extension {
    HopByHop,
    Destination,
    /// Routing header of type 4 (segment routing) with no segments left.
    Routing,
    /// A fragment header on a packet that is whole (RFC 6946).
    AtomicFragment,
}

impl Segment {
    pub fn new(at: i64, data: impl AsRef<[u8]>) -> Self {
        Self { at, data: data.as_ref().to_owned(), ..Self::default() }
    }

    #[must_use]
    pub fn flags(mut self, flags: &str) -> Self {
        flags.clone_into(&mut self.flags);
        self
    }

    #[must_use]
    pub fn wrong_checksum(mut self) -> Self {
        self.wrong_checksum = true;
        self
    }

    #[must_use]
    pub fn timestamp_shift(mut self, shift: i64) -> Self {
        self.timestamp_shift = shift;
        self
    }

    #[must_use]
    pub fn urgent(mut self, pointer: u16) -> Self {
        self.urgent = Some(pointer);
        self
    }

    #[must_use]
    pub fn fragment(mut self, octets: usize) -> Self {
        self.fragment = Some(octets);
        self
    }

    #[must_use]
    pub fn extensions(mut self, extensions: &[Extension]) -> Self {
        self.extensions = extensions.to_owned();
        self
    }
}
