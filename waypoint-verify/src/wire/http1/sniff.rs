//! The names of other protocols that a stream may begin with.

use crate::wire::{Malformed, Opaque, Poison, Protocol};

/// The same poison, or the protocol that the octets at `offset` belong to.
pub(super) fn name(poison: Poison, first: bool, offset: u64, raw: &[u8]) -> Poison {
    let Poison::Malformed(detail) = poison else { return poison };
    if raw.starts_with(b"PRI * HTTP/2") {
        return Opaque::NotHttp(Protocol::Http2).into();
    }
    if !first {
        return poison;
    }
    let protocol = match raw {
        // RFC 8446 section 5.1: a handshake record, any version.
        [0x16, ..] => Protocol::Tls,
        // The signature of version 2 is `CRLF CRLF NUL CRLF QUIT LF`; its first four octets passed for empty lines.
        [0, ..] if offset == 4 => Protocol::ProxyProtocol,
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
