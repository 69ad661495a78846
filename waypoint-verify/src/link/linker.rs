//! The state of one proxy instance: its live entries, and the link of each departure.

mod entries;

use std::net::IpAddr;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::class::{Class, Order, Outcome, Unpaid};
use super::facts::{Facts, Hasher, Trace};
use super::guard::{Constraints, Plan};
use crate::model::{BootNs, ConnKey, Guards, Head, MessageKey, Reason};
use entries::{Entries, Entry};

/// Bounds and times of one instance.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries whose exchange is open. Beyond it the oldest is forgotten, and what it could have caused is Unverified.
    pub live_entries: usize,
    /// Candidates that a link names; with more it is Unverified.
    pub candidates: usize,
    /// Streams that cannot be parsed and are candidates by time and peer alone; beyond it, for every departure.
    pub wild: usize,
    /// How long after its response ended an entry may still be the cause of a departure.
    pub answered_slack: BootNs,
    /// How long after its connection closed without a full response (a proxy may learn of it late).
    pub closed_slack: BootNs,
    /// How long after the answer a proxy that mirrors may still send the copy.
    pub mirror_life: BootNs,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            live_entries: 65_536,
            candidates: 256,
            wild: 1024,
            answered_slack: 5_000_000,
            closed_slack: 2_000_000_000,
            mirror_life: 15_000_000_000,
        }
    }
}

/// A request that a proxy's accepted socket received.
#[derive(Clone, Debug)]
pub struct EntryIn {
    pub key: MessageKey,
    pub facts: Facts,
    pub peer: IpAddr,
    /// The record that completed its head.
    pub complete_at: Order,
}

/// A request that a proxy's dialled socket wrote.
#[derive(Debug)]
pub struct DepartureIn<'a> {
    pub key: MessageKey,
    pub facts: Facts,
    pub head: &'a Head,
    /// The record with its first octet.
    pub started_at: Order,
    pub started_ns: BootNs,
    /// Its socket was created by a process that is not the proxy's.
    pub foreign_process: bool,
}

/// A departure with the entries that could have caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub candidates: SmallVec<[MessageKey; 4]>,
    /// There are more candidates than are named.
    pub more: bool,
    /// A stream that could not be parsed, or was forgotten, may have caused it.
    pub wild: Option<Reason>,
    /// It is a copy that a mirroring route made.
    pub mirror: bool,
    pub foreign_process: bool,
    /// It needs a payment; `LinkEvent::Settled` or `Overdrawn` follows.
    pub counted: bool,
    pub used: Constraints,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Paid for; nothing that happens later on this instance can change it, unless `Overdrawn` withdraws it.
    Settled(SmallVec<[MessageKey; 1]>),
    /// See [`Outcome::Overdrawn`]; `class` tells the busy classes of one instance apart.
    Overdrawn { class: u64, unpaid: Vec<MessageKey>, shared: Vec<Vec<MessageKey>> },
}

#[derive(Clone, Debug)]
struct Wild {
    peer: IpAddr,
    since: Order,
    over: Option<BootNs>,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    class: u64,
    first: MessageKey,
    since: BootNs,
}

#[derive(Debug)]
pub struct Linker {
    plan: Plan,
    hasher: Hasher,
    limits: Limits,
    entries: Entries,
    classes: FxHashMap<u64, Class>,
    wild: FxHashMap<ConnKey, Wild>,
    /// More wild streams than are kept: every departure is affected while any is left.
    wild_overflow: bool,
    groups: FxHashMap<u64, Group>,
    outcomes: Vec<Outcome>,
    pub evicted: u64,
}

impl Linker {
    pub fn new(guards: &Guards, hasher: Hasher, limits: Limits) -> Self {
        let plan = Plan::new(guards, &hasher);
        Self {
            plan,
            hasher,
            limits,
            entries: Entries::default(),
            classes: FxHashMap::default(),
            wild: FxHashMap::default(),
            wild_overflow: false,
            groups: FxHashMap::default(),
            outcomes: Vec::new(),
            evicted: 0,
        }
    }

    pub fn live(&self) -> usize {
        self.entries.len()
    }

