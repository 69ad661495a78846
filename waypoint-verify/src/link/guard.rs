//! Which constraints hold inside one proxy, in general and for one departure.
//!
//! A constraint is used only where it is guarded: nothing that a route, a filter or a client controls can break it.
//! A route that sets a header to a constant can only have produced departures that carry this constant, so the guard
//! of the header, the path, the method and the authority is judged per departure. A header that some route touches
//! and that is not one of these is left out of the comparison for all departures.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use super::facts::{Facts, Forwarded, Hasher};
use crate::model::{Appends, ForwardedFor, Guards, Head, Touch};

/// A set of constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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
    pub correlation: Vec<u64>,
    pub end_to_end: bool,
    pub mirrors: bool,
    /// Departures that share an `x-request-id` that no entry carried are attempts of one request (Envoy).
    pub groups: bool,
    pub names: Names,
    empty_list: u64,
    guards: Guards,
}

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
        let name_hash = |name: &String| hasher.bytes(name.to_ascii_lowercase().as_bytes());
        let shape = |field: &Option<BTreeSet<Touch>>| field.is_some() && guarded_in_general(field.as_ref());
        let headers_known = !guards.headers.any;
        let envoy = matches!(guards.forwarded_for, ForwardedFor::Appends(Appends::Envoy));
        Self {
            general: Constraints {
                method: shape(&guards.method),
                target: shape(&guards.path),
                authority: shape(&guards.authority),
                forwarded: guards.forwarded_for != ForwardedFor::Unknown
                    && headers_known
                    && guarded_in_general(touches("x-forwarded-for")),
                trace: guards.trace && headers_known && guarded_in_general(touches("traceparent")),
                headers: headers_known && (guards.end_to_end_headers || !guards.correlation.is_empty()),
            },
            forwarded_for: guards.forwarded_for,
            own_addresses: guards.own_addresses.iter().map(IpAddr::to_canonical).collect(),
            skipped: guards.headers.touches.keys().map(name_hash).collect(),
            correlation: guards
                .correlation
                .iter()
                .filter(|name| touches(name).is_none() && name.as_str() != "traceparent")
                .map(name_hash)
                .collect(),
            end_to_end: guards.end_to_end_headers,
            mirrors: guards.mirrors,
            names: Names { forwarded_for: hasher.bytes(b"x-forwarded-for"), traceparent: hasher.bytes(b"traceparent") },
            empty_list: Forwarded::empty(hasher),
            groups: envoy && headers_known && touches("x-request-id").is_none(),
            guards: guards.clone(),
        }
    }

    /// What holds for this departure.
    pub fn for_departure(&self, head: &Head, facts: &Facts) -> Constraints {
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
        // A loopback peer shows as one of Envoy's own addresses, so such a last element says nothing.
        let own = || {
            facts
                .forwarded
                .and_then(|forwarded| forwarded.last)
                .is_some_and(|last| last.is_loopback() || self.own_addresses.contains(&last))
        };
        let envoy = matches!(self.forwarded_for, ForwardedFor::Appends(_));
        Constraints {
            method: general.method && free(&self.guards.method, head.method()),
            target: general.target && free(&self.guards.path, head.target()),
            authority: general.authority && free(&self.guards.authority, head.authority().unwrap_or_default()),
            forwarded: general.forwarded && header_free("x-forwarded-for") && !(envoy && own()),
            trace: general.trace && header_free("traceparent"),
            headers: general.headers,
        }
    }

    /// What stands before the last element in a departure that this entry caused.
    pub fn expected_rest(&self, entry: &Facts) -> u64 {
        match (self.forwarded_for, entry.forwarded) {
            (ForwardedFor::Appends(_), Some(forwarded)) => forwarded.all,
            _ => self.empty_list,
        }
    }

    /// The comparable headers of one message that this proxy is held to.
    pub fn compared<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = (u64, u64)> + 'a {
        facts.headers.iter().copied().filter(move |(name, _)| {
            if self.end_to_end { !self.skipped.contains(name) } else { self.correlation.contains(name) }
        })
    }
}

/// Whether `value` (`None`: the header is absent) can be what one of the touches leaves behind.
fn could_produce(touches: &BTreeSet<Touch>, value: Option<&str>) -> bool {
    touches.iter().any(|touch| match (touch, value) {
        (Touch::Unknown, _) => true,
        (Touch::Remove, value) => value.is_none_or(str::is_empty),
        (Touch::Set(constant), Some(value)) => path_or_value_is(value, constant),
        (Touch::Add(constant), Some(value)) => value.trim_end().ends_with(constant.trim()),
        (Touch::Prefix(prefix), Some(value)) => value.starts_with(prefix.trim_end_matches('/')),
        (Touch::Set(_) | Touch::Add(_) | Touch::Prefix(_), None) => false,
    })
}

/// A replaced full path keeps the query of the request.
fn path_or_value_is(value: &str, constant: &str) -> bool {
    let value = value.trim();
    let constant = constant.trim();
    value == constant || value.strip_prefix(constant).is_some_and(|rest| rest.starts_with('?'))
}

#[cfg(test)]
mod tests;
