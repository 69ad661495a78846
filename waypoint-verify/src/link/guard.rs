//! Which constraints hold inside one proxy, in general and for one departure.
//!
//! A constraint is used only where it is guarded: nothing that a route, a filter or a client controls can break it.
//! A route that sets a header to a constant can only have produced departures that carry this constant, so the guard
//! of the header, the path, the method and the authority is judged per departure. A header that some route touches
//! and that is not one of these is left out of the comparison for all departures.

mod touch;

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::facts::{self, Facts};
use super::hasher::Hasher;
use crate::model::{Appends, ForwardedFor, Guards, Head, Touch};
use touch::could_produce;

/// A set of constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Constraints {
    pub method: bool,
    pub target: bool,
    pub authority: bool,
    pub forwarded: bool,
    pub trace: bool,
    pub headers: bool,
}

impl Constraints {
    /// Names as the documentation uses them, of those in the set.
    pub fn names(self) -> Vec<&'static str> {
        [
            (self.method, "method"),
            (self.target, "path"),
            (self.authority, "authority"),
            (self.forwarded, "forwarded-for"),
            (self.trace, "trace"),
            (self.headers, "headers"),
        ]
        .into_iter()
        .filter_map(|(used, name)| used.then_some(name))
        .collect()
    }
}

/// The guards of one proxy, compiled once.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is compared at all; a departure may use less.
    pub general: Constraints,
    pub forwarded_for: ForwardedFor,
    pub own_addresses: HashSet<IpAddr>,
    /// Hashes of header names that are never compared here.
    pub skipped: Vec<u64>,
    /// Hashes of the only header names that are compared, where end-to-end headers are not promised.
    /// At most [`CORRELATED`]: a departure is looked up once for each subset of those that it carries.
    pub correlation: Vec<u64>,
    pub end_to_end: bool,
    pub body: bool,
    pub mirrors: bool,
    /// No touch at all of `x-forwarded-for`.
    pub forwarded_untouched: bool,
    /// Departures that share an `x-request-id` that no entry carried are attempts of one request (Envoy).
    pub groups: bool,
    pub names: Names,
    guards: Guards,
}

/// How many declared correlation headers are used; leaving one out is always sound.
pub const CORRELATED: usize = 3;

/// Hashes of header names that have rules of their own.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub forwarded_for: u64,
    pub traceparent: u64,
}

fn guarded_in_general(touches: Option<&BTreeSet<Touch>>) -> bool {
    touches.is_none_or(|touches| !touches.contains(&Touch::Unknown))
}

impl Plan {
    pub fn new(guards: &Guards, hasher: &Hasher) -> Self {
        let touches = |name: &str| guards.headers.touches.get(name);
        let name_hash = |name: &String| hasher.lower(name.as_bytes());
        let shape = |field: &Option<BTreeSet<Touch>>| field.is_some() && guarded_in_general(field.as_ref());
        let headers_known = !guards.headers.any;
        let envoy = matches!(guards.forwarded_for, ForwardedFor::Appends(Appends::Envoy));
        let correlation: Vec<u64> = guards
            .correlation
            .iter()
            .filter(|name| touches(name).is_none() && facts::is_comparable(name))
            .map(name_hash)
            .take(CORRELATED)
            .collect();
        Self {
            general: Constraints {
                method: shape(&guards.method),
                target: shape(&guards.path),
                authority: shape(&guards.authority),
                forwarded: guards.forwarded_for != ForwardedFor::Unknown
                    && headers_known
                    && guarded_in_general(touches("x-forwarded-for")),
                trace: guards.trace && headers_known && guarded_in_general(touches("traceparent")),
                headers: headers_known && (guards.end_to_end_headers || !correlation.is_empty()),
            },
            forwarded_for: guards.forwarded_for,
            own_addresses: guards.own_addresses.iter().map(IpAddr::to_canonical).collect(),
            skipped: guards.headers.touches.keys().map(name_hash).collect(),
            correlation,
            end_to_end: guards.end_to_end_headers,
            body: guards.body,
            mirrors: guards.mirrors,
            names: Names { forwarded_for: hasher.bytes(b"x-forwarded-for"), traceparent: hasher.bytes(b"traceparent") },
            forwarded_untouched: touches("x-forwarded-for").is_none_or(BTreeSet::is_empty),
            groups: envoy && headers_known && touches("x-request-id").is_none(),
            guards: guards.clone(),
        }
    }

    /// What holds for this departure.
    pub fn for_departure(&self, head: &Head, facts: &Facts) -> Constraints {
        self.held(head, facts, head.authority().unwrap_or_default())
    }

    /// What holds for this departure if it is a mirrored copy: what the route did, it did before the copy was renamed
    /// and got Envoy's own address once more.
    pub fn for_copy(&self, head: &Head, facts: &Facts) -> Constraints {
        let authority = head.authority().unwrap_or_default();
        let renamed = self.held(head, facts, &facts::unshadowed(authority).unwrap_or_else(|| authority.to_vec()));
        Constraints {
            // Both, since a route may also have made up the suffix.
            authority: renamed.authority && self.held(head, facts, authority).authority,
            forwarded: self.general.forwarded && self.forwarded_untouched && self.own_address_last(facts),
            ..renamed
        }
    }

    fn held(&self, head: &Head, facts: &Facts, authority: &[u8]) -> Constraints {
        let general = self.general;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let free = |touches: &Option<BTreeSet<Touch>>, value: &[u8]| {
            touches.as_ref().is_none_or(|touches| touches.is_empty() || !could_produce(touches, Some(&text(value))))
        };
        let header_free = |name: &str| match self.guards.headers.touches.get(name) {
            None => true,
            Some(touches) => {
                let lines: Vec<String> = head.values(name).map(text).collect();
                let value = (!lines.is_empty()).then(|| lines.join(","));
                !could_produce(touches, value.as_deref())
            }
        };
        Constraints {
            method: general.method && free(&self.guards.method, head.method()),
            target: general.target && free(&self.guards.path, head.target()),
            authority: general.authority && free(&self.guards.authority, authority),
            forwarded: general.forwarded && header_free("x-forwarded-for") && !self.hides_a_peer(facts),
            trace: general.trace && header_free("traceparent"),
            headers: general.headers,
        }
    }

    /// Envoy writes one of its own addresses for a loopback peer, and once more into a mirrored copy: such a last
    /// element says nothing.
    fn hides_a_peer(&self, facts: &Facts) -> bool {
        self.hides_loopback()
            && (self.own_address_last(facts)
                || facts.forwarded.and_then(|forwarded| forwarded.last).is_some_and(|last| last.is_loopback()))
    }

    pub fn own_address_last(&self, facts: &Facts) -> bool {
        facts.forwarded.and_then(|forwarded| forwarded.last).is_some_and(|last| self.own_addresses.contains(&last))
    }

    /// A loopback peer does not show as itself.
    pub fn hides_loopback(&self) -> bool {
        matches!(self.forwarded_for, ForwardedFor::Appends(Appends::Envoy))
    }
}

#[cfg(test)]
mod tests;
