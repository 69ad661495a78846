//! The two ends of each connection, and what the absence of one may mean.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::evidence::End;
use crate::fair::Fair;
use crate::model::{BootNs, ConnKey, Owner, Reason, Side};

/// How long after a loss an accepted socket may still be one whose dialling end was lost (the rest of a handshake).
const HANDSHAKE: BootNs = 1_000_000_000;

/// Who decides how many connections there are: who dialled, or its address where it is not seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Dialler {
    Owner(Owner),
    Address(IpAddr),
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub active: Option<Arc<End>>,
    pub passive: Option<Arc<End>>,
    /// Two connections have this key: whoever can send packets of his own making can choose it so.
    pub disputed: Option<Dispute>,
    closed: (bool, bool),
    dialler: Dialler,
    /// Its place among those that are open, or closed.
    order: u64,
    over: bool,
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
    open: Fair<Dialler, ConnKey>,
    closed: Fair<Dialler, ConnKey>,
    order: u64,
    bound: usize,
    /// Openings were lost since the last tick.
    pub lost: bool,
    /// When observation began: the first tick.
    began: Option<BootNs>,
    /// An accepted socket that was opened before this may have been dialled by one whose opening was lost.
    lost_until: Option<BootNs>,
}

impl Connections {
    pub fn new(bound: usize) -> Self {
        Self {
            by_key: FxHashMap::default(),
            open: Fair::default(),
            closed: Fair::default(),
            order: 0,
            bound,
            lost: false,
            began: None,
            lost_until: None,
        }
    }

    pub fn get(&self, conn: ConnKey) -> Option<&Connection> {
        self.by_key.get(&conn)
    }

    pub fn opened(&mut self, conn: ConnKey, side: Side, end: Arc<End>) {
        let dialler = match side {
            Side::Active => Dialler::Owner(end.owner.clone()),
            Side::Passive => Dialler::Address(end.remote.ip().to_canonical()),
        };
        let Some(connection) = self.by_key.get_mut(&conn) else {
            self.order += 1;
            self.open.insert(dialler.clone(), self.order, conn);
            self.by_key.insert(conn, Connection::new(dialler, self.order, side, end));
            return;
        };
        let known = match side {
            Side::Active => &mut connection.active,
            Side::Passive => &mut connection.passive,
        };
        match known {
            Some(known) if *known != end => connection.disputed = Some(Dispute::Ends),
            Some(_) => {}
            None => {
                *known = Some(end);
                if side == Side::Active {
                    let queue = if connection.over { &mut self.closed } else { &mut self.open };
                    queue.remove(&connection.dialler, connection.order);
                    queue.insert(dialler.clone(), connection.order, conn);
                    connection.dialler = dialler;
                }
            }
        }
    }

    /// As [`Self::opened`], told again: of what is known only what cannot be forgotten has to be the same.
    pub fn open(&mut self, conn: ConnKey, side: Side, end: Arc<End>) {
        match self.by_key.get(&conn).and_then(|connection| connection.end(side)) {
            None => self.opened(conn, side, end),
            Some(known) if (&known.owner, known.local, known.remote) == (&end.owner, end.local, end.remote) => {}
            Some(_) => self.dispute(conn, Dispute::Ends),
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
        if over && !connection.over {
            connection.over = true;
            self.open.remove(&connection.dialler, connection.order);
            self.order += 1;
            connection.order = self.order;
            self.closed.insert(connection.dialler.clone(), self.order, conn);
        }
    }

    /// What was opened before this may have gone unseen.
    pub fn observed_since(&mut self, at: BootNs) {
        self.began = self.began.max(Some(at));
    }

    pub fn tick(&mut self, at: BootNs) {
        self.began.get_or_insert(at);
        if std::mem::take(&mut self.lost) {
            self.lost_until = Some(at + HANDSHAKE);
        }
    }

    /// Keeps the bound: closed ones go first, then open ones, of whoever dialled most.
    pub fn forget(&mut self) {
        while self.closed.len() > self.bound / 4 || (self.by_key.len() > self.bound && !self.closed.is_empty()) {
            let Some(oldest) = self.closed.pop() else { break };
            self.by_key.remove(&oldest);
        }
        while self.by_key.len() > self.bound {
            let forgotten = self.open.pop().and_then(|oldest| self.by_key.remove(&oldest));
            let Some(Connection { active, passive, .. }) = forgotten else { break };
            // Its other end may be told just now, as that of a connection that nobody dialled.
            if let (Some(active), None) = (active, passive) {
                self.lost_until = self.lost_until.max(Some(active.at + HANDSHAKE));
            }
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
    fn new(dialler: Dialler, order: u64, side: Side, end: Arc<End>) -> Self {
        let (active, passive) = match side {
            Side::Active => (Some(end), None),
            Side::Passive => (None, Some(end)),
        };
        Self { active, passive, disputed: None, closed: (false, false), dialler, order, over: false }
    }

    pub fn end(&self, side: Side) -> Option<&End> {
        match side {
            Side::Active => self.active.as_deref(),
            Side::Passive => self.passive.as_deref(),
        }
    }

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
