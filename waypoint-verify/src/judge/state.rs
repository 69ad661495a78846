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
    /// Since the last tick.
    early: Vec<(MessageKey, Status)>,
    early_links: Vec<(MessageKey, Link)>,
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
            early: Vec::new(),
            early_links: Vec::new(),
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

    /// The departure is paid for; returns the arrivals that waited for it.
    pub fn settle(&mut self, key: MessageKey) -> Vec<MessageKey> {
        let Some(departure) = self.departures.get_mut(&key) else {
            self.early.push((key, Status::Settled));
            return Vec::new();
        };
        if departure.status == Status::Pending {
            departure.status = Status::Settled;
        }
        departure.waiting.clone()
    }

    /// The departures belong to an overdrawn class; returns its number and the arrivals that rely on them.
    pub fn overdraw(
        &mut self,
        instance: &str,
        class: u64,
        keys: impl Iterator<Item = MessageKey>,
    ) -> (u32, Vec<MessageKey>) {
        let next = u32::try_from(self.overdrawn.len()).unwrap_or(u32::MAX);
        let class = *self.overdrawn.entry((instance.to_owned(), class)).or_insert(next);
        let mut again = Vec::new();
        for key in keys {
            match self.departures.get_mut(&key) {
                Some(departure) => {
                    departure.status = Status::Overdrawn(class);
                    again.extend(departure.waiting.iter().copied());
                }
                None => self.early.push((key, Status::Overdrawn(class))),
            }
        }
        (class, again)
    }

    /// Evidence about departures that came before the departures themselves.
    pub fn apply_early(&mut self) {
        for (key, status) in std::mem::take(&mut self.early) {
            if let Some(departure) = self.departures.get_mut(&key) {
                match (departure.status, status) {
                    (Status::Overdrawn(_), Status::Settled) => {}
                    (_, status) => departure.status = status,
                }
            }
        }
        for (key, link) in std::mem::take(&mut self.early_links) {
            self.narrow(key, link);
        }
        self.early_links.clear();
    }

    pub fn narrow(&mut self, key: MessageKey, link: Link) {
        match self.departures.get_mut(&key) {
            Some(departure) => departure.link = link,
            None => self.early_links.push((key, link)),
        }
    }

    /// The verdict of `arrival` rests on these departures.
    pub fn wait_for(&mut self, departures: &[MessageKey], arrival: MessageKey) {
        for key in departures {
            if let Some(departure) = self.departures.get_mut(key)
                && !departure.waiting.contains(&arrival)
            {
                departure.waiting.push(arrival);
            }
        }
    }
}
