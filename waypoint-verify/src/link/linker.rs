//! The state of one proxy instance: its live entries, and the link of each departure.
//!
//! Only *exact* departures are counted: those that are held to every constraint of the plan. What a route could have
//! produced is held to less; routes make departures of requests that entered, one of each, so nothing can be
//! made up there that a count would show. Nor is one counted that an unparsed stream may have caused, or that may be a
//! mirrored copy: these have causes beyond counting, and the link says so.

mod attempts;
mod bodies;
mod clock;
mod entries;
mod mirrors;
mod payments;
mod purse;
mod search;
mod suspects;
mod told;

use std::net::IpAddr;

use smallvec::SmallVec;

use super::class::{Debt, Order};
use super::compare::Keys;
use super::guard::{Constraints, Plan};
use super::hasher::Hasher;
use crate::model::{BootNs, ConnKey, Guards, MessageKey, Reason};
use entries::{Entries, Entry};
pub use told::{DepartureIn, EntryIn, Limits, Link, LinkEvent};

#[derive(Debug)]
pub struct Linker {
    plan: Plan,
    hasher: Hasher,
    limits: Limits,
    entries: Entries,
    payments: payments::Payments,
    suspects: suspects::Suspects,
    late: mirrors::Late,
    bodies: bodies::Bodies,
    clock: clock::Clock,
    pub evicted: u64,
}

impl Linker {
    pub fn new(guards: &Guards, hasher: Hasher, limits: Limits) -> Self {
        Self {
            plan: Plan::new(guards, &hasher),
            hasher,
            limits,
            entries: Entries::default(),
            payments: payments::Payments::default(),
            suspects: suspects::Suspects::default(),
            late: mirrors::Late::default(),
            bodies: bodies::Bodies::default(),
            clock: clock::Clock::default(),
            evicted: 0,
        }
    }

    pub fn live(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is open, and nothing is remembered that grows with traffic.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0 && self.payments.is_empty()
    }

    pub fn enter(&mut self, entry: EntryIn) {
        if self.entries.contains(entry.key) {
            // Of another connection with the same numbers, unless it is told twice.
            return self.wild(entry.key.conn, entry.peer, 0, Reason::Conflict);
        }
        let irregular = self.plan.irregular(&entry.facts, entry.peer);
        self.make_room(false, self.limits.live_entries);
        if irregular {
            self.make_room(true, self.limits.irregular_entries);
            self.payments.purse.entered(entry.key);
        }
        let class = self.plan.entry_key(&entry.facts, entry.peer, &self.hasher);
        self.entries.insert(Entry::new(entry, class, irregular));
    }

    /// Who has most of them gives way: several at once, because it takes a look at all to find them.
    fn make_room(&mut self, irregular: bool, bound: usize) {
        let many = |entries: &Entries| if irregular { entries.irregular_len() } else { entries.len() };
        if many(&self.entries) < bound {
            return;
        }
        // Those that are over pay before one that is open does: else it would pay for what only they can pay for, and be
        // missed where only it can.
        self.end_before(self.clock.now());
        if many(&self.entries) < bound {
            return;
        }
        for key in self.entries.surplus(irregular, (bound / 64).max(1)) {
            self.evict(key);
        }
    }

