//! From a segment to the packets that carry it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};
use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, TcpHeader};

use super::segment::{Extension, Segment};

const HOPS: u8 = 64;

/// Identifies fragments that belong together.
pub(super) type FragmentId = u16;

/// The TCP header with a checksum that is right, unless the segment wants it wrong; then the data.
pub(super) fn tcp(mut header: TcpHeader, segment: &Segment, from: IpAddr, to: IpAddr) -> Result<Vec<u8>> {
    header.checksum = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.calc_checksum_ipv4_raw(from.octets(), to.octets(), &segment.data)?
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            header.calc_checksum_ipv6_raw(from.octets(), to.octets(), &segment.data)?
        }
        _ => anyhow::bail!("{from} to {to}: two families"),
    };
    if segment.wrong_checksum {
        header.checksum = header.checksum.wrapping_add(1);
    }
    let mut octets = header.to_bytes().to_vec();
    octets.extend_from_slice(&segment.data);
    Ok(octets)
}

/// IP packets with this segment of TCP.
pub(super) fn ip(tcp: &[u8], segment: &Segment, from: IpAddr, to: IpAddr, id: FragmentId) -> Result<Vec<Vec<u8>>> {
    let size = segment.fragment.unwrap_or(usize::MAX);
    ensure!(segment.fragment.is_none_or(|size| size > 0 && size % 8 == 0), "fragments have multiples of 8 octets");
    let mut packets: Vec<_> = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            ensure!(segment.extensions.is_empty(), "IPv4 has no extension headers");
            pieces(tcp, size).map(|piece| v4(&piece, from, to, id)).collect::<Result<_>>()?
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            pieces(tcp, size).map(|piece| v6(&piece, segment, from, to, id)).collect::<Result<_>>()?
        }
        _ => anyhow::bail!("{from} to {to}: two families"),
    };
    if segment.fragments_reversed {
        packets.reverse();
    }
    Ok(packets)
}

struct Piece<'a> {
    offset: usize,
    octets: &'a [u8],
    more: bool,
}

fn pieces(octets: &[u8], size: usize) -> impl Iterator<Item = Piece<'_>> {
    let size = size.min(octets.len());
    octets.chunks(size).enumerate().map(move |(number, piece)| {
        let offset = number * size;
        Piece { offset, octets: piece, more: offset + piece.len() < octets.len() }
    })
}

fn v4(piece: &Piece<'_>, from: Ipv4Addr, to: Ipv4Addr, id: FragmentId) -> Result<Vec<u8>> {
    let length = u16::try_from(piece.octets.len())?;
    let mut header = Ipv4Header::new(length, HOPS, IpNumber::TCP, from.octets(), to.octets())?;
    header.identification = id;
    header.dont_fragment = false;
    header.more_fragments = piece.more;
    header.fragment_offset = IpFragOffset::try_new(u16::try_from(piece.offset / 8)?)?;
    header.header_checksum = header.calc_header_checksum();
    let mut packet = header.to_bytes().to_vec();
    packet.extend_from_slice(piece.octets);
    Ok(packet)
}

fn v6(piece: &Piece<'_>, segment: &Segment, from: Ipv6Addr, to: Ipv6Addr, id: FragmentId) -> Result<Vec<u8>> {
    let mut kinds = segment.extensions.clone();
    if (piece.more || piece.offset > 0) && !kinds.contains(&Extension::AtomicFragment) {
        kinds.push(Extension::AtomicFragment);
    }
    // Each names the one after it, so from the last to the first.
    let mut next = IpNumber::TCP;
    let mut headers: Vec<Vec<u8>> = Vec::new();
    for kind in kinds.iter().rev() {
        headers.push(extension(*kind, next, piece, id)?);
        next = number(*kind);
    }
    let headers: Vec<u8> = headers.into_iter().rev().flatten().collect();
    let header = Ipv6Header {
        payload_length: u16::try_from(headers.len() + piece.octets.len())?,
        next_header: next,
        hop_limit: HOPS,
        source: from.octets(),
        destination: to.octets(),
        ..Ipv6Header::default()
    };
    Ok([header.to_bytes().as_slice(), &headers, piece.octets].concat())
}

