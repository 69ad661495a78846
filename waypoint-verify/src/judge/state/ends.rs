//! Where a message with content ends, as the two ends of its connection saw it. With equal heads they can only differ where the
//! head does not say how long the content is, and then someone put octets between the two.

use super::State;
use crate::judge::connections::Dispute;
use crate::model::{MessageKey, Side};

impl State {
    pub fn ended(&mut self, key: MessageKey, side: Side, end: u64) {
        self.new.ended.push((key, side, end));
    }

    /// What was seen of the end of messages, at both ends of their connection.
    pub(super) fn compare_ends(&mut self, ended: Vec<(MessageKey, Side, u64)>, again: &mut Vec<MessageKey>) {
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
                    if let Some(arrival) = self.arrivals.get_mut(&key) {
                        arrival.end = Some(end);
                    } else if let Some(settled) = self.settled.end(&key) {
                        *settled = Some(end);
                    }
                }
            }
            let Some(departure) = self.departures.get(&key) else { continue };
            let entered = self.entries.get(&key).and_then(|entry| entry.end);
            let arrived = self.arrivals.get(&key).and_then(|arrival| arrival.end);
            let read = entered.or(arrived).or_else(|| *self.settled.end(&key)?);
            if departure.end.zip(read).is_some_and(|(written, read)| written != read) {
                self.connections.dispute(key.conn, Dispute::Messages);
                again.extend(departure.waiting.iter().copied());
            }
        }
    }
}
