//! TCP headers with their options and checksums: which packets a receiver takes, and what of them.
//!
//! The oracle reads options and sums checksums with `etherparse`, and keeps what it expects octet by octet, so neither
//! arithmetic nor parsing is ours. Where `etherparse` refuses an option that Linux steps over, nothing is claimed.

pub mod plan;

use std::net::{IpAddr, SocketAddr};

use arbitrary::{Arbitrary, Unstructured};
use etherparse::checksum::Sum16BitWords;
use etherparse::{TcpHeader, TcpOptionElement, TcpOptionReadError};
use waypoint_verify::probe::{Data, Direction, Side, TcpFlags};
use waypoint_verify::trace::admit::{Admission, Dropped};
use waypoint_verify::wire::Segment;

use crate::{Disagreement, demand, settle};
use plan::{Packet, Plan, Sum};

pub fn target(octets: &[u8]) {
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(octets)) else { return };
    let mut admission = Admission::new(plan.tsval);
    settle(check(&plan, |data| admission.admit(data)));
}

/// What `admit` says of each packet of this connection.
///
/// # Errors
/// If it is not what the oracle expects.
pub fn check<'a>(
    plan: &'a Plan,
    mut admit: impl for<'b> FnMut(&Data<'b>) -> Result<Segment<'b>, Dropped>,
) -> Result<(), Disagreement> {
    // The newest timestamp, and what comes next.
    let mut newest = plan.tsval;
    let mut next = plan.next;
    for packet in &plan.packets {
        let header = header(packet);
        let data = data(packet, next, &header);
        let found = admit(&data);
        let stamp = stamp(&header);
        let reasons = reasons(packet, &data, newest, stamp);
        let left = left(packet, next);
        // TCP looks at timestamps before it looks at what is new.
        let read = reasons.iter().all(|reason| matches!(reason, Dropped::Old));
        if read && next.is_some_and(|next| packet.seq.wrapping_sub(next) as i32 <= 0) {
            match stamp {
                Stamp::Is(stamp) => newest = stamp.or(newest),
                Stamp::Unsure => return Ok(()),
            }
        }
        match found {
            Err(reason) => {
                let excused = reason == Dropped::Timestamp && stamp == Stamp::Unsure;
                demand!(excused || reasons.contains(&reason), "{reason:?}, not {reasons:?}: {data:?}");
            }
            Ok(segment) => {
                demand!(reasons.is_empty(), "taken in spite of {reasons:?}: {data:?}");
                let at = |skipped: u32| segment.seq.wrapping_add(skipped);
                let octets: Vec<(u32, u8)> =
                    segment.bytes.iter().zip(segment.skipped..).map(|(octet, n)| (at(n), *octet)).collect();
                demand!(octets == left.shown, "left {octets:?}, not {:?}: {data:?}", left.shown);
                demand!(segment.payload_len == left.len, "{} octets, not {}: {data:?}", segment.payload_len, left.len);
                demand!(segment.fin == data.tcp_flags.fin() && segment.urg == data.tcp_flags.urg(), "flags: {data:?}");
                if packet.moves {
                    next = next.map(|_| at(segment.payload_len));
                }
            }
        }
    }
    Ok(())
}

/// What there is of a packet for one who expects `next`.
struct Left {
    shown: Vec<(u32, u8)>,
    len: u32,
}

fn left(packet: &Packet, next: Option<u32>) -> Left {
    let is_new = |at: &u32| next.is_none_or(|next| at.wrapping_sub(next) as i32 >= 0);
    let all = packet.payload.iter().enumerate().map(|(n, octet)| (n, packet.seq.wrapping_add(n as u32), *octet));
    let kept = all.filter(|(_, at, _)| is_new(at));
    let len = kept.clone().count() as u32;
    let shown = kept.filter(|(n, ..)| packet.shown().contains(n)).map(|(_, at, octet)| (at, octet)).collect();
    Left { shown, len }
}

/// Every reason for which TCP drops this.
fn reasons(packet: &Packet, data: &Data<'_>, newest: Option<u32>, stamp: Stamp) -> Vec<Dropped> {
    let mut reasons = Vec::new();
    let whole = packet.shown() == (0..packet.payload.len());
    if whole && !packet.headless && !sum_fits(packet, data.header) {
        reasons.push(Dropped::Checksum);
    }
    let (flags, opening) = (data.tcp_flags, data.rcv_nxt.is_none());
    if flags.rst() || flags.syn() && !opening || !flags.syn() && !flags.ack() {
        reasons.push(Dropped::Flags);
    }
    if let (Some(newest), Stamp::Is(Some(stamp))) = (newest, stamp)
        // Half of all numbers away is not older: `tcp_paws_check` asks the difference this way round.
        && newest.wrapping_sub(stamp) as i32 > 0
    {
        reasons.push(Dropped::Timestamp);
    }
    if let Some(next) = data.rcv_nxt {
        let ahead = i64::from(packet.seq.wrapping_sub(next) as i32);
        if ahead > 64 << 20 {
            reasons.push(Dropped::FarAhead);
        }
        // Its last octet, and the FIN after it, come before what is expected.
        let end = ahead + packet.payload.len() as i64;
        if end < 0 || end == 0 && !flags.fin() {
            reasons.push(Dropped::Old);
        }
    }
    reasons
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    Is(Option<u32>),
    /// Behind an option of a length that this kind should not have: Linux reads on, `etherparse` does not.
    Unsure,
}

