//! The TCP/IP headers of an skb, whose data starts at the IP header.

use core::arch::asm;

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes, programs::SkBuffContext};
use waypoint_verify_ebpf::{
    map::counter,
    record::{Tuple, hook},
};

use crate::maps::count;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

const TCP: u8 = 6;
const V4_MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
/// More extension headers than this are not walked.
const EXTENSIONS: usize = 8;

pub struct Packet {
    pub v6: bool,
    pub source: u16,
    pub destination: u16,
    /// Of the first payload byte.
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub tcp_at: u32,
    pub payload_at: u32,
    pub payload_len: u32,
}

/// Reads the headers; what cannot be read is counted.
#[inline(always)]
pub fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    let Ok(ip) = ctx.load::<[u8; 20]>(0) else {
        count(counter::UNPARSABLE);
        return None;
    };
    let v6 = ip[0] >> 4 == 6;
    let tcp_at = if v6 { walk_v6(ctx, ip[6])? } else { walk_v4(&ip)? };
    let Ok(tcp) = ctx.load::<[u8; 16]>(tcp_at as usize) else {
        count(counter::UNPARSABLE);
        return None;
    };
    let flags = tcp[13];
    let payload_at = tcp_at + u32::from(tcp[12] >> 4) * 4;
    // Neither the IPv4 total length nor the IPv6 payload length: both are 0 in BIG TCP.
    let len = ctx.len();
    if payload_at > len {
        count(counter::UNPARSABLE);
        return None;
    }
    let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
    Some(Packet {
        v6,
        source: u16::from_be_bytes([tcp[0], tcp[1]]),
        destination: u16::from_be_bytes([tcp[2], tcp[3]]),
        seq: if flags & SYN != 0 { seq.wrapping_add(1) } else { seq },
        ack: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]),
        flags,
        tcp_at,
        payload_at,
        payload_len: len - payload_at,
    })
}

/// Where TCP starts in an IPv4 packet.
#[inline(always)]
fn walk_v4(ip: &[u8; 20]) -> Option<u32> {
    if u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0 {
        count(counter::FRAGMENT);
        return None;
    }
    if ip[0] >> 4 != 4 || ip[9] != TCP {
        count(counter::UNPARSABLE);
        return None;
    }
    Some(u32::from(ip[0] & 0xf) * 4)
}

/// Where TCP starts in an IPv6 packet: behind a hop-by-hop header if it is BIG TCP.
#[inline(always)]
fn walk_v6(ctx: &SkBuffContext, first: u8) -> Option<u32> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    let mut next = first;
    let mut at = 40u32;
    for _ in 0..EXTENSIONS {
        if next == TCP {
            return Some(at);
        }
        if next == FRAGMENT {
            count(counter::FRAGMENT);
            return None;
        }
        if next != HOP_BY_HOP && next != ROUTING && next != DESTINATION && next != AUTHENTICATION {
            break;
        }
        let Ok([following, len]) = ctx.load::<[u8; 2]>(at as usize) else {
            break;
        };
        at += if next == AUTHENTICATION { (u32::from(len) + 2) * 4 } else { (u32::from(len) + 1) * 8 };
        next = following;
    }
    count(counter::EXTENSION_HEADER);
    None
}

/// Writes the packet's two ends, as the socket at `hook` sees them.
///
/// # Safety
/// `tuple` points to reserved memory of the ring, aligned to 4.
#[inline(always)]
pub unsafe fn write_tuple(skb: *mut __sk_buff, packet: &Packet, hook: u8, tuple: *mut Tuple) {
    // SAFETY: by contract.
    unsafe {
        let local = (&raw mut (*tuple).local).cast::<u32>();
        let remote = (&raw mut (*tuple).remote).cast::<u32>();
        let (source, destination) = if hook == self::hook::INGRESS {
            (*tuple).local_port = packet.destination;
            (*tuple).remote_port = packet.source;
            (remote, local)
        } else {
            (*tuple).local_port = packet.source;
            (*tuple).remote_port = packet.destination;
            (local, remote)
        };
        if packet.v6 {
            bpf_skb_load_bytes(skb.cast(), 8, source.cast(), 16);
            bpf_skb_load_bytes(skb.cast(), 24, destination.cast(), 16);
        } else {
            map_v4(source);
            bpf_skb_load_bytes(skb.cast(), 12, source.add(3).cast(), 4);
            map_v4(destination);
            bpf_skb_load_bytes(skb.cast(), 16, destination.add(3).cast(), 4);
        }
    }
}

/// Writes the first twelve bytes of an IPv4-mapped address.
///
/// # Safety
/// `address` points to 16 writable bytes, aligned to 4.
#[inline(always)]
pub unsafe fn map_v4(address: *mut u32) {
    let zero: u64;
    // SAFETY: by contract. LLVM makes a memset of two plain zeros, which this target cannot call.
    unsafe {
        asm!("{} = 0", out(reg) zero, options(nomem, nostack));
        *address = zero as u32;
        *address.add(1) = zero as u32;
        *address.add(2) = V4_MAPPED;
    }
}