    pub fn enter(&mut self, entry: EntryIn) {
        if self.entries.len() >= self.limits.live_entries
            && let Some(oldest) = self.entries.oldest()
        {
            self.evicted += 1;
            let (key, peer, since) = (oldest.key, oldest.peer, oldest.complete_at);
            self.entries.remove(key);
            self.wild(key.conn, peer, since, Reason::Evicted);
        }
        let irregular = self.irregular(&entry);
        let class = self.class_of_entry(&entry);
        self.entries.insert(Entry::new(entry, class, irregular));
    }

    /// The receiver acknowledged the whole head: only such an entry can pay.
    pub fn acknowledged(&mut self, key: MessageKey) {
        self.entries.acknowledged(key);
    }

    /// Its response was seen to end.
    pub fn answered(&mut self, key: MessageKey, ns: BootNs) {
        let deadline = ns + self.limits.answered_slack;
        self.entries.over(key, deadline, true);
    }

    pub fn closed(&mut self, conn: ConnKey, ns: BootNs) {
        let deadline = ns + self.limits.closed_slack;
        for key in self.entries.of_connection(conn) {
            self.entries.over(key, deadline, false);
        }
        if let Some(wild) = self.wild.get_mut(&conn) {
            wild.over = Some(deadline);
        }
    }

    /// A stream that cannot be parsed from `since` on is a candidate for everything that time and peer allow.
    pub fn wild(&mut self, conn: ConnKey, peer: IpAddr, since: Order, reason: Reason) {
        if self.wild.len() >= self.limits.wild && !self.wild.contains_key(&conn) {
            self.wild_overflow = true;
            return;
        }
        let wild = self.wild.entry(conn).or_insert(Wild { peer, since, over: None, reason });
        wild.since = wild.since.min(since);
    }

    /// The stream was proven complete after all.
    pub fn tame(&mut self, conn: ConnKey) {
        self.wild.remove(&conn);
        if self.wild.is_empty() {
            self.wild_overflow = false;
        }
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
        link.wild = self.wild_candidate(departure, used);
        let exact = used == self.plan.general;
        let class = self.class_of_departure(&departure.facts);
        let mut irregular: SmallVec<[MessageKey; 1]> = SmallVec::new();
        {
            let open = |entry: &Entry| entry.open_at(departure.started_at, departure.started_ns);
            let mut name = |entry: &Entry| {
                if link.candidates.len() >= self.limits.candidates {
                    link.more = true;
                } else {
                    link.candidates.push(entry.key);
                }
            };
            if exact {
                self.entries.of_class(class).filter(|entry| open(entry)).for_each(&mut name);
            } else {
                let fits = |entry: &&Entry| open(entry) && self.possible(entry, &departure.facts, used);
                self.entries.regular().filter(fits).for_each(&mut name);
            }
            for entry in self.entries.irregular() {
                if open(entry) && self.possible(entry, &departure.facts, used) {
                    name(entry);
                    irregular.push(entry.key);
                }
            }
        }
        if self.plan.mirrors && departure.facts.unshadowed.is_some() {
            self.mirror_candidates(departure, used, &mut link);
        }
        link.counted = exact && !link.mirror && !link.candidates.is_empty();
        if link.counted {
            self.count(departure, class, irregular, link.wild.is_some() || link.more);
        }
        link
    }

    /// Entries whose mirrored copy this may be: equal but for the authority, and one more own address at the end.
    fn mirror_candidates(&self, departure: &DepartureIn<'_>, used: Constraints, link: &mut Link) {
        let copy = departure.facts.as_mirrored();
        // A copy carries one of Envoy's own addresses once more; where that is not what stands last, it says nothing.
        let own_last = self.own_address_last(&departure.facts) && copy.forwarded.is_some();
        let used = Constraints { forwarded: own_last, ..used };
        let had = link.candidates.len();
        for entry in self.entries.regular().chain(self.entries.irregular()) {
            let open = entry.complete_at < departure.started_at
                && entry
                    .over
                    .is_none_or(|over| departure.started_ns <= over.deadline.saturating_add(self.limits.mirror_life));
            if open && !link.candidates.contains(&entry.key) && self.possible(entry, &copy, used) {
                if link.candidates.len() >= self.limits.candidates {
                    link.more = true;
                } else {
                    link.candidates.push(entry.key);
                }
            }
        }
        for entry in self.entries.late() {
            let open = entry.complete_at < departure.started_at;
            if open && self.possible(entry, &copy, used) && link.candidates.len() < self.limits.candidates {
                link.candidates.push(entry.key);
            }
        }
        link.mirror = had == 0 && !link.candidates.is_empty();
    }

