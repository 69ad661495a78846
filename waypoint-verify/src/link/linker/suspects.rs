//! Streams that could not be parsed, and entries that were forgotten: candidates for everything that time and peer allow.

use std::net::IpAddr;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::link::class::Order;
use crate::model::{BootNs, ConnKey, MessageKey, Reason};

#[derive(Clone, Debug)]
struct Suspect {
    /// `None`: its peer does not show in `x-forwarded-for`.
    peer: Option<IpAddr>,
    since: Order,
    until: Option<BootNs>,
    reason: Reason,
}

#[derive(Debug, Default)]
pub struct Suspects {
    of: FxHashMap<MessageKey, Suspect>,
    by_peer: FxHashMap<Option<IpAddr>, SmallVec<[MessageKey; 2]>>,
    /// Those that are not streams, by connection.
    forgotten: FxHashMap<ConnKey, SmallVec<[MessageKey; 1]>>,
    /// Too many to be kept one by one: while any of a peer's is open, all that this peer may have caused is affected.
    crowd: FxHashMap<ConnKey, Option<IpAddr>>,
    crowds: FxHashMap<Option<IpAddr>, Crowd>,
    /// Too many even for that; nothing can be said any more.
    lost_count: bool,
}

/// Those of one peer that are kept by name only.
#[derive(Debug)]
struct Crowd {
    open: usize,
    since: Order,
    /// When the last one that was closed is over.
    until: Option<BootNs>,
}

/// How many connections beyond the bound are kept by name only.
const CROWD: usize = 1 << 18;

fn stream(conn: ConnKey) -> MessageKey {
    MessageKey { conn, offset: u64::MAX, stream: u32::MAX }
}

impl Suspects {
    /// `peer`: `None` where it does not show in `x-forwarded-for`.
    pub fn stream(&mut self, bound: usize, conn: ConnKey, peer: Option<IpAddr>, since: Order, reason: Reason) {
        self.add(bound, stream(conn), Suspect { peer, since, until: None, reason });
    }

    /// An entry that is no longer remembered; its exchange may be over at `until`.
    pub fn entry(&mut self, bound: usize, key: MessageKey, peer: Option<IpAddr>, since: Order, until: Option<BootNs>) {
        self.forgotten.entry(key.conn).or_default().push(key);
        self.add(bound, key, Suspect { peer, since, until, reason: Reason::Evicted });
    }

    /// A tunnel: what departs because of it carries whatever its sender wrote.
    pub fn tunnel(&mut self, bound: usize, conn: ConnKey, since: Order) {
        self.remove(stream(conn));
        self.stream(bound, conn, None, since, Reason::Opaque);
    }

    fn add(&mut self, bound: usize, key: MessageKey, suspect: Suspect) {
        if let Some(known) = self.of.get_mut(&key) {
            known.since = known.since.min(suspect.since);
        } else if self.of.len() < bound {
            self.by_peer.entry(suspect.peer).or_default().push(key);
            self.of.insert(key, suspect);
        } else if let Some(peer) = self.crowd.get(&key.conn) {
            if let Some(crowd) = self.crowds.get_mut(peer) {
                crowd.since = crowd.since.min(suspect.since);
            }
        } else if self.crowd.len() < CROWD {
            self.crowd.insert(key.conn, suspect.peer);
            let fresh = Crowd { open: 0, since: suspect.since, until: None };
            let crowd = self.crowds.entry(suspect.peer).or_insert(fresh);
            crowd.open += 1;
            crowd.since = crowd.since.min(suspect.since);
        } else {
            self.lost_count = true;
        }
    }

    /// The exchange of an entry that may have been forgotten is over.
    pub fn answered(&mut self, key: MessageKey, deadline: BootNs) {
        if self.forgotten.is_empty() {
            return;
        }
        if let Some(suspect) = self.of.get_mut(&key) {
            suspect.until = Some(suspect.until.map_or(deadline, |until| until.min(deadline)));
        }
    }

    pub fn closed(&mut self, conn: ConnKey, deadline: BootNs) {
        let forgotten = self.forgotten.get(&conn).into_iter().flatten().copied();
        for key in forgotten.chain([stream(conn)]) {
            if let Some(suspect) = self.of.get_mut(&key) {
                suspect.until = Some(suspect.until.map_or(deadline, |until| until.min(deadline)));
            }
        }
        self.leave(conn, Some(deadline));
    }

    /// A connection that was kept by name only counts no more after that, or never did.
    fn leave(&mut self, conn: ConnKey, after: Option<BootNs>) {
        let Some(peer) = self.crowd.remove(&conn) else { return };
        let Some(crowd) = self.crowds.get_mut(&peer) else { return };
        crowd.open -= 1;
        crowd.until = crowd.until.max(after);
        if crowd.open == 0 && crowd.until.is_none() {
            self.crowds.remove(&peer);
        }
    }

    /// The stream was proven complete after all.
    pub fn tame(&mut self, conn: ConnKey) {
        self.remove(stream(conn));
        if !self.forgotten.contains_key(&conn) {
            self.leave(conn, None);
        }
    }

    fn remove(&mut self, key: MessageKey) {
        let Some(suspect) = self.of.remove(&key) else { return };
        if let Some(keys) = self.by_peer.get_mut(&suspect.peer) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_peer.remove(&suspect.peer);
            }
        }
    }

    /// Forgets what was over before `ns`.
    pub fn advance(&mut self, ns: BootNs) {
        if self.of.is_empty() && self.forgotten.is_empty() && self.crowds.is_empty() {
            return;
        }
        self.crowds.retain(|_, crowd| crowd.open > 0 || crowd.until.is_some_and(|until| until >= ns));
        let over: Vec<MessageKey> =
            self.of.iter().filter(|(_, s)| s.until.is_some_and(|until| until < ns)).map(|(key, _)| *key).collect();
        for key in over {
            self.remove(key);
        }
        let (of, crowd) = (&self.of, &self.crowd);
        self.forgotten.retain(|conn, keys| {
            keys.retain(|key| of.contains_key(key));
            !keys.is_empty() || crowd.contains_key(conn)
        });
    }

    fn crowded(&self, at: Order, ns: BootNs, peer: Option<Option<IpAddr>>) -> bool {
        let counts =
            |crowd: &Crowd| crowd.since < at && (crowd.open > 0 || crowd.until.is_some_and(|until| ns <= until));
        match peer {
            _ if self.crowds.is_empty() => false,
            None => self.crowds.values().any(counts),
            Some(peer) => [peer, None].iter().any(|peer| self.crowds.get(peer).is_some_and(counts)),
        }
    }

    /// Why something that cannot be named may have caused a departure; `peer`: whose it must be, if that is known.
    pub fn reason(&self, at: Order, ns: BootNs, peer: Option<Option<IpAddr>>) -> Option<Reason> {
        if self.lost_count || self.crowded(at, ns, peer) {
            return Some(Reason::Bound);
        }
        if self.of.is_empty() {
            return None;
        }
        let open = |suspect: &&Suspect| suspect.since < at && suspect.until.is_none_or(|until| ns <= until);
        let Some(peer) = peer else {
            return self.of.values().filter(open).map(|suspect| suspect.reason).min();
        };
        let of_peer = |peer: &Option<IpAddr>| self.by_peer.get(peer).into_iter().flatten();
        let hidden = of_peer(&None).filter(|_| peer.is_some());
        of_peer(&peer).chain(hidden).filter_map(|key| self.of.get(key)).filter(open).map(|suspect| suspect.reason).min()
    }
}

#[cfg(test)]
mod tests;
