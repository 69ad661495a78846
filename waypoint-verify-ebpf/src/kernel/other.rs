//! Packets of other protocols than TCP into watched containers: told so that they can be named, never followed.

use aya_ebpf::{helpers::generated::bpf_get_socket_cookie, programs::SkBuffContext};
use waypoint_verify_ebpf::{
    map::socket,
    record::{Other, flag, hook, kind},
};

use crate::{
    emit,
    packet::{self, Packet},
    traffic::Seen,
};

const UDP: u32 = 17;
const UDP_HEADER: u32 = 8;
/// RFC 9000, 14.1: what a client's first datagram has at least.
const FIRST_OF_QUIC: u32 = 1200;

/// # Safety
/// The pointers in `seen` are those of the running program.
#[inline(always)]
pub unsafe fn observe(ctx: &SkBuffContext, seen: &Seen) {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let bits = (*seen.socket).bits;
        let protocol = (*seen.sk).protocol;
        let told = bits & socket::OTHER != 0;
        if told && (protocol != UDP || ctx.len() < FIRST_OF_QUIC) {
            return;
        }
        let Ok(ip) = ctx.load::<[u8; 10]>(0) else {
            return;
        };
        let v6 = ip[0] >> 4 == 6;
        let at = if v6 { 40 } else { u32::from(ip[0] & 0xf) * 4 };
        // Behind extension headers the ports are not looked for: the socket's own port is in no record, but it is told.
        let is_udp = protocol == UDP && (if v6 { ip[6] } else { ip[9] }) == UDP as u8;
        let (mut source, mut destination, mut quic) = (0, 0, false);
        if is_udp && let Ok(udp) = ctx.load::<[u8; 4]>(at as usize) {
            source = u16::from_be_bytes([udp[0], udp[1]]);
            destination = u16::from_be_bytes([udp[2], udp[3]]);
            quic = ctx.len() >= at + UDP_HEADER + FIRST_OF_QUIC && starts_quic(ctx, at + UDP_HEADER);
        }
        if told && !quic {
            return;
        }
        (*seen.socket).bits = bits | socket::OTHER;
        let mut flags = if seen.verdict & socket::UNCLASSIFIED != 0 { flag::UNCLASSIFIED } else { 0 };
        if quic {
            flags |= flag::QUIC;
        }
        let packet =
            Packet { v6, source, destination, seq: 0, ack: 0, flags: 0, tcp_at: at, payload_at: at, payload_len: 0 };
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        emit::fixed::<Other>(seen.settings, kind::OTHER, flags, cookie, (*seen.socket).cgroup, |record| {
            packet::write_tuple(seen.skb, &packet, hook::INGRESS, &raw mut (*record).tuple);
            (*record).protocol = protocol as u16;
            (*record).sock_type = (*seen.sk).type_ as u16;
        });
    }
}

/// A long header of a version that is in use: 1, 2, a draft, or one that only asks for the versions of the other end.
#[inline(always)]
fn starts_quic(ctx: &SkBuffContext, at: u32) -> bool {
    let Ok([first, a, b, c, d]) = ctx.load::<[u8; 5]>(at as usize) else {
        return false;
    };
    let version = u32::from_be_bytes([a, b, c, d]);
    first & 0xc0 == 0xc0
        && (version == 1
            || version == 0x6b33_43cf
            || version & 0xffff_ff00 == 0xff00_0000
            || version & 0x0f0f_0f0f == 0x0a0a_0a0a)
}
