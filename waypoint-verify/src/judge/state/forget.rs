//! What goes where there is more than the bound: what nothing waits for goes first.

use super::{Arrival, Departure, State, Status};
use crate::model::MessageKey;

/// What had to be forgotten.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Arrivals that were not judged for good.
    pub arrivals: Vec<(MessageKey, Arrival)>,
    /// Arrivals whose verdict rests on something that was.
    pub bereft: Vec<MessageKey>,
}

impl State {
    /// Keeps the bounds; only after everything that is due was judged. What something still waits for goes last: so many
    /// short requests of one client do not take away a long one of another's.
    pub fn forget(&mut self) -> Forgotten {
        let mut forgotten = Forgotten::default();
        let arrivals = &self.arrivals;
        let open = |key: &MessageKey| arrivals.get(key).is_some_and(Arrival::is_open);
        let is_needed =
            |departure: &Departure| departure.status == Status::Pending || departure.waiting.iter().any(open);
        // What entered from another hop is needed as long as that hop's departure; of the others no peer may have most.
        let departures = &self.departures;
        let share = self.peers.share();
        let entries = self.entries.overflow(|key, entry| {
            let departed = departures.get(key);
            departed.map_or_else(|| self.peers.of(entry.peer.ip()) <= share, is_needed)
        });
        for (_, entry) in &entries {
            self.peers.remove(entry.peer.ip());
        }
        for (_, departure) in self.departures.overflow(|_, departure| is_needed(departure)) {
            self.forgot = true;
            // What is certain stays so: it would be taken back for nothing but the judge's own memory.
            forgotten.bereft.extend(departure.waiting.into_iter().filter(open));
        }
        self.forgot |= !entries.is_empty();
        for (key, arrival) in self.arrivals.overflow(|_, arrival| arrival.is_open()) {
            if arrival.is_open() {
                self.evicted += 1;
                forgotten.arrivals.push((key, arrival));
            }
        }
        self.connections.forget();
        forgotten
    }
}
