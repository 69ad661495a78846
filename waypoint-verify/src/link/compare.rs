//! Whether an entry could have caused a departure: one by one ([`Plan::possible`]), or for many at once by class.
//!
//! A *regular* entry is one of which every constraint of the plan can be read as an equality. The key of its class is
//! made of what must be equal, and a departure that is held to all constraints of the plan (an *exact* one) finds it
//! under one of its keys exactly when `possible` says so. All other pairs are asked one by one.
//!
//! A proxy that does not promise to pass on all headers (a waypoint) may add a trace id or a correlation header that
//! its entry lacks. So these are left out of the key of an entry that lacks them, and a departure has a key for each
//! subset of those that it carries.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::facts::{Facts, Forwarded, Trace};
use super::guard::{Constraints, Plan};
use super::hasher::Hasher;
use crate::model::ForwardedFor;

type Words = SmallVec<[u64; 32]>;

/// Keys of the classes that a departure's causes are in, the one that says most of it first.
pub type Keys = SmallVec<[u64; 2]>;

impl Plan {
    /// Some constraint cannot be read as an equality for this entry: it must be asked for one by one.
    pub fn irregular(&self, entry: &Facts, peer: IpAddr) -> bool {
        let general = self.general;
        let drops = |name: &u64| entry.dropped.contains(name);
        (general.headers && self.end_to_end && !entry.dropped.is_empty())
            || (general.headers && self.correlation.iter().any(drops))
            || (general.trace && (entry.trace == Trace::Unusable || drops(&self.names.traceparent)))
            || (general.forwarded && (self.peer_is_hidden(peer) || drops(&self.names.forwarded_for)))
            || (general.authority && entry.authority.is_none())
    }

    fn peer_is_hidden(&self, peer: IpAddr) -> bool {
        self.hides_loopback() && peer.to_canonical().is_loopback()
    }

    /// Whether nothing that holds contradicts that the entry caused the departure. Time is not asked here.
    pub fn possible(&self, entry: &Facts, peer: IpAddr, departure: &Facts, used: Constraints) -> bool {
        (!used.method || entry.method == departure.method)
            && (!used.target || entry.target == departure.target)
            && (!used.authority || entry.authority.is_none() || entry.authority == departure.authority)
            && (!used.forwarded || self.same_forwarded(entry, peer, departure))
            && (!used.trace || self.same_trace(entry, departure))
            && (!used.headers || self.same_headers(entry, departure))
    }

    fn same_forwarded(&self, entry: &Facts, peer: IpAddr, departure: &Facts) -> bool {
        if entry.dropped.contains(&self.names.forwarded_for) {
            return true;
        }
        let is_peer = |last| self.peer_is_hidden(peer) || last == peer.to_canonical();
        departure.forwarded.is_some_and(|seen| seen.last.is_some_and(is_peer) && seen.rest == self.expected_rest(entry))
    }

    fn same_trace(&self, entry: &Facts, departure: &Facts) -> bool {
        match entry.trace {
            _ if entry.dropped.contains(&self.names.traceparent) => true,
            Trace::One(id) => departure.trace == Trace::One(id),
            Trace::Absent if self.end_to_end => departure.trace == Trace::Absent,
            Trace::Absent | Trace::Unusable => true,
        }
    }

    fn same_headers(&self, entry: &Facts, departure: &Facts) -> bool {
        if self.end_to_end {
            let kept = |(name, _): &&(u64, u64)| !entry.dropped.contains(name) && !self.skipped.contains(name);
            return entry.headers.iter().filter(kept).eq(departure.headers.iter().filter(kept));
        }
        self.correlation.iter().filter(|name| !entry.dropped.contains(name)).all(|name| {
            let value = entry.header(*name);
            value.is_none() || value == departure.header(*name)
        })
    }

    /// What stands before the last element in a departure that this entry caused.
    fn expected_rest(&self, entry: &Facts) -> u64 {
        match (self.forwarded_for, entry.forwarded) {
            (ForwardedFor::Appends(_), Some(forwarded)) => forwarded.all,
            _ => Forwarded::EMPTY,
        }
    }

    pub fn entry_key(&self, entry: &Facts, peer: IpAddr, hasher: &Hasher) -> u64 {
        let mut words = self.equal_words(entry, Some(peer.to_canonical()), self.expected_rest(entry));
        for part in self.optional(entry) {
            push_optional(&mut words, part);
        }
        hasher.words(&words)
    }

    pub fn departure_keys(&self, departure: &Facts, hasher: &Hasher) -> Keys {
        let (last, rest) = departure.forwarded.map_or((None, 0), |forwarded| (forwarded.last, forwarded.rest));
        let words = self.equal_words(departure, last, rest);
        let optional = self.optional(departure);
        let carried = (0..optional.len()).filter(|at| optional[*at].is_some()).fold(0u32, |set, at| set | 1 << at);
        let mut subsets: SmallVec<[u32; 2]> = (0..=carried).filter(|set| set & !carried == 0).collect();
        subsets.sort_by_key(|set| std::cmp::Reverse(set.count_ones()));
        let key = |set: &u32| {
            let mut words = words.clone();
            for (at, part) in optional.iter().enumerate() {
                push_optional(&mut words, part.filter(|_| set & 1 << at != 0));
            }
            hasher.words(&words)
        };
        subsets.iter().map(key).collect()
    }

    /// What is equal in an entry and what it causes, whatever the proxy may add.
    fn equal_words(&self, facts: &Facts, last: Option<IpAddr>, rest: u64) -> Words {
        let general = self.general;
        let mut words = Words::new();
        if general.method {
            words.push(facts.method);
        }
        if general.target {
            words.push(facts.target);
        }
        if general.authority {
            push_optional(&mut words, facts.authority.map(|authority| [authority, 0]));
        }
        if general.forwarded {
            words.extend(address_words(last));
            words.push(rest);
        }
        if general.trace && self.end_to_end {
            words.extend(match facts.trace {
                Trace::Absent => [0, 0, 0],
                Trace::One(id) => [1, (id >> 64) as u64, id as u64],
                Trace::Unusable => [2, 0, 0],
            });
        }
        if general.headers && self.end_to_end {
            for (name, value) in facts.headers.iter().filter(|(name, _)| !self.skipped.contains(name)) {
                words.extend([*name, *value]);
            }
        }
        words
    }

    /// What a departure carries if its cause does, and may carry if its cause does not.
    fn optional(&self, facts: &Facts) -> SmallVec<[Option<[u64; 2]>; 4]> {
        let mut parts = SmallVec::new();
        if self.end_to_end {
            return parts;
        }
        if self.general.trace {
            parts.push(match facts.trace {
                Trace::One(id) => Some([(id >> 64) as u64, id as u64]),
                Trace::Absent | Trace::Unusable => None,
            });
        }
        if self.general.headers {
            parts.extend(self.correlation.iter().map(|name| facts.header(*name).map(|value| [value, 0])));
        }
        parts
    }
}

fn push_optional(words: &mut Words, part: Option<[u64; 2]>) {
    words.push(u64::from(part.is_some()));
    words.extend(part.unwrap_or_default());
}

fn address_words(ip: Option<IpAddr>) -> [u64; 3] {
    match ip {
        None => [0, 0, 0],
        Some(IpAddr::V4(v4)) => [4, 0, u64::from(u32::from(v4))],
        Some(IpAddr::V6(v6)) => {
            let bits = u128::from(v6);
            [6, (bits >> 64) as u64, bits as u64]
        }
    }
}

#[cfg(test)]
mod tests;
