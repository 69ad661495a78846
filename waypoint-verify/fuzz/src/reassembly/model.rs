//! The receiver's stream as an array: what was seen first at each place.

use super::plan::{Piece, Syn};
use super::settings;
use crate::told::{Told, read_with};
use crate::{Disagreement, demand};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Never,
    /// It was on the wire; nobody saw what it was.
    Unseen,
    Seen(u8),
}

#[derive(Debug, Default)]
pub struct Model {
    slots: Vec<Slot>,
    fin: Option<u64>,
    /// The furthest offset of a grant.
    pub granted: u64,
}

/// What a stream was before a segment came.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    pub told: &'a Told,
    pub followed: u64,
    pub acked: u64,
}

impl Model {
    /// Takes a segment; says what is wrong with it if that must poison.
    pub fn segment(&mut self, piece: &Piece, bytes: &[u8], before: Before<'_>) -> Option<&'static str> {
        if piece.syn == Syn::Foreign {
            return None;
        }
        if piece.urg {
            return Some("urgent data");
        }
        let (end, shown) = (piece.from + piece.len, piece.from + piece.skipped);
        let contradiction = self.contradiction(shown, bytes, before);
        let fin = self.fin_is_wrong(piece, end, before.acked);
        self.grow(end);
        for at in piece.from..end {
            let octet = at.checked_sub(shown).and_then(|n| bytes.get(usize::try_from(n).ok()?));
            let slot = &mut self.slots[usize::try_from(at).expect("plans are small")];
            *slot = match (*slot, octet) {
                (seen @ Slot::Seen(_), _) => seen,
                // What was followed as a body stays as it is.
                (slot, Some(_)) if at < before.followed => slot,
                (_, Some(octet)) => Slot::Seen(*octet),
                (_, None) => Slot::Unseen,
            };
        }
        contradiction.or(fin)
    }

    /// A FIN that moves, or octets after it.
    fn fin_is_wrong(&mut self, piece: &Piece, end: u64, acked: u64) -> Option<&'static str> {
        // TCP throws a FIN away that lies before what it has.
        if piece.fin && end >= acked && *self.fin.get_or_insert(end) != end {
            return Some("a FIN at another place");
        }
        let beyond = self.fin.is_some_and(|fin| end > fin && piece.len > 0);
        beyond.then_some("octets after the FIN")
    }

    fn contradiction(&self, at: u64, bytes: &[u8], before: Before<'_>) -> Option<&'static str> {
        let Before { told, followed, acked } = before;
        let end = at + bytes.len() as u64;
        let differs = |from: u64, to: u64| {
            (from.max(at)..to.min(end)).any(|place| {
                let octet = bytes[usize::try_from(place - at).expect("inside")];
                matches!(self.slot(place), Slot::Seen(seen) if seen != octet)
            })
        };
        if differs(self.matters_from(told, followed), u64::MAX) {
            return Some("other octets where some are held that came too early");
        }
        let content = self.content(told, followed);
        let decides = |place: &u64| !content.iter().any(|(from, to)| (*from..*to).contains(place));
        (acked.max(at)..followed.min(end))
            .filter(decides)
            .any(|place| differs(place, place + 1))
            .then_some("other octets, not acknowledged, where messages begin or end")
    }

    /// The places of content, which nobody compares, up to `followed`.
    fn content(&self, told: &Told, followed: u64) -> Vec<(u64, u64)> {
        let mut content = Vec::new();
        for message in &told.messages {
            let from = message.offset + message.head_len;
            match message.length {
                Some(length) => content.push((from, from + length)),
                None => self.chunks(from, followed, |from, to| content.push((from, to))),
            }
        }
        content
    }

    /// From where on it matters what the octets are: behind the content of known length that is being read.
    pub fn matters_from(&self, told: &Told, followed: u64) -> u64 {
        let Some(open) = told.messages.last().filter(|message| message.end.is_none()) else { return followed };
        let content = open.offset + open.head_len;
        match open.length {
            Some(length) => content + length,
            None => followed.max(self.chunk_end(content, followed)),
        }
    }

    /// The end of the chunk's data that `followed` lies in, or something before it.
    fn chunk_end(&self, at: u64, followed: u64) -> u64 {
        let mut end = 0;
        self.chunks(at, followed, |_, to| end = to);
        end
    }

    /// The data of each chunk whose description lies before `followed`.
    fn chunks(&self, mut at: u64, followed: u64, mut found: impl FnMut(u64, u64)) {
        loop {
            let (mut size, mut extension) = (0u64, false);
            loop {
                let Slot::Seen(octet) = self.slot(at) else { return };
                if at >= followed {
                    return;
                }
                at += 1;
                extension |= octet == b';';
                match char::from(octet).to_digit(16) {
                    _ if octet == b'\n' => break,
                    Some(digit) if !extension => size = size * 16 + u64::from(digit),
                    _ => {}
                }
            }
            if size == 0 {
                return;
            }
            found(at, at + size);
            at += size + 2;
            if at > followed {
                return;
            }
        }
    }

    /// What was told is what the octets say that were seen first, in order and once.
    pub fn agrees(&self, told: &Told, followed: u64) -> Result<(), Disagreement> {
        let mut octets = Vec::new();
        for at in 0..followed {
            octets.push(match self.slot(at) {
                Slot::Seen(octet) => octet,
                // Must lie in content, where it does not matter; anywhere else this is malformed.
                Slot::Unseen => 0,
                Slot::Never => {
                    demand!(at < self.granted, "followed to {followed}, but octet {at} never came");
                    0
                }
            });
        }
        let expected = read_with(&settings(), &octets).0;
        demand!(told.messages == expected.messages, "told: {told:?}\nexpected: {expected:?}");
        if told.poisoned.is_none() {
            demand!(told.may_wait(&octets) || expected.poisoned.is_none(), "not poisoned, though {expected:?}");
            demand!(
                self.fin.is_none_or(|fin| followed <= fin),
                "followed to {followed}, beyond the FIN {:?}",
                self.fin
            );
            let complete = self.slots.iter().take_while(|slot| matches!(slot, Slot::Seen(_))).count() as u64;
            demand!(followed >= complete, "followed to {followed}, though everything up to {complete} was seen");
        }
        Ok(())
    }

    fn slot(&self, at: u64) -> Slot {
        usize::try_from(at).ok().and_then(|at| self.slots.get(at)).copied().unwrap_or(Slot::Never)
    }

    fn grow(&mut self, end: u64) {
        let end = usize::try_from(end).expect("plans are small");
        if self.slots.len() < end {
            self.slots.resize(end, Slot::Never);
        }
    }
}
