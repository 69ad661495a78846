//! What a ClientHello asks for (RFC 8446 section 4.1.2).

use tls_parser::{SNIType, TlsExtension, parse_tls_client_hello_extensions, parse_tls_handshake_client_hello};

use super::{Said, printable};

const RECORD_HEADER: usize = 5;
const HANDSHAKE_HEADER: usize = 4;
/// Protocols of an ALPN list that are named.
const MAX_PROTOCOLS: usize = 8;

/// `held` begins with the first record of the connection.
pub(super) fn said(held: &[u8]) -> Said {
    let only = || Said::Name("TLS".into());
    let mut handshake = Vec::new();
    let mut rest = held;
    let before = |rest: &[u8]| held.len() - rest.len();
    loop {
        if let [1, a, b, c, body @ ..] = handshake.as_slice() {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if let Some(body) = body.get(..length) {
                return hello(body).map_or_else(only, Said::Name);
            }
        } else if handshake.len() >= HANDSHAKE_HEADER {
            return only();
        }
        let [0x16, 3, _, high, low, payload @ ..] = rest else {
            // A header is looked at once it is whole: else what is said depends on where octets are cut.
            return if rest.len() < RECORD_HEADER { Said::Need(before(rest) + RECORD_HEADER) } else { only() };
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((payload, next)) = payload.split_at_checked(length) else {
            return Said::Need(before(rest) + RECORD_HEADER + length);
        };
        handshake.extend_from_slice(payload);
        rest = next;
    }
}

fn hello(body: &[u8]) -> Option<String> {
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
    let mut name = String::from("TLS");
    let Some(extensions) = hello.ext else { return Some(name) };
    let (_, extensions) = parse_tls_client_hello_extensions(extensions).ok()?;
    for extension in &extensions {
        match extension {
            TlsExtension::SNI(names) => {
                for (_, host) in names.iter().filter(|(kind, _)| *kind == SNIType::HostName) {
                    name.push_str(", server name ");
                    name.push_str(&printable(host, 255));
                }
            }
            TlsExtension::ALPN(protocols) => {
                let protocols: Vec<_> = protocols.iter().take(MAX_PROTOCOLS).map(|p| printable(p, 32)).collect();
                name.push_str(", ALPN ");
                name.push_str(&protocols.join(", "));
            }
            _ => {}
        }
    }
    Some(name)
}