fn number(kind: Extension) -> IpNumber {
    match kind {
        Extension::HopByHop => IpNumber::IPV6_HEADER_HOP_BY_HOP,
        Extension::Destination => IpNumber::IPV6_DESTINATION_OPTIONS,
        Extension::Routing => IpNumber::IPV6_ROUTE_HEADER,
        Extension::AtomicFragment => IpNumber::IPV6_FRAGMENTATION_HEADER,
    }
}

fn extension(kind: Extension, next: IpNumber, piece: &Piece<'_>, id: FragmentId) -> Result<Vec<u8>> {
    /// Option of four octets that everybody skips (RFC 8200, 4.2).
    const PAD_N: [u8; 6] = [1, 4, 0, 0, 0, 0];
    Ok(match kind {
        Extension::HopByHop | Extension::Destination => [&[next.0, 0][..], &PAD_N].concat(),
        Extension::Routing => vec![next.0, 0, 4, 0, 0, 0, 0, 0],
        Extension::AtomicFragment => Ipv6FragmentHeader {
            next_header: next,
            fragment_offset: IpFragOffset::try_new(u16::try_from(piece.offset / 8)?)?,
            more_fragments: piece.more,
            identification: id.into(),
        }
        .to_bytes()
        .to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    const V4: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))];

    fn v6() -> [IpAddr; 2] {
        ["fd00::1", "fd00::2"].map(|ip| ip.parse().unwrap())
    }

    fn packets(segment: &Segment, [from, to]: [IpAddr; 2]) -> Vec<Vec<u8>> {
        let header = TcpHeader::new(1000, 80, 7, 9);
        ip(&tcp(header, segment, from, to).unwrap(), segment, from, to, 5).unwrap()
    }

    #[test]
    fn a_segment_is_found_again_behind_every_extension_header() {
        let all = [Extension::HopByHop, Extension::Destination, Extension::AtomicFragment];
        let segment = Segment::new(0, "hello").extensions(&all);
        for (segment, addresses) in [(Segment::new(0, "hello"), V4), (segment, v6())] {
            let packets = packets(&segment, addresses);
            let parsed = SlicedPacket::from_ip(&packets[0]).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = parsed.transport else { panic!("no TCP: {parsed:?}") };
            assert_eq!((tcp.sequence_number(), tcp.payload()), (7, &b"hello"[..]));
        }
    }

    #[test]
    fn fragments_together_are_the_segment() {
        for addresses in [V4, v6()] {
            let whole = Segment::new(0, [b'x'; 100]);
            let pieces = packets(&whole.clone().fragment(48), addresses);
            assert_eq!(pieces.len(), 3);
            let payload = |packet: &Vec<u8>| match SlicedPacket::from_ip(packet).unwrap().net {
                Some(NetSlice::Ipv4(v4)) => v4.payload().payload.to_owned(),
                Some(NetSlice::Ipv6(v6)) => v6.payload().payload.to_owned(),
                other => panic!("{other:?}"),
            };
            let together: Vec<u8> = pieces.iter().flat_map(payload).collect();
            let [from, to] = addresses;
            assert_eq!(together, tcp(TcpHeader::new(1000, 80, 7, 9), &whole, from, to).unwrap());
        }
    }

    #[test]
    fn a_wrong_checksum_is_the_only_difference() {
        let right = packets(&Segment::new(0, "x"), V4);
        let wrong = packets(&Segment::new(0, "x").wrong_checksum(), V4);
        assert_eq!(right[0].iter().zip(&wrong[0]).filter(|(a, b)| a != b).count(), 1);
    }
}