fn stamp(header: &[u8]) -> Stamp {
    let Ok((header, _)) = TcpHeader::from_slice(header) else { return Stamp::Is(None) };
    let mut found = None;
    for option in header.options_iterator() {
        match option {
            Ok(TcpOptionElement::Timestamp(value, _)) => found = Some(value),
            Ok(_) => {}
            Err(TcpOptionReadError::UnexpectedEndOfSlice { .. }) => break,
            Err(TcpOptionReadError::UnexpectedSize { .. }) => return Stamp::Unsure,
            // `etherparse` knows only some kinds; the rest of the options cannot be read with it.
            Err(TcpOptionReadError::UnknownId(_)) => return Stamp::Unsure,
        }
    }
    Stamp::Is(found)
}

fn addresses(packet: &Packet) -> (SocketAddr, SocketAddr) {
    match packet.v6 {
        false => (([10, 0, 0, 1], 8084).into(), ([10, 0, 0, 2], 40_000).into()),
        true => (([0xfd00, 0, 0, 0, 0, 0, 0, 1], 8084).into(), ([0xfd00, 0, 0, 0, 0, 0, 0, 2], 40_000).into()),
    }
}

/// The header's octets with the sum that the plan wants.
fn header(packet: &Packet) -> Vec<u8> {
    if packet.headless {
        return Vec::new();
    }
    let (local, remote) = addresses(packet);
    let mut header = TcpHeader::new(remote.port(), local.port(), packet.seq, 1024);
    header.set_options_raw(&packet.options).expect("at most 40 octets in words of 4");
    header.acknowledgment_number = packet.ack;
    let [fin, syn, rst, psh, ack, urg] = [0, 1, 2, 3, 4, 5].map(|bit| packet.flags >> bit & 1 == 1);
    (header.fin, header.syn, header.rst, header.psh, header.ack, header.urg) = (fin, syn, rst, psh, ack, urg);
    let right = right_sum(&header, packet);
    header.checksum = match packet.sum {
        Sum::Right => right,
        Sum::Partial => pseudo_sum(packet, header.header_len() + packet.payload.len()),
        Sum::Other(by) => right ^ by,
    };
    header.to_bytes().to_vec()
}

fn right_sum(header: &TcpHeader, packet: &Packet) -> u16 {
    let sum = match addresses(packet) {
        (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
            header.calc_checksum_ipv4_raw(remote.ip().octets(), local.ip().octets(), &packet.payload)
        }
        (SocketAddr::V6(local), SocketAddr::V6(remote)) => {
            header.calc_checksum_ipv6_raw(remote.ip().octets(), local.ip().octets(), &packet.payload)
        }
        _ => unreachable!("both are of one family"),
    };
    sum.expect("payloads are small")
}

/// What stands in a packet whose sum is left to a network card.
fn pseudo_sum(packet: &Packet, len: usize) -> u16 {
    let (local, remote) = addresses(packet);
    let add = |mut sum: Sum16BitWords, ip: IpAddr| match ip {
        IpAddr::V4(ip) => sum.add_4bytes(ip.octets()),
        IpAddr::V6(ip) => sum.add_16bytes(ip.octets()),
    };
    let sum = add(add(Sum16BitWords::new(), local.ip()), remote.ip());
    let len = u16::try_from(len).expect("packets are small");
    !sum.add_2bytes([0, 6]).add_2bytes(len.to_be_bytes()).ones_complement().to_be()
}

fn sum_fits(packet: &Packet, octets: &[u8]) -> bool {
    let Ok((header, _)) = TcpHeader::from_slice(octets) else { return true };
    // 0 and 0xffff are the same number here.
    let same = |a: u16, b: u16| a == b || matches!((a, b), (0, 0xffff) | (0xffff, 0));
    same(header.checksum, right_sum(&header, packet))
        || same(header.checksum, pseudo_sum(packet, octets.len() + packet.payload.len()))
}

fn data<'a>(packet: &'a Packet, next: Option<u32>, header: &'a [u8]) -> Data<'a> {
    let (local, remote) = addresses(packet);
    let shown = packet.shown();
    Data {
        ts: 0,
        cookie: 1,
        cgroup: 1,
        direction: Direction::Request,
        side: Side::Passive,
        seq: packet.seq,
        ack: packet.ack,
        rcv_nxt: next,
        payload_len: packet.payload.len() as u32,
        skipped: shown.start as u32,
        bytes: &packet.payload[shown],
        header,
        tcp_flags: TcpFlags(packet.flags & 0x3f),
        local,
        remote,
        listener_owned: next.is_none(),
        truncated: false,
        copy_failed: false,
        unclassified: false,
        over_budget: false,
    }
}
