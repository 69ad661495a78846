//! Frame headers (RFC 9113 section 4.1).

/// Octets of a frame header.
pub(super) const HEADER: usize = 9;

/// What the client begins with (section 3.4).
pub(in crate::wire) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    Goaway,
    WindowUpdate,
    Continuation,
    /// Ignored (section 5.5); PRIORITY_UPDATE (RFC 9218) among them.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub kind: Kind,
    pub len: u32,
    flags: u8,
    pub stream: u32,
}

impl Frame {
    /// `None`: fewer octets than a header has.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = octets.first_chunk::<HEADER>()?;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::RstStream,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::Goaway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        // The highest bit of the identifier is reserved and ignored.
        let stream = u32::from_be_bytes(*stream) & 0x7fff_ffff;
        Some(Self { kind, len: u32::from_be_bytes([0, *a, *b, *c]), flags: *flags, stream })
    }

    pub fn ends_stream(&self) -> bool {
        self.flags & 0x1 != 0
    }

    pub fn is_ack(&self) -> bool {
        self.flags & 0x1 != 0
    }

    pub fn ends_headers(&self) -> bool {
        self.flags & 0x4 != 0
    }

    pub fn is_padded(&self) -> bool {
        self.flags & 0x8 != 0
    }

    /// Octets of priority in front of a header block.
    pub fn priority(&self) -> usize {
        if self.flags & 0x20 != 0 { 5 } else { 0 }
    }

    /// Header and payload.
    pub fn octets(&self) -> usize {
        HEADER + self.len as usize
    }
}
