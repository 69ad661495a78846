//! What is compared of a request head, as keyed hashes.
//!
//! The comparison rules are those that were measured on raw bytes of Envoy and Caddy: which headers a proxy adds,
//! joins, re-cases or drops by itself decides which may be compared at all.

mod names;
mod text;

use std::net::IpAddr;

use smallvec::SmallVec;

use super::hasher::Hasher;
use crate::model::{Head, Version};
use names::{Name, Rule};
pub use text::{address, decoded, unshadowed};

/// `x-forwarded-for`, all lines together: its last element as an address, the elements before it as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Hash of the trimmed, non-empty elements before the last.
    pub rest: u64,
    /// The last element, v4-mapped addresses as IPv4; `None` where it is not an address.
    pub last: Option<IpAddr>,
    /// Hash of all elements: what a proxy that appends would send in front of its peer.
    pub all: u64,
    /// Hash of the elements before the last two, and the last but one: what is left when a mirror's own address is taken off.
    pub without_last: Option<(u64, Option<IpAddr>)>,
}

/// The trace id of `traceparent` (W3C Trace Context, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    Absent,
    One(u128),
    /// Several lines, or not of the form `version-traceid-parentid-flags`.
    Unusable,
}

/// One request head, reduced.
#[derive(Clone, Debug)]
pub struct Facts {
    pub method: u64,
    pub target: u64,
    /// `None`: absent or empty (a proxy fills it in), or with user information (a proxy may cut it off).
    pub authority: Option<u64>,
    /// Where the authority ends in `-shadow`: the hash of what stands before it.
    pub unshadowed: Option<u64>,
    pub forwarded: Option<Forwarded>,
    pub trace: Trace,
    /// All lines of `x-request-id`, joined as Envoy joins them.
    pub request_id: Option<u64>,
    /// Comparable end-to-end headers, (name, value), sorted by name; lines of one name are joined.
    pub headers: SmallVec<[(u64, u64); 6]>,
    /// Names of fields of this request that its `Connection` lists: a proxy drops them.
    pub dropped: SmallVec<[u64; 1]>,
    /// A filter translates the body (gRPC-Web), so its length says nothing.
    pub translated_body: bool,
}

/// One field line: hash of its name, how it is compared, value.
type Line<'a> = (u64, Rule, &'a [u8]);

impl Facts {
    pub fn of(head: &Head, hasher: &Hasher) -> Self {
        let authority = head.authority().unwrap_or_default();
        let mut facts = Self {
            method: hasher.bytes(method(head)),
            target: hasher.bytes(&text::decoded(head.target())),
            authority: (!authority.is_empty() && !authority.contains(&b'@')).then(|| hasher.bytes(authority)),
            unshadowed: text::unshadowed(authority).map(|before| hasher.bytes(&before)),
            forwarded: None,
            trace: Trace::Absent,
            request_id: None,
            headers: SmallVec::new(),
            dropped: SmallVec::new(),
            translated_body: false,
        };
        let mut forwarded: SmallVec<[&[u8]; 2]> = SmallVec::new();
        let mut request_ids: SmallVec<[&[u8]; 2]> = SmallVec::new();
        let mut listed: SmallVec<[Name; 1]> = SmallVec::new();
        let mut compared: SmallVec<[Line<'_>; 12]> = SmallVec::new();
        let mut lower = Name::new();
        for (name, value) in head.fields() {
            let name = names::in_lower_case(name, &mut lower);
            match Rule::of(name) {
                Rule::Never => {}
                Rule::ForwardedFor => forwarded.push(value),
                Rule::Traceparent => {
                    facts.trace = match (facts.trace, text::trace_id(value)) {
                        (Trace::Absent, Some(id)) => Trace::One(id),
                        _ => Trace::Unusable,
                    };
                }
                Rule::RequestId => request_ids.push(value),
                Rule::Connection => listed.extend(text::elements(value, b',').map(names::lower)),
                rule @ (Rule::Compared | Rule::Cookie | Rule::ContentType) => {
                    facts.translated_body |= rule == Rule::ContentType && is_grpc_web(value);
                    compared.push((hasher.bytes(name), rule, value));
                }
            }
        }
        facts.dropped = dropped(head, &listed, hasher);
        facts.forwarded = (!forwarded.is_empty()).then(|| Forwarded::of(&forwarded, hasher));
        facts.request_id =
            (!request_ids.is_empty()).then(|| hasher.bytes(&text::joined(request_ids.into_iter(), b',')));
        facts.headers = joined(&mut compared, hasher);
        facts
    }

    /// What the request looked like of which this is a mirrored copy: other authority, one address less.
    pub fn as_mirrored(&self) -> Facts {
        let forwarded = self.forwarded.and_then(|seen| {
            seen.without_last.map(|(rest, last)| Forwarded { rest, last, all: 0, without_last: None })
        });
        Facts { authority: self.unshadowed.or(self.authority), forwarded, ..self.clone() }
    }

    /// The value of one comparable header, by the hash of its name.
    pub fn header(&self, name: u64) -> Option<u64> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }
}

