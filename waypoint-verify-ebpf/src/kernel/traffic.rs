//! Packets of watched sockets: which record one deserves.

use core::{arch::asm, cmp::min};

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock},
    helpers::generated::{bpf_get_socket_cookie, bpf_sk_cgroup_id, bpf_sk_fullsock},
    programs::SkBuffContext,
};
use waypoint_verify_ebpf::{
    map::{Settings, Socket, counter, owner, socket},
    record::{Note, Stray, Tuple, flag, hook, kind, side},
};

use crate::{
    copy::{self, Slice},
    emit,
    maps::{self, count},
    packet::{self, FIN, Packet, RST, map_v4},
    watch,
};

const TCP: u32 = 6;
const AF_INET6: u32 = 10;

/// TCP states, as `bpf_sock.state` has them.
mod state {
    pub const SYN_SENT: u32 = 2;
    pub const SYN_RECV: u32 = 3;
    pub const CLOSE: u32 = 7;
    pub const LISTEN: u32 = 10;
}

/// A packet and the watched socket that it belongs to.
struct Seen {
    skb: *mut __sk_buff,
    sk: *mut bpf_sock,
    socket: *mut Socket,
    settings: *const Settings,
    verdict: u32,
    side: u8,
    hook: u8,
}

#[inline(always)]
pub fn observe(ctx: &SkBuffContext, hook: u8) {
    let Some(settings) = maps::settings() else {
        return;
    };
    let skb = ctx.skb.skb;
    // SAFETY: pointers that the kernel hands out, each checked before use, as the verifier demands.
    unsafe {
        let sk = (*skb).__bindgen_anon_2.sk;
        if sk.is_null() {
            return;
        }
        let sk = bpf_sk_fullsock(sk);
        if sk.is_null() {
            return;
        }
        let socket = maps::socket_or_new(sk.cast());
        if socket.is_null() {
            return;
        }
        if (*socket).cgroup == 0 {
            // Older than the programs: an opening that follows (or an accepted socket) finds it here.
            (*socket).cgroup = bpf_sk_cgroup_id(sk.cast());
        }
        let verdict = watch::verdict(sk, socket, settings);
        if verdict & !self::socket::UNCLASSIFIED == 0 {
            return;
        }
        if (*sk).protocol != TCP {
            if hook == self::hook::INGRESS && verdict & owner::ENTRIES != 0 {
                count(counter::NOT_TCP);
            }
            return;
        }
        if let Some(packet) = packet::parse(ctx) {
            let seen = Seen { skb, sk, socket, settings, verdict, side: side::UNKNOWN, hook };
            dispatch(seen, &packet);
        }
    }
}

#[inline(always)]
unsafe fn dispatch(mut seen: Seen, packet: &Packet) {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let state = (*seen.sk).state;
        let bits = (*seen.socket).bits;
        if state == state::LISTEN {
            // Deferred accept and Fast Open: payload before there is a socket of its own.
            if seen.hook == hook::INGRESS && packet.payload_len != 0 && seen.verdict & owner::ENTRIES != 0 {
                seen.side = side::PASSIVE;
                request(&seen, packet, flag::LISTENER_OWNED, false);
            }
            return;
        }
        // Another CPU may run the opening's program just now; before it has, only the state tells.
        let opened = bits & (socket::ACTIVE | socket::PASSIVE) != 0 && state != state::SYN_SENT;
        seen.side = if state == state::SYN_RECV {
            side::PASSIVE
        } else if state == state::SYN_SENT {
            side::ACTIVE
        } else if bits & socket::PASSIVE != 0 {
            side::PASSIVE
        } else if bits & socket::ACTIVE != 0 {
            side::ACTIVE
        } else {
            if packet.payload_len != 0 && bits & socket::STRAY == 0 && state != state::CLOSE {
                (*seen.socket).bits = bits | socket::STRAY;
                stray(&seen, packet, state);
            }
            return;
        };
        let reported = if seen.side == side::PASSIVE {
            if seen.verdict & (owner::ENTRIES | owner::RESPONSES) == 0 {
                return;
            }
            if seen.hook == hook::INGRESS {
                packet.payload_len != 0 && seen.verdict & owner::ENTRIES != 0 && request(&seen, packet, 0, opened)
            } else {
                packet.payload_len != 0 && seen.verdict & owner::RESPONSES != 0 && response(&seen, packet)
            }
        } else {
            if seen.verdict & owner::DEPARTURES == 0 {
                return;
            }
            seen.hook == hook::EGRESS && packet.payload_len != 0 && request(&seen, packet, 0, opened)
        };
        let passive_egress = seen.side == side::PASSIVE && seen.hook == hook::EGRESS;
        if reported {
            if passive_egress {
                (*seen.socket).acked = packet.ack;
            }
        } else if packet.flags & (FIN | RST) != 0 || (passive_egress && acknowledges(&seen, packet)) {
            note(&seen, packet);
        }
    }
}

