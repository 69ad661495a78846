//! What is compared of a request head, as keyed hashes: values do not leave this module.
//!
//! The comparison rules are those that were measured on raw bytes of Envoy and Caddy: which headers a proxy adds,
//! joins, re-cases or drops by itself decides which may be compared at all.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use crate::model::Head;

/// Key of one installation; hashes made with different keys never compare.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    key: (u64, u64),
}

impl Hasher {
    pub fn new(key: (u64, u64)) -> Self {
        Self { key }
    }

    pub fn bytes(&self, value: &[u8]) -> u64 {
        let mut sip = SipHasher13::new_with_keys(self.key.0, self.key.1);
        sip.write(value);
        sip.finish()
    }

    fn lower(&self, value: &[u8]) -> u64 {
        let mut sip = SipHasher13::new_with_keys(self.key.0, self.key.1);
        for byte in value {
            sip.write_u8(byte.to_ascii_lowercase());
        }
        sip.finish()
    }

    pub fn words(&self, words: &[u64]) -> u64 {
        let mut sip = SipHasher13::new_with_keys(self.key.0, self.key.1);
        for word in words {
            sip.write_u64(*word);
        }
        sip.finish()
    }
}

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
    /// `None`: absent or empty (a proxy fills it in).
    pub authority: Option<u64>,
    /// Where the authority ends in `-shadow`: the hash of what stands before it.
    pub unshadowed: Option<u64>,
    pub forwarded: Option<Forwarded>,
    pub trace: Trace,
    pub request_id: Option<u64>,
    /// Comparable end-to-end headers, (name, value), sorted by name; lines of one name are joined.
    pub headers: SmallVec<[(u64, u64); 6]>,
    /// Names that `Connection` lists beyond the hop-by-hop ones: a proxy drops them.
    pub dropped: SmallVec<[u64; 2]>,
}

/// Headers that a proxy consumes, rewrites or adds by itself: never compared, present or not.
const NEVER_COMPARED: [&str; 22] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "expect",
    "upgrade",
    "http2-settings",
    "host",
    "accept-encoding",
    "user-agent",
    "content-length",
    "transfer-encoding",
    "x-request-id",
    "traceparent",
    "tracestate",
    "via",
    "forwarded",
    "x-real-ip",
    "x-ot-span-context",
    "grpc-timeout",
    "grpc-accept-encoding",
    "x-original-forwarded-for",
];

/// One field line: hash of its name, name, value.
type Line<'a> = (u64, &'a [u8], &'a [u8]);

/// Prefixes of the same kind.
const NEVER_COMPARED_PREFIXES: [&str; 4] = ["proxy-", "x-envoy-", "x-forwarded-", "x-b3-"];

/// Options that `Connection` may list without naming a header that would otherwise be compared.
const HOP_OPTIONS: [&str; 6] = ["close", "keep-alive", "upgrade", "te", "http2-settings", "proxy-connection"];

fn comparable(name: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let starts =
        |prefix: &str| name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes());
    !NEVER_COMPARED.iter().any(|known| is(known)) && !NEVER_COMPARED_PREFIXES.iter().any(|prefix| starts(prefix))
}

impl Facts {
    pub fn of(head: &Head, hasher: &Hasher) -> Self {
        let authority = head.authority().unwrap_or_default();
        let mut facts = Self {
            method: hasher.bytes(head.method()),
            target: hasher.bytes(&escaped(head.target())),
            authority: (!authority.is_empty()).then(|| hasher.bytes(authority)),
            unshadowed: unshadowed(authority).map(|before| hasher.bytes(&before)),
            forwarded: None,
            trace: Trace::Absent,
            request_id: None,
            headers: SmallVec::new(),
            dropped: SmallVec::new(),
        };
        let mut forwarded: SmallVec<[&[u8]; 4]> = SmallVec::new();
        let mut compared: SmallVec<[Line<'_>; 12]> = SmallVec::new();
        for (name, value) in head.fields() {
            if name.eq_ignore_ascii_case(b"x-forwarded-for") {
                forwarded.push(value);
            } else if name.eq_ignore_ascii_case(b"traceparent") {
                facts.trace = match (facts.trace, trace_id(value)) {
                    (Trace::Absent, Some(id)) => Trace::One(id),
                    _ => Trace::Unusable,
                };
            } else if name.eq_ignore_ascii_case(b"x-request-id") {
                facts.request_id = Some(hasher.bytes(value));
            } else if name.eq_ignore_ascii_case(b"connection") {
                for option in elements(value) {
                    if !HOP_OPTIONS.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes())) {
                        facts.dropped.push(hasher.lower(option));
                    }
                }
            } else if comparable(name) {
                compared.push((hasher.lower(name), name, value));
            }
        }
        facts.forwarded = (!forwarded.is_empty()).then(|| Forwarded::of(&forwarded, hasher));
        facts.headers = joined(&mut compared, hasher);
        facts
    }

    /// What the request looked like of which this is a mirrored copy: other authority, one address less.
    pub fn as_mirrored(&self) -> Facts {
        let forwarded = self.forwarded.and_then(|seen| {
            seen.without_last.map(|(rest, last)| Forwarded { rest, last, all: 0, without_last: None })
        });
        Facts { authority: self.unshadowed, forwarded, ..self.clone() }
    }

    /// Equal in every comparable header that neither side's `Connection` names and `skip` does not.
    pub fn same_headers(&self, departure: &Facts, skip: &[u64]) -> bool {
        if self.dropped.is_empty() && skip.is_empty() {
            return self.headers == departure.headers;
        }
        let kept = |(name, _): &&(u64, u64)| !self.dropped.contains(name) && !skip.contains(name);
        self.headers.iter().filter(kept).eq(departure.headers.iter().filter(kept))
    }
}

