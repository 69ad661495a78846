//! What came ahead of its turn: octets where they matter, mere presence where they do not.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::Conflict;
use super::segment::Cut;

/// What an entry costs beside its octets, about; so that many tiny pieces are bounded too.
const ENTRY: usize = 64;

#[derive(Debug)]
struct Held {
    bytes: Box<[u8]>,
    /// Order number of the record that they came in.
    at: u64,
}

/// Pieces by offset, none of which overlaps another of its kind.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    held: BTreeMap<u64, Held>,
    /// Start -> end of what was on the wire, but whose octets were not copied or need not be kept.
    present: BTreeMap<u64, u64>,
    octets: usize,
}

impl Pieces {
    /// Octets before `matters` are known to be body whatever they are.
    pub fn insert(&mut self, cut: Cut<'_>, matters: u64, at: u64) -> Result<(), Conflict> {
        self.presence(cut.start, cut.bytes_at.max(matters.min(cut.end)));
        self.presence(cut.bytes_end(), cut.end);
        let cut = cut.starting(matters);
        let (mut from, to) = (cut.bytes_at, cut.bytes_end());
        let slice = |a: u64, b: u64| &cut.bytes[index(a - cut.bytes_at)..index(b - cut.bytes_at)];
        let mut overlapping: SmallVec<[(u64, u64); 8]> =
            self.held.range(..to).rev().map(|(s, h)| (*s, h.end(*s))).take_while(|(_, end)| *end > from).collect();
        overlapping.reverse();
        for (start, end) in overlapping {
            if from < start {
                self.hold(from, slice(from, start), at);
                from = start;
            }
            let upto = end.min(to);
            let known = &self.held[&start].bytes[index(from - start)..index(upto - start)];
            if known != slice(from, upto) {
                return Err(Conflict::OverlapDiffers);
            }
            from = upto;
        }
        if from < to {
            self.hold(from, slice(from, to), at);
        }
        Ok(())
    }

    /// Whether these octets are the same as what is held at their place.
    pub fn compare(&self, at: u64, bytes: &[u8]) -> Result<(), Conflict> {
        let end = at + bytes.len() as u64;
        let overlapping = self.held.range(..end).rev().take_while(|(start, held)| held.end(**start) > at);
        for (start, held) in overlapping {
            let (from, to) = (at.max(*start), end.min(held.end(*start)));
            if bytes[index(from - at)..index(to - at)] != held.bytes[index(from - start)..index(to - start)] {
                return Err(Conflict::OverlapDiffers);
            }
        }
        Ok(())
    }

    /// The octets at `pos`, with the order number of their record.
    pub fn take_at(&mut self, pos: u64) -> Option<(HeldOctets, u64)> {
        let (start, held) = self.held.range(..=pos).next_back()?;
        let start = *start;
        if held.end(start) <= pos {
            return None;
        }
        let held = self.held.remove(&start)?;
        self.octets -= held.bytes.len();
        Some((HeldOctets { bytes: held.bytes, from: index(pos - start) }, held.at))
    }

    /// How many octets from `pos` on are known to have been on the wire, without their values.
    pub fn present_from(&self, pos: u64) -> u64 {
        self.present.range(..=pos).next_back().map_or(0, |(_, end)| end.saturating_sub(pos))
    }

    /// Where the first piece after a hole starts.
    pub fn first(&self) -> Option<u64> {
        let held = self.held.first_key_value().map(|(start, _)| *start);
        let present = self.present.first_key_value().map(|(start, _)| *start);
        held.into_iter().chain(present).min()
    }

    /// Where the last piece ends.
    pub fn end(&self) -> u64 {
        let held = self.held.last_key_value().map(|(start, held)| held.end(*start));
        let present = self.present.last_key_value().map(|(_, end)| *end);
        held.into_iter().chain(present).max().unwrap_or(0)
    }

    pub fn forget_before(&mut self, pos: u64) {
        while let Some(entry) = self.held.first_entry().filter(|e| e.get().end(*e.key()) <= pos) {
            self.octets -= entry.remove().bytes.len();
        }
        while let Some(entry) = self.present.first_entry().filter(|e| *e.get() <= pos) {
            entry.remove();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.present.is_empty()
    }

    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.octets + ENTRY * (self.held.len() + self.present.len())
    }

    fn hold(&mut self, at: u64, bytes: &[u8], record: u64) {
        self.octets += bytes.len();
        self.held.insert(at, Held { bytes: bytes.into(), at: record });
    }

    fn presence(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        while let Some((s, e)) =
            self.present.range(..=end).next_back().map(|(s, e)| (*s, *e)).filter(|(_, e)| *e >= start)
        {
            self.present.remove(&s);
            start = start.min(s);
            end = end.max(e);
        }
        self.present.insert(start, end);
    }
}

impl Held {
    fn end(&self, start: u64) -> u64 {
        start + self.bytes.len() as u64
    }
}

/// A piece that was taken out, from the octet on that was asked for.
#[derive(Debug)]
pub(super) struct HeldOctets {
    bytes: Box<[u8]>,
    from: usize,
}

impl AsRef<[u8]> for HeldOctets {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

/// Differences of offsets inside one piece always fit.
fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
