//! One TCP segment, and which part of it is still news.

/// One TCP segment (or one GSO/GRO packet of many) as the probes saw it at one socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    /// Of the first octet of the payload; of the SYN if `syn`.
    pub seq: u32,
    /// Octets of payload on the wire.
    pub payload_len: u32,
    /// Leading octets of the payload that the kernel left out because a grant covers them.
    pub skipped: u32,
    /// Octets copied after the skipped ones. May end early: the rest was not copied.
    pub bytes: &'a [u8],
    pub fin: bool,
    pub syn: bool,
    pub urg: bool,
}

/// Stream offsets `start..end`, of which the octets from `bytes_at` on are known as far as `bytes` goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut<'a> {
    pub start: u64,
    pub bytes_at: u64,
    pub bytes: &'a [u8],
    pub end: u64,
}

impl<'a> Cut<'a> {
    /// `start` may lie before the stream (the octet of the SYN, a keep-alive probe).
    pub fn new(start: i64, segment: &Segment<'a>) -> Self {
        let len = i64::from(segment.payload_len);
        let skipped = i64::from(segment.skipped).min(len);
        let room = usize::try_from(len - skipped).unwrap_or(0);
        let bytes = &segment.bytes[..segment.bytes.len().min(room)];
        let before = start + skipped;
        let lost = usize::try_from(-before).unwrap_or(0).min(bytes.len());
        Self {
            start: start.max(0).unsigned_abs(),
            bytes_at: before.max(0).unsigned_abs(),
            bytes: &bytes[lost..],
            end: (start + len).max(0).unsigned_abs(),
        }
    }

    pub fn bytes_end(&self) -> u64 {
        self.bytes_at + self.bytes.len() as u64
    }

    /// The part at and after `from`.
    pub fn starting(self, from: u64) -> Self {
        let lost = usize::try_from(from.saturating_sub(self.bytes_at)).unwrap_or(usize::MAX).min(self.bytes.len());
        Self {
            start: self.start.max(from),
            bytes_at: self.bytes_at.max(from),
            bytes: &self.bytes[lost..],
            end: self.end.max(from),
        }
    }
}

/// Offset of a sequence number, taken as the one nearest to `near` (RFC 9293 section 3.4: they wrap).
pub(super) fn place(isn: u32, near: u64, seq: u32) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are offsets modulo 2^32")]
    let near_seq = isn.wrapping_add(1).wrapping_add(near as u32);
    near.cast_signed() + i64::from(seq.wrapping_sub(near_seq).cast_signed())
}

/// Sequence number of an offset.
pub(super) fn sequence(isn: u32, offset: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are offsets modulo 2^32")]
    isn.wrapping_add(1).wrapping_add(offset as u32)
}

/// A grant is worth a system call from here on, and keeps a comparison of sequence numbers in the kernel unambiguous.
const GRANT_STEP: u64 = 16 * 1024;
const GRANT_AHEAD: u64 = 1 << 30;

/// The offset up to which the kernel need not copy, if it is worth telling: everything before `followed`, and so many octets
/// `ahead` of it, need not be seen.
pub(super) fn next_grant(granted: u64, followed: u64, ahead: u64) -> Option<u64> {
    let until = followed + ahead.min(GRANT_AHEAD);
    let step = if ahead > GRANT_AHEAD { GRANT_AHEAD / 2 } else { GRANT_STEP };
    (until >= granted + step).then_some(until)
}
