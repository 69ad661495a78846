//! Where a message with content ends, as the two ends of its connection saw it. With equal heads they can only differ where the
//! head does not say how long the content is, and then someone put octets between the two.

use std::collections::BTreeSet;

use super::State;
use crate::judge::connections::Dispute;
use crate::model::{MessageKey, Side};

impl State {
    pub fn ended(&mut self, key: MessageKey, side: Side, end: u64) {
        self.new.ended.push((key, side, end));
    }

    /// What was seen of the end of messages, at both ends of their connection.
    pub(super) fn compare_ends(&mut self, ended: Vec<(MessageKey, Side, u64)>, again: &mut BTreeSet<MessageKey>) {
        for (key, side, end) in ended {
            match side {
                Side::Active => {
                    if let Some(departure) = self.departures.get_mut(&key) {
                        departure.end = Some(end);
                    }
                }
                Side::Passive => {
                    if let Some(entry) = self.entries.get_mut(&key) {
                        entry.end = Some(end);
                    }
                    if let Some(read) = self.read_end(&key) {
                        *read = Some(end);
                    }
                }
            }
            let Some(written) = self.departures.get(&key).and_then(|departure| departure.end) else { continue };
            let entered = self.entries.get(&key).and_then(|entry| entry.end);
            let read = entered.or_else(|| *self.read_end(&key)?);
            if read.is_some_and(|read| read != written) {
                self.connections.dispute(key.conn, Dispute::Messages);
                let waiting = self.departures.get(&key).map(|departure| &departure.waiting);
                again.extend(waiting.into_iter().flatten().copied());
            }
        }
    }

    /// Where the content of an arrival ends, as its pod read it; also of one that is settled.
    fn read_end(&mut self, key: &MessageKey) -> Option<&mut Option<u64>> {
        match self.arrivals.get_mut(key) {
            Some(arrival) => Some(&mut arrival.end),
            None => self.settled.end(key),
        }
    }
}
