//! A linker, driven as a drain of the ring buffer would: every message is a record, and time goes on with them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Request, hasher};
use crate::link::{DepartureIn, EntryIn, Limits, Link, LinkEvent, Linker};
use crate::model::{BootNs, ConnKey, Guards, MessageKey, Reason};

#[derive(Debug)]
pub struct Scene {
    pub linker: Linker,
    pub order: u64,
    pub ns: BootNs,
    pub events: Vec<LinkEvent>,
    next: u32,
}

pub const MS: BootNs = 1_000_000;

impl Scene {
    pub fn of(guards: &Guards) -> Self {
        Self::limited(guards, Limits::default())
    }

    pub fn limited(guards: &Guards, limits: Limits) -> Self {
        Self { linker: Linker::new(guards, hasher(), limits), order: 100, ns: 1_000 * MS, events: Vec::new(), next: 0 }
    }

    fn record(&mut self) -> u64 {
        self.order += 1;
        self.ns += 1_000;
        self.order
    }

    pub fn key(&mut self) -> MessageKey {
        self.next += 1;
        MessageKey { conn: ConnKey { client_isn: self.next, server_isn: !self.next }, offset: 0, stream: 0 }
    }

    /// A request that entered on a connection of its own, and was acknowledged.
    pub fn enters(&mut self, request: &Request, peer: &str) -> MessageKey {
        let key = self.enters_unacknowledged(request, peer);
        self.linker.acknowledged(key);
        key
    }

    pub fn enters_unacknowledged(&mut self, request: &Request, peer: &str) -> MessageKey {
        let key = self.key();
        self.enters_as(key, request, peer.parse().expect("address"));
        key
    }

    pub fn enters_as(&mut self, key: MessageKey, request: &Request, peer: IpAddr) {
        let complete_at = self.record();
        self.linker.enter(EntryIn { key, facts: request.facts(), peer, complete_at });
    }

    pub fn departs(&mut self, request: &Request) -> (MessageKey, Link) {
        let started_at = self.record();
        self.departs_late(request, started_at)
    }

    /// Told now, though its first octet was an earlier record.
    pub fn departs_late(&mut self, request: &Request, started_at: u64) -> (MessageKey, Link) {
        self.departs_by(request, started_at, false)
    }

    pub fn departs_by(&mut self, request: &Request, started_at: u64, foreign_process: bool) -> (MessageKey, Link) {
        let key = self.key();
        let (head, facts) = (request.head(), request.facts());
        let departure = DepartureIn { key, facts, head: &head, started_at, started_ns: self.ns, foreign_process };
        (key, self.linker.depart(&departure))
    }

    pub fn answered(&mut self, key: MessageKey) {
        self.record();
        self.linker.answered(key, self.ns);
    }

    pub fn closed(&mut self, key: MessageKey) {
        self.record();
        self.linker.closed(key.conn, self.ns);
    }

    pub fn wild(&mut self, peer: &str, reason: Reason) -> ConnKey {
        let conn = self.key().conn;
        let since = self.record();
        self.linker.wild(conn, peer.parse().expect("address"), since, reason);
        conn
    }

    pub fn passes(&mut self, ms: u64) {
        self.ns += ms * MS;
        self.linker.advance(self.order, self.ns, &mut self.events);
    }

    pub fn settled(&self) -> BTreeSet<MessageKey> {
        let keys = self.events.iter().filter_map(|event| match event {
            LinkEvent::Settled(keys) => Some(keys.to_vec()),
            LinkEvent::Overdrawn { .. } => None,
        });
        keys.flatten().filter(|key| !self.overdrawn().contains(key)).collect()
    }

    /// What is overdrawn, unpaid or by sharing.
    pub fn overdrawn(&self) -> BTreeSet<MessageKey> {
        let keys = self.events.iter().filter_map(|event| match event {
            LinkEvent::Settled(_) => None,
            LinkEvent::Overdrawn { unpaid, shared, .. } => {
                Some(unpaid.iter().chain(shared.iter().flatten()).copied().collect::<Vec<_>>())
            }
        });
        keys.flatten().collect()
    }

    pub fn unpaid(&self) -> usize {
        self.events
            .iter()
            .map(|event| if let LinkEvent::Overdrawn { unpaid, .. } = event { unpaid.len() } else { 0 })
            .sum()
    }
}