/// Whether this packet acknowledges more than was reported, outside of what is granted to be skipped.
#[inline(always)]
unsafe fn acknowledges(seen: &Seen, packet: &Packet) -> bool {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        if packet.flags & packet::ACK == 0 || (packet.ack.wrapping_sub((*seen.socket).acked) as i32) <= 0 {
            return false;
        }
        match maps::granted(bpf_get_socket_cookie(seen.skb.cast())) {
            Some(until) => until.wrapping_sub(packet.ack) as i32 <= 0,
            None => true,
        }
    }
}

/// Payload in request direction; whether a record was due (even if it was lost).
#[inline(always)]
unsafe fn request(seen: &Seen, packet: &Packet, mut flags: u32, opened: bool) -> bool {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        let mut from = packet.seq;
        if opened {
            from = (*seen.socket).origin;
        }
        let mut skipped = 0;
        if flags & flag::LISTENER_OWNED == 0
            && let Some(until) = maps::granted(cookie)
        {
            let left = until.wrapping_sub(packet.seq) as i32;
            if left > 0 {
                skipped = min(left as u32, packet.payload_len);
            }
            if !opened || until.wrapping_sub(from) as i32 > 0 {
                from = until;
            }
        }
        if skipped == packet.payload_len && packet.flags & (FIN | RST) == 0 {
            return false;
        }
        let wanted = packet.payload_len - skipped;
        let end = from.wrapping_add((*seen.settings).window);
        let room = end.wrapping_sub(packet.seq.wrapping_add(skipped)) as i32;
        let mut captured = if room > 0 { min(room as u32, wanted) } else { 0 };
        if captured < wanted {
            flags |= flag::TRUNCATED_BY_WINDOW;
        }
        if !spend(seen, &mut captured, &mut flags) {
            return false;
        }
        copy::emit(&slice(seen, cookie, flags, skipped, captured), packet);
        true
    }
}

/// Payload in response direction: its first bytes only.
#[inline(always)]
unsafe fn response(seen: &Seen, packet: &Packet) -> bool {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        let mut captured = min(packet.payload_len, (*seen.settings).response_head);
        let mut flags = flag::HEAD_ONLY;
        if !spend(seen, &mut captured, &mut flags) {
            return false;
        }
        copy::emit(&slice(seen, cookie, flags, 0, captured), packet);
        true
    }
}

#[inline(always)]
unsafe fn slice(seen: &Seen, cookie: u64, flags: u32, skipped: u32, captured: u32) -> Slice {
    // SAFETY: the pointers in `seen` were checked.
    let cgroup = unsafe { (*seen.socket).cgroup };
    Slice { skb: seen.skb, sk: seen.sk, cookie, cgroup, flags, skipped, captured, side: seen.side, hook: seen.hook }
}

/// Takes the bytes from the budget of a socket that nobody has classified; false once it was spent.
#[inline(always)]
unsafe fn spend(seen: &Seen, captured: &mut u32, flags: &mut u32) -> bool {
    if seen.verdict & socket::UNCLASSIFIED == 0 {
        return true;
    }
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        if (*seen.socket).bits & socket::OVER_BUDGET != 0 {
            return false;
        }
        *flags |= flag::UNCLASSIFIED;
        let left = (*seen.settings).unclassified_budget.saturating_sub((*seen.socket).spent);
        if *captured > left {
            *captured = left;
            *flags |= flag::OVER_BUDGET;
            (*seen.socket).bits |= socket::OVER_BUDGET;
        }
        (*seen.socket).spent += *captured;
        true
    }
}

#[inline(always)]
unsafe fn note(seen: &Seen, packet: &Packet) {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        if seen.hook == hook::EGRESS && packet.flags & packet::ACK != 0 {
            (*seen.socket).acked = packet.ack;
        }
        let flags = if seen.verdict & socket::UNCLASSIFIED != 0 { flag::UNCLASSIFIED } else { 0 };
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        emit::fixed::<Note>(kind::NOTE, flags, cookie, (*seen.socket).cgroup, |record| {
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

#[inline(always)]
unsafe fn stray(seen: &Seen, packet: &Packet, state: u32) {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let flags = if seen.verdict & socket::UNCLASSIFIED != 0 { flag::UNCLASSIFIED } else { 0 };
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        emit::fixed::<Stray>(kind::STRAY, flags, cookie, (*seen.socket).cgroup, |record| {
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
