//! What goes where there is more than the bound: what nothing waits for goes first.

use super::{Arrival, Departure, State, Status};
use crate::model::MessageKey;

/// Ticks after which what departed has arrived, and was judged, if it is not under way for long. Before that nothing waits for it,
/// also if it is paid for already.
const FRESH: u64 = 3;

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
        let tick = self.tick;
        let is_needed = |departure: &Departure| {
            departure.status == Status::Pending || departure.tick + FRESH >= tick || departure.waiting.iter().any(open)
        };
        // What entered from another hop is needed as long as that hop's departure; of the others no peer may have most.
        let departures = &self.departures;
        let share = self.peers.mean();
        let entries = self.entries.overflow(|key, entry| {
            let departed = departures.get(key);
            departed.map_or_else(|| self.peers.of(entry.peer.ip()) <= share, is_needed)
        });
        for (_, entry) in &entries {
            self.peers.charge(entry.peer.ip(), 1, 0);
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::sync::Arc;

    use super::*;
    use crate::judge::state::Entry;
    use crate::judge::{Explain, Limits};
    use crate::model::{ConnKey, ContainerRef, PodRef};

    fn enter(state: &mut State, n: u32, peer: u8) {
        let pod = PodRef { namespace: "ns".into(), name: "envoy".into(), uid: "uid".into() };
        let instance = ContainerRef { node: "node".into(), pod, name: "envoy".into(), id: "id".into() };
        let (local, peer) = (SocketAddr::from(([10, 96, 0, 1], 80)), SocketAddr::from(([10, 0, 0, peer], 4000)));
        let key = MessageKey { conn: ConnKey { client_isn: n, server_isn: 0 }, offset: 0, stream: 0 };
        let instance = Arc::new(instance);
        state.entered(key, Entry { instance, local, peer, digest: 5, at: 1, end: None, tick: 0 });
    }

    /// Of entries that nobody before the proxy sent, those of whoever has most of them go.
    #[test]
    fn a_client_with_many_entries_takes_no_place_from_one_with_few() {
        let mut state = State::new(&Limits { messages: 8, connections: 8, explain: Explain::Nothing });
        (0..2).for_each(|n| enter(&mut state, n, 1));
        for n in 2..100 {
            enter(&mut state, n, 2);
            enter(&mut state, n, 2);
            state.forget();
            let [few, many] = [1, 2].map(|last| state.peers.of(IpAddr::from([10, 0, 0, last])));
            assert_eq!((few, many), (2, (n as usize - 1).min(6)), "{n}");
        }
    }
}
