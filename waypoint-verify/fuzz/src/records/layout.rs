//! Where things lie in a record: written down by hand, not taken from the types.

/// An offset in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    Created = 1,
    Opened = 2,
    Data = 3,
    Note = 4,
    Closed = 5,
    Stray = 6,
    Other = 7,
}

#[derive(Clone, Copy, Debug)]
pub struct Flag(u32);

impl Flag {
    pub const LISTENER_OWNED: Self = Self(1);
    pub const COPY_FAILED: Self = Self(4);
    pub const OVER_BUDGET: Self = Self(8);
    pub const UNCLASSIFIED: Self = Self(16);
    pub const MPTCP: Self = Self(32);
    pub const TIMESTAMP: Self = Self(64);
    pub const QUIC: Self = Self(128);

    pub fn is_set(self, flags: u32) -> bool {
        flags & self.0 != 0
    }
}

pub const KIND: At = At(0);
pub const FLAGS: At = At(4);
/// Time, cookie, cgroup: 64 bits each.
pub const HEADER: [At; 3] = [At(8), At(16), At(24)];
pub const COMM: At = At(48);
/// The peer's timestamp, of an opening.
pub const TSVAL: At = At(76);

/// What only data have.
pub struct Data {
    pub rcv_nxt: At,
    pub payload_len: At,
    pub skipped: At,
    pub captured: At,
    /// Octets of a TCP header before the payload.
    pub header: At,
}

pub const DATA: Data = Data { rcv_nxt: At(40), payload_len: At(44), skipped: At(48), captured: At(52), header: At(95) };

impl Kind {
    pub const ALL: [Self; 7] =
        [Self::Created, Self::Opened, Self::Data, Self::Note, Self::Closed, Self::Stray, Self::Other];

    pub fn of(octets: &[u8]) -> Option<Self> {
        let kind = u32::from_ne_bytes(*octets.first_chunk()?);
        Self::ALL.into_iter().find(|known| *known as u32 == kind)
    }

    /// Without a payload.
    pub fn size(self) -> usize {
        match self {
            Self::Created | Self::Closed => 64,
            Self::Opened => 88,
            Self::Data => 96,
            Self::Note => 48,
            Self::Stray => 120,
            Self::Other => 72,
        }
    }

    pub fn side(self) -> Option<At> {
        match self {
            Self::Opened => Some(At(80)),
            Self::Data => Some(At(93)),
            Self::Note => Some(At(45)),
            Self::Closed => Some(At(56)),
            Self::Created | Self::Stray | Self::Other => None,
        }
    }

    pub fn hook(self) -> Option<At> {
        match self {
            Self::Data => Some(At(94)),
            Self::Note => Some(At(46)),
            Self::Stray => Some(At(117)),
            Self::Created | Self::Opened | Self::Closed | Self::Other => None,
        }
    }

    /// 32 bits each.
    pub fn words(self) -> &'static [At] {
        match self {
            Self::Created | Self::Opened => &[At(32), At(36)],
            // Sequence number, acknowledgement, payload, skipped.
            Self::Data => &[At(32), At(36), At(44), At(48)],
            Self::Note => &[At(32), At(36), At(40)],
            Self::Closed => &[At(48), At(52)],
            Self::Stray => &[At(104), At(108), At(112)],
            Self::Other => &[],
        }
    }

    /// 16 bits each.
    pub fn halves(self) -> &'static [At] {
        match self {
            Self::Created => &[At(40), At(42), At(44)],
            Self::Other => &[At(68), At(70)],
            _ => &[],
        }
    }

    /// 64 bits each, after the header.
    pub fn longs(self) -> &'static [At] {
        match self {
            Self::Closed => &[At(32), At(40)],
            _ => &[],
        }
    }

    /// TCP flags and states.
    pub fn octets(self) -> &'static [At] {
        match self {
            Self::Data => &[At(92)],
            Self::Note => &[At(44)],
            Self::Closed => &[At(57)],
            Self::Stray => &[At(116), At(118)],
            Self::Created | Self::Opened | Self::Other => &[],
        }
    }

    /// Two addresses of 16 octets, then two ports.
    pub fn tuples(self) -> &'static [At] {
        match self {
            Self::Opened => &[At(40)],
            Self::Data => &[At(56)],
            Self::Stray => &[At(32), At(68)],
            Self::Other => &[At(32)],
            Self::Created | Self::Note | Self::Closed => &[],
        }
    }
}

/// Both ends of a tuple as text; a mapped IPv4 address as IPv4.
pub fn ends(octets: &[u8], at: At) -> [String; 2] {
    let end = |address: usize, port: usize| {
        let address: [u8; 16] = octets[at.0 + address..][..16].try_into().expect("16 octets");
        let port = u16::from_ne_bytes(octets[at.0 + port..][..2].try_into().expect("two octets"));
        match address {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => format!("{a}.{b}.{c}.{d}:{port}"),
            other => format!("[{}]:{port}", std::net::Ipv6Addr::from(other)),
        }
    };
    [end(0, 32), end(16, 34)]
}
