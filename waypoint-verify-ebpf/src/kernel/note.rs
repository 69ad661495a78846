//! Packets of watched sockets that are told of without their payload.

use core::arch::asm;

use aya_ebpf::{bindings::bpf_sock, helpers::generated::bpf_get_socket_cookie};
use waypoint_verify_ebpf::{
    map::socket,
    record::{Note, Stray, Tuple, flag, hook, kind},
};

use crate::{
    emit,
    packet::{self, Packet, map_v4},
    traffic::Seen,
};

const AF_INET6: u32 = 10;

/// # Safety
/// The pointers in `seen` are those of the running program.
#[inline(always)]
pub unsafe fn note(seen: &Seen, packet: &Packet) {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        if seen.hook == hook::EGRESS && packet.flags & packet::ACK != 0 {
            (*seen.socket).acked = packet.ack;
        }
        let flags = if seen.verdict & socket::UNCLASSIFIED != 0 { flag::UNCLASSIFIED } else { 0 };
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        emit::fixed::<Note>(seen.settings, kind::NOTE, flags, cookie, (*seen.socket).cgroup, |record| {
            (*record).seq = packet.seq;
            (*record).ack = packet.ack;
            (*record).payload_len = packet.payload_len;
            (*record).tcp_flags = packet.flags;
            (*record).side = seen.side;
            (*record).hook = seen.hook;
            (*record).pad = 0;
        });
    }
}

/// # Safety
/// As for [`note`].
#[inline(always)]
pub unsafe fn stray(seen: &Seen, packet: &Packet, state: u32) {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let flags = if seen.verdict & socket::UNCLASSIFIED != 0 { flag::UNCLASSIFIED } else { 0 };
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        emit::fixed::<Stray>(seen.settings, kind::STRAY, flags, cookie, (*seen.socket).cgroup, |record| {
            packet::write_tuple(seen.skb, packet, seen.hook, &raw mut (*record).packet);
            write_socket_tuple(seen.sk, &raw mut (*record).socket);
            (*record).seq = packet.seq;
            (*record).ack = packet.ack;
            (*record).payload_len = packet.payload_len;
            (*record).tcp_flags = packet.flags;
            (*record).hook = seen.hook;
            (*record).state = state as u8;
            (*record).pad = 0;
        });
    }
}

/// The ends that the socket itself was given: unlike those of a packet, they are never translated.
#[inline(always)]
unsafe fn write_socket_tuple(sk: *mut bpf_sock, tuple: *mut Tuple) {
    // SAFETY: tuple is reserved memory of the ring, aligned to 4; the socket is read word by word.
    unsafe {
        let local = (&raw mut (*tuple).local).cast::<u32>();
        let remote = (&raw mut (*tuple).remote).cast::<u32>();
        if (*sk).family == AF_INET6 {
            *local = (*sk).src_ip6[0];
            *local.add(1) = (*sk).src_ip6[1];
            *local.add(2) = (*sk).src_ip6[2];
            *local.add(3) = (*sk).src_ip6[3];
            *remote = (*sk).dst_ip6[0];
            *remote.add(1) = (*sk).dst_ip6[1];
            *remote.add(2) = (*sk).dst_ip6[2];
            *remote.add(3) = (*sk).dst_ip6[3];
            // Keeps LLVM from joining the two branches behind a computed pointer, which the verifier refuses.
            asm!("/* IPv6 */");
        } else {
            map_v4(local);
            *local.add(3) = (*sk).src_ip4;
            map_v4(remote);
            *remote.add(3) = (*sk).dst_ip4;
        }
        (*tuple).local_port = (*sk).src_port as u16;
        (*tuple).remote_port = u16::from_be((*sk).dst_port);
    }
}