    fn own_address_last(&self, facts: &Facts) -> bool {
        facts.forwarded.and_then(|f| f.last).is_some_and(|last| self.plan.own_addresses.contains(&last))
            && self.plan.general.forwarded
    }

    /// Puts a departure that needs a payment into its class, attempts of one request together.
    fn count(
        &mut self,
        departure: &DepartureIn<'_>,
        class: u64,
        irregular: SmallVec<[MessageKey; 1]>,
        uncounted: bool,
    ) {
        let made_here =
            departure.facts.request_id.filter(|id| self.plan.groups && !self.entries.carries_request_id(*id));
        if let Some(id) = made_here {
            if let Some(group) = self.groups.get(&id).filter(|group| group.class == class) {
                let first = group.first;
                let joined = self.classes.get_mut(&class).and_then(|c| c.join(first, departure.key));
                if joined.is_none() {
                    // Its first attempt has been paid for already.
                    let keys = [departure.key].into_iter().collect();
                    self.outcomes.push(Outcome::Paid(keys));
                }
                return;
            }
            self.groups.insert(id, Group { class, first: departure.key, since: departure.started_ns });
        }
        self.classes.entry(class).or_default().depart(Unpaid {
            keys: [departure.key].into_iter().collect(),
            at: departure.started_at,
            irregular,
            uncounted,
        });
    }

    /// Time passes: exchanges that are over pay, and what has no candidate left is overdrawn.
    /// `at`: the newest record that was read; `ns`: its clock.
    pub fn advance(&mut self, at: Order, ns: BootNs, out: &mut Vec<LinkEvent>) {
        for outcome in self.outcomes.drain(..) {
            push_event(0, outcome, out);
        }
        let mut outcomes = Vec::new();
        let mirror_life = if self.plan.mirrors { self.limits.mirror_life } else { 0 };
        while let Some(entry) = self.entries.next_over(ns, mirror_life) {
            if entry.irregular {
                continue;
            }
            let Some(class) = self.classes.get_mut(&entry.class) else { continue };
            class.entry_over(entry.complete_at, at, entry.acknowledged, &mut outcomes);
            let earliest = self.entries.earliest_of_class(entry.class);
            let entries = &mut self.entries;
            class.expire(earliest, |dead| entries.rescue(&dead.irregular), &mut outcomes);
            for outcome in outcomes.drain(..) {
                push_event(entry.class, outcome, out);
            }
            if earliest.is_none() && class.is_idle() {
                self.classes.remove(&entry.class);
            }
        }
        self.wild.retain(|_, wild| wild.over.is_none_or(|over| ns <= over));
        if self.wild.is_empty() {
            self.wild_overflow = false;
        }
        if self.groups.len() > 4096 {
            let horizon = ns.saturating_sub(60_000_000_000);
            self.groups.retain(|_, group| group.since > horizon);
        }
    }

    /// Departures that wait for a payment.
    pub fn unsettled(&self) -> bool {
        !self.outcomes.is_empty() || self.classes.values().any(|class| !class.is_idle())
    }

    fn wild_candidate(&self, departure: &DepartureIn<'_>, used: Constraints) -> Option<Reason> {
        if self.wild_overflow {
            return Some(Reason::Bound);
        }
        let last = departure.facts.forwarded.and_then(|forwarded| forwarded.last);
        self.wild
            .values()
            .find(|wild| {
                let peer = wild.peer.to_canonical();
                wild.since < departure.started_at
                    && wild.over.is_none_or(|over| departure.started_ns <= over)
                    && !(used.forwarded && !peer.is_loopback() && last != Some(peer))
            })
            .map(|wild| wild.reason)
    }

