//! The two ends of each connection, and what the absence of one may mean.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::evidence::End;
use crate::model::{BootNs, ConnKey, Reason, Side};

/// How long after a loss an accepted socket may still be one whose dialling end was lost (the rest of a handshake).
const HANDSHAKE: BootNs = 1_000_000_000;

#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub active: Option<Arc<End>>,
    pub passive: Option<Arc<End>>,
    /// Two connections have this key: whoever can send packets of his own making can choose it so.
    pub disputed: Option<Dispute>,
    closed: (bool, bool),
    queued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispute {
    /// Two sockets are the same end of it.
    Ends,
    /// Two messages are at the same place of it.
    Messages,
}

#[derive(Debug)]
pub struct Connections {
    by_key: FxHashMap<ConnKey, Connection>,
    /// In the order of their openings, and those that are closed.
    order: VecDeque<ConnKey>,
    closed: VecDeque<ConnKey>,
    bound: usize,
    /// Openings were lost since the last tick.
    pub lost: bool,
    /// When observation began: the first tick.
    began: Option<BootNs>,
    /// An accepted socket that was opened before this may have been dialled by one whose opening was lost.
    lost_until: Option<BootNs>,
    last_tick: BootNs,
}

impl Connections {
    pub fn new(bound: usize) -> Self {
        Self {
            by_key: FxHashMap::default(),
            order: VecDeque::new(),
            closed: VecDeque::new(),
            bound,
            lost: false,
            began: None,
            lost_until: None,
            last_tick: 0,
        }
    }

    pub fn get(&self, conn: ConnKey) -> Option<&Connection> {
        self.by_key.get(&conn)
    }

    pub fn opened(&mut self, conn: ConnKey, side: Side, end: Arc<End>) {
        let order = &mut self.order;
        let connection = self.by_key.entry(conn).or_insert_with(|| {
            order.push_back(conn);
            Connection::default()
        });
        let known = match side {
            Side::Active => &mut connection.active,
            Side::Passive => &mut connection.passive,
        };
        match known {
            Some(known) if *known != end => connection.disputed = Some(Dispute::Ends),
            Some(_) => {}
            None => *known = Some(end),
        }
    }

    pub fn dispute(&mut self, conn: ConnKey, why: Dispute) {
        if let Some(connection) = self.by_key.get_mut(&conn) {
            connection.disputed.get_or_insert(why);
        }
    }

    /// A closed connection is kept for a while: its messages may still be judged.
    pub fn closed(&mut self, conn: ConnKey, side: Side) {
        let Some(connection) = self.by_key.get_mut(&conn) else { return };
        match side {
            Side::Active => connection.closed.0 = true,
            Side::Passive => connection.closed.1 = true,
        }
        let open = |end: &Option<Arc<End>>, closed: bool| end.is_some() && !closed;
        let over = !open(&connection.active, connection.closed.0) && !open(&connection.passive, connection.closed.1);
        if over && !connection.queued {
            connection.queued = true;
            self.closed.push_back(conn);
        }
    }

    pub fn tick(&mut self, at: BootNs) {
        self.began.get_or_insert(at);
        self.last_tick = at;
        if std::mem::take(&mut self.lost) {
            self.lost_until = Some(at + HANDSHAKE);
        }
    }

    /// Keeps the bound: closed ones go first, then the oldest.
    pub fn forget(&mut self) {
        while self.closed.len() > self.bound / 4 || (self.by_key.len() > self.bound && !self.closed.is_empty()) {
            let Some(oldest) = self.closed.pop_front() else { break };
            self.by_key.remove(&oldest);
        }
        while self.by_key.len() > self.bound {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.by_key.remove(&oldest).is_some() {
                // The other end of it may open just now.
                self.lost_until = Some(self.last_tick + HANDSHAKE);
            }
        }
        if self.order.len() > 2 * self.bound {
            self.order.retain(|conn| self.by_key.contains_key(conn));
        }
    }

    /// Why the end that dialled may be missing although there is one that should have been seen.
    pub fn excuse(&self, conn: ConnKey) -> Option<Reason> {
        // Whoever accepted was seen before anything came over it, so the connection was forgotten.
        let Some(connection) = self.by_key.get(&conn) else { return Some(Reason::Evicted) };
        let Some(passive) = &connection.passive else { return Some(Reason::NotCovered) };
        if self.lost_until.is_some_and(|until| passive.at <= until) {
            return Some(Reason::Lost);
        }
        self.began.is_none_or(|began| passive.at <= began).then_some(Reason::PredatesAgent)
    }
}

impl Connection {
    /// Whether the two ends can be of one connection, as far as addresses tell: nobody translates the address of a pod
    /// that was dialled. (A man in the middle can make two connections whose sequence numbers are equal.)
    pub fn contradicts_itself(&self, pods: impl Fn(IpAddr) -> bool) -> bool {
        let (Some(active), Some(passive)) = (&self.active, &self.passive) else { return false };
        let plain = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        pods(active.remote.ip().to_canonical()) && plain(active.remote) != plain(passive.local)
    }
}

#[cfg(test)]
mod tests;
