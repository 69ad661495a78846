//! What the judge remembers: connections by their two ends, and messages by where they were seen.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Limits;
use crate::evidence::{End, RequestLine};
use crate::link::Link;
use crate::model::{BootNs, Class, ConnKey, ContainerRef, MessageKey, Reason, Side, Verdict};

#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub active: Option<Arc<End>>,
    pub passive: Option<Arc<End>>,
    closed: u8,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub instance: Arc<ContainerRef>,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub digest: u64,
    pub at: BootNs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It needs a payment that has not come yet.
    Pending,
    Settled,
    /// By number of the overdrawn class.
    Overdrawn(u32),
}

#[derive(Clone, Debug)]
pub struct Departure {
    pub instance: Arc<ContainerRef>,
    pub digest: u64,
    pub link: Link,
    pub unknown_creator: Option<Reason>,
    pub status: Status,
    /// Arrivals whose verdict depends on it.
    pub waiting: Vec<MessageKey>,
    pub at: BootNs,
}

#[derive(Clone, Debug)]
pub struct JudgedUnder {
    /// Index of the policy.
    pub policy: usize,
    pub verdict: Verdict,
    pub class: Class,
    pub is_final: bool,
    /// All that could have caused it is in this overdrawn class.
    pub overdrawn: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Arrival {
    pub at_pod: Arc<ContainerRef>,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub request: Arc<RequestLine>,
    pub digest: u64,
    pub at: BootNs,
    pub judged: Vec<JudgedUnder>,
}

#[derive(Debug)]
pub struct State {
    pub connections: FxHashMap<ConnKey, Connection>,
    pub entries: FxHashMap<MessageKey, Entry>,
    pub departures: FxHashMap<MessageKey, Departure>,
    pub arrivals: FxHashMap<MessageKey, Arrival>,
    /// Every node of the inventory is observed.
    pub covered: bool,
    pub evicted: u64,
    closed: VecDeque<ConnKey>,
    entry_order: VecDeque<MessageKey>,
    departure_order: VecDeque<MessageKey>,
    arrival_order: VecDeque<MessageKey>,
    overdrawn: FxHashMap<(String, u64), u32>,
    messages: usize,
    max_connections: usize,
}

impl State {
    pub fn new(limits: &Limits) -> Self {
        Self {
            connections: FxHashMap::default(),
            entries: FxHashMap::default(),
            departures: FxHashMap::default(),
            arrivals: FxHashMap::default(),
            covered: true,
            evicted: 0,
            closed: VecDeque::new(),
            entry_order: VecDeque::new(),
            departure_order: VecDeque::new(),
            arrival_order: VecDeque::new(),
            overdrawn: FxHashMap::default(),
            messages: limits.messages,
            max_connections: limits.connections,
        }
    }

    pub fn opened(&mut self, conn: ConnKey, side: Side, end: Arc<End>) {
        let connection = self.connections.entry(conn).or_default();
        match side {
            Side::Active => connection.active = Some(end),
            Side::Passive => connection.passive = Some(end),
        }
    }

    /// A closed connection is kept until the bound is reached: its messages may still be judged.
    pub fn closed(&mut self, conn: ConnKey, _side: Side) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.closed += 1;
        let ends = u8::from(connection.active.is_some()) + u8::from(connection.passive.is_some());
        if connection.closed >= ends {
            self.closed.push_back(conn);
        }
        while self.closed.len() > self.max_connections / 4 || self.connections.len() > self.max_connections {
            let Some(oldest) = self.closed.pop_front() else { break };
            self.connections.remove(&oldest);
        }
    }

    pub fn entered(&mut self, key: MessageKey, entry: Entry) {
        self.entry_order.push_back(key);
        self.entries.insert(key, entry);
        if self.entry_order.len() > self.messages
            && let Some(oldest) = self.entry_order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    pub fn departed(&mut self, key: MessageKey, departure: Departure) {
        self.departure_order.push_back(key);
        self.departures.insert(key, departure);
        if self.departure_order.len() > self.messages
            && let Some(oldest) = self.departure_order.pop_front()
        {
            self.departures.remove(&oldest);
        }
    }

    /// Returns what had to be forgotten for it, if that was not yet judged for good.
    pub fn arrived(&mut self, key: MessageKey, arrival: Arrival) -> Option<(MessageKey, Arrival)> {
        self.arrival_order.push_back(key);
        self.arrivals.insert(key, arrival);
        if self.arrival_order.len() <= self.messages {
            return None;
        }
        let oldest = self.arrival_order.pop_front()?;
        let forgotten = self.arrivals.remove(&oldest)?;
        let open = forgotten.judged.is_empty() || forgotten.judged.iter().any(|judged| !judged.is_final);
        if !open {
            return None;
        }
        self.evicted += 1;
        Some((oldest, forgotten))
    }

    /// A message that is missed may have been forgotten rather than never seen.
    pub fn may_have_forgotten(&self) -> bool {
        self.departure_order.len() >= self.messages || self.entry_order.len() >= self.messages
    }

    pub fn overdrawn_class(&mut self, instance: &str, class: u64) -> u32 {
        let next = self.overdrawn.len() as u32;
        *self.overdrawn.entry((instance.to_owned(), class)).or_insert(next)
    }
}