/// Octets that Caddy (Go's `net/url`) percent-escapes where Envoy passes them on.
fn escaped(target: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let plain = |b: &u8| b.is_ascii_graphic() && !br#"\|"<>^{}`"#.contains(b);
    if target.iter().all(plain) {
        return target.into();
    }
    let hex = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
    target
        .iter()
        .flat_map(|b| {
            if plain(b) { SmallVec::<[u8; 3]>::from_slice(&[*b]) } else { [b'%', hex(b >> 4), hex(b & 15)].into() }
        })
        .collect::<Vec<u8>>()
        .into()
}

/// `host-shadow` or `host-shadow:port`, as Envoy names a mirrored request's authority.
fn unshadowed(authority: &[u8]) -> Option<Vec<u8>> {
    const SUFFIX: &[u8] = b"-shadow";
    if let Some(before) = authority.strip_suffix(SUFFIX) {
        return Some(before.to_vec());
    }
    let colon = authority.iter().rposition(|b| *b == b':')?;
    let (host, port) = authority.split_at(colon);
    host.strip_suffix(SUFFIX).map(|before| [before, port].concat())
}

fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// An address as proxies write it into `x-forwarded-for`: canonical text without port; v4-mapped as IPv4.
pub fn address(element: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(element).ok()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

impl Forwarded {
    fn of(lines: &[&[u8]], hasher: &Hasher) -> Self {
        let all: SmallVec<[&[u8]; 8]> = lines.iter().flat_map(|line| elements(line)).collect();
        let hash = |list: &[&[u8]]| {
            let mut words: SmallVec<[u64; 8]> = SmallVec::new();
            words.extend(list.iter().map(|element| hasher.bytes(element)));
            hasher.words(&words)
        };
        let (rest, last) = match all.split_last() {
            Some((last, rest)) => (rest, address(last)),
            None => (&all[..], None),
        };
        let without_last = rest.split_last().map(|(peer, before)| (hash(before), address(peer)));
        Self { rest: hash(rest), last, all: hash(&all), without_last }
    }

    /// The hash of no element at all: what a request without the header appends to.
    pub fn empty(hasher: &Hasher) -> u64 {
        hasher.words(&[])
    }
}

fn joined(compared: &mut SmallVec<[Line<'_>; 12]>, hasher: &Hasher) -> SmallVec<[(u64, u64); 6]> {
    // Stable: lines of one name keep their order.
    compared.sort_by_key(|(hash, _, _)| *hash);
    let mut out: SmallVec<[(u64, u64); 6]> = SmallVec::new();
    let mut start = 0;
    while start < compared.len() {
        let (name_hash, name, first) = compared[start];
        let end = start + compared[start..].iter().take_while(|(hash, _, _)| *hash == name_hash).count();
        let lines = &compared[start..end];
        let value = if name.eq_ignore_ascii_case(b"cookie") {
            normalised(lines, b';', hasher)
        } else if lines.len() == 1 && !first.contains(&b',') {
            hasher.bytes(first)
        } else {
            normalised(lines, b',', hasher)
        };
        out.push((name_hash, value));
        start = end;
    }
    out
}

/// Lines joined by `separator`, space around it removed.
fn normalised(lines: &[Line<'_>], separator: u8, hasher: &Hasher) -> u64 {
    let mut text: SmallVec<[u8; 128]> = SmallVec::new();
    for (i, (_, _, value)) in lines.iter().enumerate() {
        for (j, element) in value.split(|b| *b == separator).enumerate() {
            if i + j > 0 {
                text.push(separator);
            }
            text.extend_from_slice(element.trim_ascii());
        }
    }
    hasher.bytes(&text)
}

fn trace_id(value: &[u8]) -> Option<u128> {
    // version "-" trace-id "-" parent-id "-" flags; lower-case hex only, and an all-zero id is invalid.
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let formed = hex(version, 2) && version != "ff" && hex(id, 32) && hex(parent, 16) && hex(flags, 2);
    let id = u128::from_str_radix(id, 16).ok()?;
    (formed && id != 0).then_some(id)
}

#[cfg(test)]
mod tests;
