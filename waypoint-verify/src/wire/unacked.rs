//! Octets that decide where messages begin and end, until the receiver has acknowledged them.
//!
//! What the probes see first is not always what the receiver takes: TCP may drop a segment (full buffer, unacceptable
//! acknowledgement) and take another one that says something else. So heads, chunk descriptions and frame headers are kept until
//! they are acknowledged, and what comes again is compared with them. Content need not be kept: its place is known.

use std::collections::VecDeque;

use super::{Bound, Conflict, Poison};

#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    at: u64,
    len: usize,
}

#[derive(Debug, Default)]
pub(super) struct Unacked {
    older: VecDeque<Piece>,
    /// Mostly the only one, which therefore costs no allocation; without octets there is none.
    last: Piece,
    /// Octets of all pieces, behind those that are no longer kept.
    octets: Vec<u8>,
    dropped: usize,
    /// What lies before this was forgotten because it was too much.
    forgotten: u64,
}

impl Unacked {
    /// Octets that follow everything that was kept before.
    pub fn keep(&mut self, at: u64, bytes: &[u8], max: u32) {
        if bytes.is_empty() {
            return;
        }
        if self.last.len > 0 && self.last.at + self.last.len as u64 == at {
            self.last.len += bytes.len();
        } else {
            let last = std::mem::replace(&mut self.last, Piece { at, len: bytes.len() });
            self.older.extend((last.len > 0).then_some(last));
        }
        self.octets.extend_from_slice(bytes);
        while self.octets.len() - self.dropped > max as usize
            && let Some(oldest) = self.first()
        {
            self.forgotten = oldest.at + oldest.len as u64;
            self.forget_first();
        }
    }

    /// The receiver has everything before `upto`.
    pub fn acknowledged(&mut self, upto: u64) {
        while self.first().is_some_and(|piece| piece.at + piece.len as u64 <= upto) {
            self.forget_first();
        }
    }

    /// Compares octets that came once more with what is kept of them; what the receiver has already (before `acked`) does not
    /// matter, because it throws away what comes again. Fails with the place from where on nothing is certain.
    pub fn compare(&self, at: u64, bytes: &[u8], acked: u64) -> Result<(), (u64, Poison)> {
        let (from, end) = (at.max(acked), at + bytes.len() as u64);
        if from < self.forgotten.min(end) {
            return Err((from, Bound::Unacknowledged.into()));
        }
        let mut start = self.dropped;
        for piece in self.older.iter().chain([&self.last]) {
            let kept = &self.octets[start..start + piece.len];
            start += piece.len;
            let (first, last) = (from.max(piece.at), end.min(piece.at + piece.len as u64));
            if first >= last {
                continue;
            }
            let known = &kept[index(first - piece.at)..index(last - piece.at)];
            let again = &bytes[index(first - at)..index(last - at)];
            if let Some(differs) = known.iter().zip(again).position(|(a, b)| a != b) {
                return Err((first + differs as u64, Conflict::OverlapDiffers.into()));
            }
        }
        Ok(())
    }

    /// It needs to know nothing of what is acknowledged up to here.
    pub fn is_idle(&self, acked: u64) -> bool {
        self.last.len == 0 && self.forgotten <= acked
    }

    /// Frees what it holds.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn heap(&self) -> usize {
        self.octets.capacity() + self.older.capacity() * size_of::<Piece>()
    }

    fn first(&self) -> Option<Piece> {
        self.older.front().copied().or((self.last.len > 0).then_some(self.last))
    }

    fn forget_first(&mut self) {
        let piece = self.older.pop_front().unwrap_or_else(|| std::mem::take(&mut self.last));
        self.dropped += piece.len;
        if self.last.len == 0 {
            self.octets.clear();
            self.dropped = 0;
        } else if self.dropped > self.octets.len() / 2 {
            self.octets.drain(..self.dropped);
            self.dropped = 0;
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ab` at 10, `cdef` at 20.
    fn kept() -> Unacked {
        let mut unacked = Unacked::default();
        unacked.keep(10, b"ab", 100);
        unacked.keep(20, b"cd", 100);
        unacked.keep(22, b"ef", 100);
        unacked
    }

    #[test]
    fn what_comes_again_must_be_the_same_where_it_is_kept_and_not_acknowledged() {
        let differs = |at| Err((at, Conflict::OverlapDiffers.into()));
        type Row = (u64, &'static [u8], u64, Result<(), (u64, Poison)>);
        let rows: [Row; 10] = [
            (10, b"ab", 0, Ok(())),
            (8, b"??ab????????cdef??", 0, Ok(())),
            (11, b"b????", 0, Ok(())),
            (10, b"aX", 0, differs(11)),
            (8, b"??Xb", 0, differs(10)),
            (8, b"??Xb", 11, Ok(())),
            (21, b"dX", 0, differs(22)),
            (21, b"XX", 22, differs(22)),
            (12, b"????????", 0, Ok(())),
            (24, b"??", 0, Ok(())),
        ];
        for (at, bytes, acked, expected) in rows {
            assert_eq!(
                kept().compare(at, bytes, acked),
                expected,
                "{:?} at {at}, {acked} acknowledged",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_acknowledged_is_kept_no_longer() {
        let mut unacked = kept();
        for (upto, left) in [(11, 6), (12, 4), (23, 4), (24, 0)] {
            unacked.acknowledged(upto);
            assert_eq!(unacked.octets.len() - unacked.dropped, left, "up to {upto}");
        }
        unacked.keep(30, b"gh", 100);
        assert_eq!(unacked.compare(30, b"gX", 0), Err((31, Conflict::OverlapDiffers.into())));
    }

    #[test]
    fn what_was_too_much_to_keep_is_not_said_to_be_the_same() {
        let mut unacked = Unacked::default();
        unacked.keep(0, b"abc", 4);
        unacked.keep(10, b"de", 4);
        assert_eq!(unacked.compare(1, b"bc", 0), Err((1, Bound::Unacknowledged.into())));
        assert_eq!(unacked.compare(1, b"bc", 3), Ok(()));
        assert_eq!(unacked.compare(10, b"dX", 3), Err((11, Conflict::OverlapDiffers.into())));
        assert!(unacked.heap() < 200);
    }

    #[test]
    fn as_much_is_kept_as_was_asked_for_whatever_was_forgotten_before() {
        let mut unacked = Unacked::default();
        unacked.keep(0, &[b'a'; 30], 100);
        unacked.keep(100, &[b'b'; 60], 100);
        unacked.acknowledged(30);
        unacked.keep(200, &[b'c'; 40], 100);
        // Nothing at all is no piece.
        unacked.keep(300, b"", 100);
        assert!(!unacked.is_idle(30));
        for (at, octet) in [(159, b'b'), (200, b'c')] {
            assert_eq!(unacked.compare(at, &[octet], 30), Ok(()));
            assert_eq!(unacked.compare(at, b"?", 30), Err((at, Conflict::OverlapDiffers.into())));
        }
        unacked.keep(240, b"d", 100);
        assert_eq!(unacked.compare(159, b"b", 30), Err((159, Bound::Unacknowledged.into())));
    }

    /// A client that never stops sending before all is acknowledged.
    #[test]
    fn what_is_acknowledged_takes_no_room() {
        let mut unacked = Unacked::default();
        for n in 0..1000 {
            unacked.keep(200 * n, &[b'x'; 100], 10_000);
            unacked.acknowledged(200 * n);
        }
        assert_eq!(unacked.compare(200 * 999, b"?", 0), Err((200 * 999, Conflict::OverlapDiffers.into())));
        assert!(unacked.heap() < 1000, "{}", unacked.heap());
    }
}
