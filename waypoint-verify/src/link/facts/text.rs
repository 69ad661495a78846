//! Values in a form that the measured proxies do not change.

use std::borrow::Cow;
use std::net::IpAddr;

use smallvec::SmallVec;

/// A request target with what is percent-encoded decoded once.
///
/// Caddy (Go's `net/url`) escapes octets that Envoy passes on, and where it does, it writes the *whole* path anew
/// from its decoded form: `/a%2Fb"` leaves as `/a/b%22`. Only the decoded form survives both.
pub fn decoded(target: &[u8]) -> Cow<'_, [u8]> {
    if !target.contains(&b'%') {
        return target.into();
    }
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target;
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|b| (*b as char).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out.into()
}

/// `host-shadow` or `host-shadow:port`, as Envoy names a mirrored request's authority.
pub fn unshadowed(authority: &[u8]) -> Option<Vec<u8>> {
    const SUFFIX: &[u8] = b"-shadow";
    if let Some(before) = authority.strip_suffix(SUFFIX) {
        return Some(before.to_vec());
    }
    let colon = authority.iter().rposition(|b| *b == b':')?;
    let (host, port) = authority.split_at(colon);
    host.strip_suffix(SUFFIX).map(|before| [before, port].concat())
}

/// The elements of a list (RFC 9110 section 5.6.1): trimmed, empty ones left out.
pub fn elements(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    value.split(move |b| *b == separator).map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// An address as proxies write it into `x-forwarded-for`: canonical text without port; v4-mapped as IPv4, no zone.
pub fn address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let text = text.split_once('%').map_or(text, |(address, _zone)| address);
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Lines joined by `separator`, space around it and empty elements removed.
pub fn joined<'a>(lines: impl Iterator<Item = &'a [u8]>, separator: u8) -> SmallVec<[u8; 128]> {
    let mut text = SmallVec::new();
    for element in lines.flat_map(|line| elements(line, separator)) {
        if !text.is_empty() {
            text.push(separator);
        }
        text.extend_from_slice(element);
    }
    text
}

/// The trace id of one `traceparent`: version "-" trace-id "-" parent-id "-" flags, lower-case hex; an all-zero id
/// is invalid (W3C Trace Context, section 3.2).
pub fn trace_id(value: &[u8]) -> Option<u128> {
    // At most 16 digits.
    let hex = |part: &[u8]| {
        part.iter().try_fold(0u64, |number, b| match b {
            b'0'..=b'9' => Some(number << 4 | u64::from(b - b'0')),
            b'a'..=b'f' => Some(number << 4 | u64::from(b - b'a' + 10)),
            _ => None,
        })
    };
    let dashes = value.len() >= 55 && [2, 35, 52].iter().all(|at| value[*at] == b'-');
    if !dashes || value.get(55).is_some_and(|after| *after != b'-') {
        return None;
    }
    let (version, high, low) = (hex(&value[..2])?, hex(&value[3..19])?, hex(&value[19..35])?);
    let id = u128::from(high) << 64 | u128::from(low);
    hex(&value[36..52])?;
    hex(&value[53..55])?;
    (version != 0xff && id != 0).then_some(id)
}
