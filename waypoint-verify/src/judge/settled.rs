//! What is left of arrivals that nothing can change any more: enough to know one when it is told again.
//!
//! The rest is freed as soon as it is judged, so that its memory is at hand for the next one.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::{FxHashMap, FxHasher};

use super::state::Arrival;
use crate::model::MessageKey;

#[derive(Debug)]
pub struct Settled {
    /// The newest, and those before: half of the bound each. To let the oldest go one by one would be a walk through cold
    /// memory for each.
    by_key: [FxHashMap<MessageKey, Rest>; 2],
    bound: usize,
}

#[derive(Debug)]
struct Rest {
    print: u64,
    end: Option<u64>,
}

impl Settled {
    pub fn new(bound: usize) -> Self {
        Self { by_key: Default::default(), bound }
    }

    pub fn insert(&mut self, key: MessageKey, arrival: &Arrival) {
        if self.by_key[0].len() >= self.bound / 2 {
            self.by_key.swap(0, 1);
            self.by_key[0].clear();
        }
        self.by_key[0].insert(key, Rest { print: print(arrival), end: arrival.end });
    }

    /// Whether it was the same that was settled at this key; `None`: nothing was.
    pub fn is_same(&self, key: &MessageKey, arrival: &Arrival) -> Option<bool> {
        let rest = self.by_key.iter().find_map(|of| of.get(key))?;
        Some(rest.print == print(arrival))
    }

    /// Where its content ended, if that was seen.
    pub fn end(&mut self, key: &MessageKey) -> Option<&mut Option<u64>> {
        self.by_key.iter_mut().find_map(|of| of.get_mut(key)).map(|rest| &mut rest.end)
    }
}

/// Of what [`Arrival::same`] compares. Without a key: agents testify it, and what a client can choose of it is a keyed digest.
fn print(arrival: &Arrival) -> u64 {
    let mut hasher = FxHasher::default();
    (&arrival.at_pod.id, arrival.local, arrival.peer, arrival.digest, arrival.at).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::*;
    use crate::evidence::RequestLine;
    use crate::judge::state::{JudgedUnderAll, Progress};
    use crate::model::{ConnKey, ContainerRef, PodRef};

    fn key(n: u32) -> MessageKey {
        MessageKey { conn: ConnKey { client_isn: n, server_isn: 0 }, offset: 0, stream: 0 }
    }

    fn arrival(id: &str, port: u16, digest: u64, at: u64) -> Arrival {
        let pod = PodRef { namespace: "ns".into(), name: "hello".into(), uid: "uid".into() };
        Arrival {
            at_pod: Arc::new(ContainerRef { node: "node".into(), pod, name: "hello".into(), id: id.into() }),
            local: SocketAddr::from(([10, 0, 0, 1], 80)),
            peer: SocketAddr::from(([10, 0, 0, 2], port)),
            request: Arc::new(RequestLine::default()),
            digest,
            at,
            progress: Progress::default(),
            end: Some(9),
            pending: 0,
            judged: JudgedUnderAll::new(),
        }
    }

    #[test]
    fn what_was_settled_is_known_and_told_from_anything_else() {
        let mut settled = Settled::new(4);
        settled.insert(key(1), &arrival("id", 4000, 5, 6));
        assert_eq!(settled.is_same(&key(2), &arrival("id", 4000, 5, 6)), None);
        assert_eq!(settled.is_same(&key(1), &arrival("id", 4000, 5, 6)), Some(true));
        for other in
            [arrival("di", 4000, 5, 6), arrival("id", 4001, 5, 6), arrival("id", 4000, 6, 6), arrival("id", 4000, 5, 5)]
        {
            assert_eq!(settled.is_same(&key(1), &other), Some(false), "{other:?}");
        }
        assert_eq!(settled.end(&key(1)), Some(&mut Some(9)));
        assert_eq!(settled.end(&key(2)), None);
    }

    #[test]
    fn the_older_half_gives_way() {
        let mut settled = Settled::new(4);
        for n in 0..9 {
            settled.insert(key(n), &arrival("id", 4000, 5, 6));
        }
        let known: Vec<u32> = (0..9).filter(|n| settled.end(&key(*n)).is_some()).collect();
        assert_eq!(known, [6, 7, 8]);
    }
}