    fn irregular(&self, entry: &EntryIn) -> bool {
        let general = self.plan.general;
        (general.headers && !entry.facts.dropped.is_empty())
            || (general.trace && entry.facts.trace == Trace::Unusable)
            || (general.trace && !self.plan.end_to_end && entry.facts.trace == Trace::Absent)
            || (general.forwarded && entry.peer.is_loopback())
            || (general.authority && entry.facts.authority.is_none())
            || (!self.plan.end_to_end && self.plan.compared(&entry.facts).count() < self.plan.correlation.len())
    }

    /// The constraints that hold, one by one; the class key says the same of regular entries at once.
    fn possible(&self, entry: &Entry, departure: &Facts, used: Constraints) -> bool {
        let facts = &entry.facts;
        let forwarded = || {
            if entry.peer.is_loopback() || facts.dropped.contains(&self.plan.names.forwarded_for) {
                return true;
            }
            departure.forwarded.is_some_and(|seen| {
                seen.last == Some(entry.peer.to_canonical()) && seen.rest == self.plan.expected_rest(facts)
            })
        };
        let trace = || match facts.trace {
            Trace::One(id) if !facts.dropped.contains(&self.plan.names.traceparent) => {
                departure.trace == Trace::One(id)
            }
            Trace::Absent if self.plan.end_to_end => departure.trace == Trace::Absent,
            _ => true,
        };
        let headers = || {
            if self.plan.end_to_end {
                facts.same_headers(departure, &self.plan.skipped)
            } else {
                self.plan.correlation.iter().filter(|name| !facts.dropped.contains(name)).all(|name| {
                    let of = |facts: &Facts| facts.headers.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
                    of(facts).is_none_or(|value| of(departure) == Some(value))
                })
            }
        };
        (!used.method || facts.method == departure.method)
            && (!used.target || facts.target == departure.target)
            && (!used.authority || facts.authority.is_none() || facts.authority == departure.authority)
            && (!used.forwarded || forwarded())
            && (!used.trace || trace())
            && (!used.headers || headers())
    }

    fn class_of_entry(&self, entry: &EntryIn) -> u64 {
        let rest = self.plan.expected_rest(&entry.facts);
        self.class(&entry.facts, Some(entry.peer.to_canonical()), rest)
    }

    fn class_of_departure(&self, facts: &Facts) -> u64 {
        match facts.forwarded {
            Some(forwarded) => self.class(facts, forwarded.last, forwarded.rest),
            None => self.class(facts, None, 0),
        }
    }

    fn class(&self, facts: &Facts, last: Option<IpAddr>, rest: u64) -> u64 {
        let general = self.plan.general;
        let mut words: SmallVec<[u64; 24]> = SmallVec::new();
        words.push(if general.method { facts.method } else { 0 });
        words.push(if general.target { facts.target } else { 0 });
        words.push(facts.authority.filter(|_| general.authority).unwrap_or(0));
        if general.forwarded {
            words.extend(address_words(last));
            words.push(rest);
        }
        if general.trace
            && let Trace::One(id) = facts.trace
        {
            words.extend([(id >> 64) as u64, id as u64]);
        }
        if general.headers {
            for (name, value) in self.plan.compared(facts) {
                words.extend([name, value]);
            }
        }
        self.hasher.words(&words)
    }
}

fn address_words(ip: Option<IpAddr>) -> [u64; 2] {
    match ip {
        None => [1, 0],
        Some(IpAddr::V4(v4)) => [2, u64::from(u32::from(v4))],
        Some(IpAddr::V6(v6)) => {
            let bits = u128::from(v6);
            [(bits >> 64) as u64, bits as u64]
        }
    }
}

fn push_event(class: u64, outcome: Outcome, out: &mut Vec<LinkEvent>) {
    out.push(match outcome {
        Outcome::Paid(keys) => LinkEvent::Settled(keys),
        Outcome::Overdrawn { unpaid, shared } => LinkEvent::Overdrawn { class, unpaid, shared },
    });
}

#[cfg(test)]
mod tests;
