//! What a PROXY protocol header claims (HAProxy's proxy-protocol.txt, versions 1 and 2).

use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};

use super::Said;

/// Version 2: signature, command, family, length.
const HEADER: usize = 16;
/// The longest header of version 1, its CRLF included.
const LONGEST_1: usize = 107;

/// `held` begins with one of the signatures.
pub(super) fn said(held: &[u8]) -> Said {
    // The parser is asked only once all is there, and for no octet behind it: what it says of a torn header, or of two
    // lines, depends on where they are cut.
    let header = if held.starts_with(b"P") {
        let line = &held[..held.len().min(LONGEST_1)];
        match line.iter().position(|octet| *octet == b'\n') {
            Some(end) => &line[..=end],
            None if line.len() < LONGEST_1 => return Said::Need(held.len() + 1),
            None => line,
        }
    } else {
        let Some(len) = held.get(HEADER - 2..HEADER) else { return Said::Need(HEADER) };
        let whole = HEADER + usize::from(u16::from_be_bytes([len[0], len[1]]));
        match held.get(..whole) {
            Some(header) => header,
            None => return Said::Need(whole),
        }
    };
    let (version, addresses) = match HeaderResult::parse(header) {
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