/// The method as HTTP/1 has it: a proxy turns the GET of an upgrade (WebSocket) into an extended CONNECT of HTTP/2 and back
/// (RFC 8441 section 5). Only that one has a path.
fn method(head: &Head) -> &[u8] {
    let extended = head.version() == Version::Http2 && head.method() == b"CONNECT" && head.target().starts_with(b"/");
    if extended { b"GET" } else { head.method() }
}

/// Whether a header of this name (lower case) is ever kept in [`Facts::headers`].
pub fn is_comparable(name: &str) -> bool {
    Rule::of(name.as_bytes()).is_compared()
}

fn is_grpc_web(value: &[u8]) -> bool {
    const PREFIX: &[u8] = b"application/grpc-web";
    value.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

fn dropped(head: &Head, listed: &[Name], hasher: &Hasher) -> SmallVec<[u64; 1]> {
    let matters = |name: &&Name| matches!(Rule::of(name), rule if rule.is_compared() || matches!(rule, Rule::ForwardedFor | Rule::Traceparent | Rule::RequestId));
    let present = |name: &&Name| head.fields().any(|(field, _)| field.eq_ignore_ascii_case(name));
    listed.iter().filter(matters).filter(present).map(|name| hasher.bytes(name)).collect()
}

impl Forwarded {
    fn of(lines: &[&[u8]], hasher: &Hasher) -> Self {
        let all: SmallVec<[&[u8]; 8]> = lines.iter().flat_map(|line| text::elements(line, b',')).collect();
        let (rest, last) = match all.split_last() {
            Some((last, rest)) => (rest, text::address(last)),
            None => (&all[..], None),
        };
        let without_last = rest.split_last().map(|(peer, before)| (Self::hash(before, hasher), text::address(peer)));
        Self { rest: Self::hash(rest, hasher), last, all: Self::hash(&all, hasher), without_last }
    }

    fn hash(list: &[&[u8]], hasher: &Hasher) -> u64 {
        match list {
            [] => Self::EMPTY,
            [one] => hasher.bytes(one),
            // Elements hold no comma, so a joined list has one reading.
            list => hasher.bytes(&text::joined(list.iter().copied(), b',')),
        }
    }

    /// The hash of no element at all: what a request without the header appends to.
    pub const EMPTY: u64 = 0;
}

fn joined(compared: &mut [Line<'_>], hasher: &Hasher) -> SmallVec<[(u64, u64); 6]> {
    // Stable: lines of one name keep their order.
    compared.sort_by_key(|(hash, _, _)| *hash);
    compared
        .chunk_by(|a, b| a.0 == b.0)
        .map(|lines| {
            let (name, rule, first) = lines[0];
            let separator = if rule == Rule::Cookie { b';' } else { b',' };
            let value = if lines.len() == 1 && !first.contains(&separator) {
                hasher.bytes(first)
            } else {
                hasher.bytes(&text::joined(lines.iter().map(|(_, _, value)| *value), separator))
            };
            (name, value)
        })
        .collect()
}

#[cfg(test)]
mod tests;
