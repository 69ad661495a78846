//! What a PROXY protocol header claims (HAProxy's proxy-protocol.txt, versions 1 and 2).

use std::net::SocketAddr;

use ppp::{HeaderResult, PartialResult, v1, v2};

use super::Said;

/// Version 2: signature, command, family, length.
const HEADER: usize = 16;
/// The longest header of version 1, its CRLF included.
const LONGEST_1: usize = 107;

/// `held` begins with one of the signatures.
pub(super) fn said(held: &[u8]) -> Said {
    // The parser is asked only once all is there: of a torn address it says that it is wrong.
    match held {
        [b'P', ..] if held.len() < LONGEST_1 && !held.contains(&b'\n') => return Said::Need(held.len() + 1),
        [b'P', ..] => {}
        [.., high, low] if held.len() == HEADER && (*high, *low) != (0, 0) => {
            return Said::Need(HEADER + usize::from(u16::from_be_bytes([*high, *low])));
        }
        _ => {}
    }
    let parsed = HeaderResult::parse(held);
    if parsed.is_incomplete() {
        return Said::Need(held.len() + 1);
    }
    let (version, addresses) = match parsed {
        HeaderResult::V1(Ok(header)) => (1, of_1(header.addresses)),
        HeaderResult::V2(Ok(header)) => (2, of_2(header.addresses)),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Said::Name("PROXY protocol, malformed".into()),
    };
    Said::Name(match addresses {
        Some((from, to)) => format!("PROXY protocol v{version}, claims {from} to {to}"),
        None => format!("PROXY protocol v{version}, claims no address"),
    })
}

fn of_1(addresses: v1::Addresses) -> Option<(SocketAddr, SocketAddr)> {
    match addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(a) => {
            Some(pair((a.source_address, a.source_port), (a.destination_address, a.destination_port)))
        }
        v1::Addresses::Tcp6(a) => {
            Some(pair((a.source_address, a.source_port), (a.destination_address, a.destination_port)))
        }
    }
}

fn of_2(addresses: v2::Addresses) -> Option<(SocketAddr, SocketAddr)> {
    match addresses {
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        v2::Addresses::IPv4(a) => {
            Some(pair((a.source_address, a.source_port), (a.destination_address, a.destination_port)))
        }
        v2::Addresses::IPv6(a) => {
            Some(pair((a.source_address, a.source_port), (a.destination_address, a.destination_port)))
        }
    }
}

fn pair(source: impl Into<SocketAddr>, destination: impl Into<SocketAddr>) -> (SocketAddr, SocketAddr) {
    (source.into(), destination.into())
}
