//! What a stream is that begins like no request. TLS and whole PROXY protocol headers never come here (`wire::parser`).

use crate::wire::{Malformed, Opaque, Poison, Protocol};

/// The same poison, or the protocol that the octets belong to.
pub(super) fn name(poison: Poison, first: bool, raw: &[u8]) -> Poison {
    let Poison::Malformed(detail) = poison else { return poison };
    if raw.starts_with(b"PRI * HTTP/2") {
        return Opaque::NotHttp(Protocol::Http2).into();
    }
    if !first {
        return poison;
    }
    let protocol = match raw {
        _ if raw.starts_with(b"PROXY ") => Protocol::ProxyProtocol,
        _ if detail == Malformed::RequestLine && !begins_with_method(raw) => Protocol::Unknown,
        _ => return poison,
    };
    Opaque::NotHttp(protocol).into()
}

fn begins_with_method(raw: &[u8]) -> bool {
    let end = raw.iter().position(|octet| !super::chars::is(*octet, super::chars::TOKEN));
    end.is_some_and(|end| end > 0 && raw[end] == b' ')
}
