//! Messages of one connection whose head or end the receiver has not acknowledged.
//!
//! Heads come in the order of their offsets, and so are they acknowledged. HTTP/1 messages end in that order too; those of
//! HTTP/2 do not.

use std::collections::VecDeque;

use crate::model::MessageKey;

/// A message that was announced by its head.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    pub key: MessageKey,
    /// Offset after its head.
    pub head_end: u64,
    /// Offset after its last octet, once known.
    pub end: Option<u64>,
    pub head_acknowledged: bool,
}

/// How far the receiver of a message has acknowledged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    Head(MessageKey),
    /// The head not before now, too.
    HeadAndWhole(MessageKey),
    Whole(MessageKey),
}

#[derive(Debug, Default)]
pub struct Announcements {
    list: VecDeque<Announced>,
    /// So many of them, from the front, have an acknowledged head.
    heads: usize,
    /// So many of them have ended.
    ended: usize,
}

impl Announcements {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Announced> {
        self.list.iter()
    }

    pub fn head(&mut self, key: MessageKey, head_end: u64) {
        self.list.push_back(Announced { key, head_end, end: None, head_acknowledged: false });
    }

    /// The message that starts at `offset` ends before `end`.
    pub fn ended(&mut self, offset: u64, end: u64) {
        let Ok(at) = self.list.binary_search_by_key(&offset, |announced| announced.key.offset) else { return };
        if self.list[at].end.replace(end).is_none() {
            self.ended += 1;
        }
    }

    /// The receiver has acknowledged everything before `acked`.
    pub fn acknowledge(&mut self, acked: u64, mut tell: impl FnMut(Acknowledged)) {
        while let Some(announced) = self.list.get_mut(self.heads).filter(|announced| announced.head_end <= acked) {
            announced.head_acknowledged = true;
            self.heads += 1;
            match announced.end.is_some_and(|end| end <= acked) {
                true => tell(Acknowledged::HeadAndWhole(announced.key)),
                false => tell(Acknowledged::Head(announced.key)),
            }
        }
        if self.ended == 0 {
            return;
        }
        let Self { list, heads, ended } = self;
        list.retain(|announced| {
            let whole = announced.head_acknowledged && announced.end.is_some_and(|end| end <= acked);
            if whole {
                tell(Acknowledged::Whole(announced.key));
                *heads -= 1;
                *ended -= 1;
            }
            !whole
        });
    }

    /// Keeps those that are wanted; the others.
    pub fn split(&mut self, keep: impl FnMut(&Announced) -> bool) -> VecDeque<Announced> {
        let (kept, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.list).into_iter().partition(keep);
        self.heads = kept.iter().take_while(|announced| announced.head_acknowledged).count();
        self.ended = kept.iter().filter(|announced| announced.end.is_some()).count();
        self.list = kept;
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConnKey;

    fn key(offset: u64) -> MessageKey {
        MessageKey { conn: ConnKey { client_isn: 1, server_isn: 2 }, offset, stream: 0 }
    }

    fn told(announcements: &mut Announcements, acked: u64) -> Vec<Acknowledged> {
        let mut told = Vec::new();
        announcements.acknowledge(acked, |acknowledged| told.push(acknowledged));
        told
    }

    /// Rows: heads from 0, 10, 20 ... of five octets each; which of them ended where; the acknowledgements and what they tell.
    #[test]
    fn heads_are_told_in_order_and_ends_as_they_come() {
        use Acknowledged::{Head, HeadAndWhole, Whole};
        type Acknowledgements = Vec<(u64, Vec<Acknowledged>)>;
        let rows: [(&[(u64, u64)], Acknowledgements); 4] = [
            (&[], vec![(4, vec![]), (15, vec![Head(key(0)), Head(key(10))]), (15, vec![])]),
            (&[(0, 5)], vec![(5, vec![HeadAndWhole(key(0)), Whole(key(0))]), (5, vec![])]),
            (&[(10, 40)], vec![(30, vec![Head(key(0)), Head(key(10)), Head(key(20))]), (40, vec![Whole(key(10))])]),
            (
                &[(20, 30), (0, 50)],
                vec![
                    (30, vec![Head(key(0)), Head(key(10)), HeadAndWhole(key(20)), Whole(key(20))]),
                    (50, vec![Whole(key(0))]),
                ],
            ),
        ];
        for (ends, acknowledgements) in rows {
            let mut announcements = Announcements::default();
            for offset in [0, 10, 20] {
                announcements.head(key(offset), offset + 5);
            }
            for (offset, end) in ends {
                announcements.ended(*offset, *end);
            }
            for (acked, expected) in acknowledgements {
                assert_eq!(told(&mut announcements, acked), expected, "{ends:?} acknowledged up to {acked}");
            }
        }
    }

    #[test]
    fn what_is_split_off_is_told_no_more() {
        let mut announcements = Announcements::default();
        for offset in [0, 10, 20] {
            announcements.head(key(offset), offset + 5);
            announcements.ended(offset, offset + 8);
        }
        let others = announcements.split(|announced| announced.key.offset != 10);
        assert_eq!(others.iter().map(|announced| announced.key).collect::<Vec<_>>(), [key(10)]);
        let whole = [0, 20].map(|offset| [Acknowledged::HeadAndWhole(key(offset)), Acknowledged::Whole(key(offset))]);
        let mut told = told(&mut announcements, 100);
        told.sort_by_key(|told| match told {
            Acknowledged::Head(key) | Acknowledged::HeadAndWhole(key) | Acknowledged::Whole(key) => key.offset,
        });
        assert_eq!(told, whole.concat());
        assert!(announcements.is_empty());
    }
}
