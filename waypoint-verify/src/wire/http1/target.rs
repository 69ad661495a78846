//! The four forms of a request target (RFC 9112 section 3.2), reduced to the origin form that [`Head`] promises.

use super::chars::{HOST, is};
use crate::model::{Head, HeadBuilder, HeadParts, Span, Version};
use crate::wire::Malformed;

type Range = (usize, usize);

pub(super) fn resolve(
    raw: &[u8],
    version: Version,
    method: Range,
    target: Range,
    mut parts: HeadParts,
) -> Result<Head, Malformed> {
    let text = &raw[target.0..target.1];
    match &raw[method.0..method.1] {
        b"CONNECT" => {
            check_host(text)?;
            if !text.contains(&b':') {
                return Err(Malformed::Target);
            }
            parts.authority = Some(Span::new(target.0, target.1));
        }
        b"OPTIONS" if text == b"*" => {}
        _ if text.first() == Some(&b'/') => {}
        _ => return absolute(raw, version, method, text, &parts),
    }
    Head::from_raw(version, raw, parts).ok_or(Malformed::Target)
}

/// Absolute form: its authority wins over `Host`; an empty path becomes `/` (RFC 9112 section 3.2.2, and as Envoy and Caddy do it).
fn absolute(raw: &[u8], version: Version, method: Range, text: &[u8], parts: &HeadParts) -> Result<Head, Malformed> {
    let colon = text.iter().position(|octet| *octet == b':').ok_or(Malformed::Target)?;
    let scheme = &text[..colon];
    let spelt = |octet: &u8| octet.is_ascii_alphanumeric() || b"+-.".contains(octet);
    if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(spelt) {
        return Err(Malformed::Target);
    }
    let rest = text[colon + 1..].strip_prefix(b"//").ok_or(Malformed::Target)?;
    let end = rest.iter().position(|octet| b"/?#".contains(octet)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    check_host(authority)?;
    if authority.is_empty() {
        return Err(Malformed::Host);
    }
    let mut target = Vec::with_capacity(path.len() + 1);
    if path.first() != Some(&b'/') {
        target.push(b'/');
    }
    target.extend_from_slice(path);
    build(raw, version, &raw[method.0..method.1], &target, authority, parts).ok_or(Malformed::Target)
}

fn build(
    raw: &[u8],
    version: Version,
    method: &[u8],
    target: &[u8],
    authority: &[u8],
    parts: &HeadParts,
) -> Option<Head> {
    let mut builder = HeadBuilder::new(version, method, target, raw.len()).ok()?;
    builder.authority(authority).ok()?;
    for (name, value) in &parts.fields {
        builder.field(name.of(raw)?, value.of(raw)?).ok()?;
    }
    Some(builder.build())
}

/// `uri-host [":" port]`, or empty where the target has no authority (RFC 9112 section 3.2). User information is no part
/// of it (RFC 9110 section 4.2.4).
pub(in crate::wire) fn check_host(value: &[u8]) -> Result<(), Malformed> {
    if value.iter().all(|octet| is(*octet, HOST)) { Ok(()) } else { Err(Malformed::Host) }
}