    /// A departure that began before still finds it paid for; what departs later may have been caused by it, uncounted.
    fn evict(&mut self, key: MessageKey) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.evicted += 1;
        self.pay(&entry);
        let peer = self.shown_peer(entry.peer);
        self.suspects.entry(self.limits.wild, key, peer, entry.complete_at, entry.deadline);
    }

    fn pay(&mut self, entry: &Entry) {
        let irregular = self.entries.oldest_irregular().map(|entry| entry.complete_at);
        self.payments.entry_over(entry, self.entries.earliest_of_class(entry.class), irregular);
    }

    /// The receiver took the whole head: by an ACK, or by the kernel's `bytes_received` when it was closed. Only such an
    /// entry can pay.
    pub fn acknowledged(&mut self, key: MessageKey) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.acknowledged = true;
        if entry.irregular {
            self.payments.purse.acknowledged(key);
        }
    }

    /// Its response was seen to end.
    pub fn answered(&mut self, key: MessageKey, ns: BootNs) {
        let deadline = ns + self.limits.answered_slack;
        self.entries.over(key, deadline, true);
        self.suspects.answered(key, deadline);
    }

    /// Its sender gave it up alone (HTTP/2 RST_STREAM), and the receiver knows: as when a connection closes.
    pub fn reset(&mut self, key: MessageKey, ns: BootNs) {
        let deadline = ns + self.limits.closed_slack;
        self.entries.over(key, deadline, false);
        self.suspects.answered(key, deadline);
    }

    pub fn closed(&mut self, conn: ConnKey, ns: BootNs) {
        let deadline = ns + self.limits.closed_slack;
        for key in self.entries.of_connection(conn) {
            self.entries.over(key, deadline, false);
        }
        self.suspects.closed(conn, deadline);
    }

    /// A stream that cannot be parsed from `since` on is a candidate for everything that time and peer allow.
    pub fn wild(&mut self, conn: ConnKey, peer: IpAddr, since: Order, reason: Reason) {
        self.suspects.stream(self.limits.wild, conn, self.shown_peer(peer), since, reason);
    }

    /// The proxy opened a tunnel for this connection (2xx to CONNECT): from then on what departs may be its client's own
    /// octets, which no constraint of requests holds for.
    pub fn tunnel(&mut self, conn: ConnKey, since: Order) {
        self.suspects.tunnel(self.limits.wild, conn, since);
    }

    /// The stream was proven complete after all.
    pub fn tame(&mut self, conn: ConnKey) {
        self.suspects.tame(conn);
    }

    /// The peer as it shows in `x-forwarded-for`.
    fn shown_peer(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        (!self.plan.hides_loopback() || !peer.is_loopback()).then_some(peer)
    }

    pub fn depart(&mut self, departure: &DepartureIn<'_>) -> Link {
        let used = self.plan.for_departure(departure.head, &departure.facts);
        let mut link = Link {
            candidates: SmallVec::new(),
            more: false,
            wild: None,
            mirror: false,
            foreign_process: departure.foreign_process,
            counted: false,
            used,
        };
        if departure.foreign_process {
            return link;
        }
        let began = self.clock.began(departure.started_at, departure.started_ns);
        let exact = used == self.plan.general;
        let keys = self.plan.departure_keys(&departure.facts, &self.hasher);
        let payers = self.name_regular(departure, began, exact.then_some(&keys), &mut link);
        let irregular = self.name_irregular(departure, began, &mut link);
        link.wild = self.suspect(departure, began, used);
        let mirrored = self.mirrored(departure, began, &mut link);
        link.counted = exact && !mirrored && link.wild.is_none() && !link.candidates.is_empty();
        let class = payers.or(keys.last().copied()).unwrap_or_default();
        if link.counted {
            let id = departure.facts.request_id;
            // Not "no entry of this Envoy": where it serves both sides of the waypoint, the same id enters again there.
            let carried = |id: u64| {
                link.candidates
                    .iter()
                    .any(|key| self.entries.get(*key).and_then(|entry| entry.facts.request_id) == Some(id))
            };
            let made_here = id.filter(|id| self.plan.groups && !link.more && !carried(*id));
            let keys = [departure.key].into_iter().collect();
            let debt = Debt { keys, at: departure.started_at, ns: began, irregular };
            self.payments.count(class, debt, payers.is_some(), made_here);
        }
        self.await_body(departure.key, &link, class);
        link
    }

    /// Regular entries that could have caused it, by class where it is exact (`keys`). Gives the class that is to pay:
    /// the first key that has any, since an id that a proxy makes up is a fresh one and no entry's.
    fn name_regular(
        &self,
        departure: &DepartureIn<'_>,
        began: BootNs,
        keys: Option<&Keys>,
        link: &mut Link,
    ) -> Option<u64> {
        let open = |entry: &Entry| entry.open_at(departure.started_at, began);
        let mut payers = None;
        let Some(keys) = keys else {
            let possible = |entry: &&Entry| {
                open(entry) && self.plan.possible(&entry.facts, entry.peer, &departure.facts, link.used)
            };
            let found: SmallVec<[MessageKey; 8]> = self.entries.regular().filter(possible).map(|e| e.key).collect();
            found.into_iter().for_each(|key| link.name(key, self.limits.candidates));
            return None;
        };
        for key in keys {
            for entry in self.entries.of_class(*key).filter(|entry| open(entry)) {
                payers = payers.or(Some(*key));
                link.name(entry.key, self.limits.candidates);
            }
        }
        payers
    }

    fn name_irregular(&self, departure: &DepartureIn<'_>, began: BootNs, link: &mut Link) -> SmallVec<[MessageKey; 1]> {
        let used = link.used;
        let could = |entry: &&Entry| {
            entry.open_at(departure.started_at, began)
                && self.plan.possible(&entry.facts, entry.peer, &departure.facts, used)
        };
        let found: SmallVec<[MessageKey; 1]> = self.entries.irregular().filter(could).map(|entry| entry.key).collect();
        found.iter().for_each(|key| link.name(*key, self.limits.candidates));
        found
    }

    fn suspect(&self, departure: &DepartureIn<'_>, began: BootNs, used: Constraints) -> Option<Reason> {
        let last = departure.facts.forwarded.and_then(|forwarded| forwarded.last);
        let known = self.suspects.reason(departure.started_at, began, used.forwarded.then_some(last));
        known.or(self.clock.is_too_late(began).then_some(Reason::Evicted))
    }

    /// Time passes: exchanges that are over pay, and what has no candidate left is overdrawn.
    /// `at`: the newest record that was read; `ns`: a clock up to which everything was read.
    pub fn advance(&mut self, at: Order, ns: BootNs, out: &mut Vec<LinkEvent>) {
        self.clock.advance(at, ns);
        let over = ns.saturating_sub(clock::GRACE);
        self.end_before(over);
        let entries = &self.entries;
        let irregular = entries.oldest_irregular().map(|entry| entry.complete_at);
        self.payments.settle(|class| entries.earliest_of_class(class), irregular);
        self.payments.take(out);
        self.late.advance(over);
        self.suspects.advance(over);
    }

    /// Exchanges that were over before `ns` pay and are forgotten.
    fn end_before(&mut self, ns: BootNs) {
        while let Some(entry) = self.entries.next_over(ns) {
            self.clock.forget(entry.deadline.unwrap_or_default());
            self.pay(&entry);
            if self.plan.mirrors {
                let until = entry.deadline.unwrap_or_default().saturating_add(self.limits.mirror_life);
                self.late.keep(self.limits.live_entries, until, entry);
            }
        }
    }

    /// Departures that wait for a payment.
    pub fn unsettled(&self) -> bool {
        self.payments.unsettled()
    }
}

#[cfg(test)]
mod tests;
