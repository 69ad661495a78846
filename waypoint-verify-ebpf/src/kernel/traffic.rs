//! Packets of watched sockets: which record one deserves.

use core::cmp::min;

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock},
    helpers::generated::{bpf_get_socket_cookie, bpf_sk_cgroup_id, bpf_sk_fullsock},
    programs::SkBuffContext,
};
use waypoint_verify_ebpf::{
    map::{Settings, Socket, counter, owner, socket},
    record::{flag, hook, kind, side},
};

use crate::{
    copy::{self, Slice},
    emit,
    maps::{self, count},
    note::{note, stray},
    other,
    packet::{self, FIN, Packet, RST},
    watch,
};

const TCP: u32 = 6;

/// TCP states, as `bpf_sock.state` has them.
mod state {
    pub const SYN_SENT: u32 = 2;
    pub const SYN_RECV: u32 = 3;
    pub const CLOSE: u32 = 7;
    pub const LISTEN: u32 = 10;
}

/// A packet and the watched socket that it belongs to.
pub struct Seen {
    pub skb: *mut __sk_buff,
    pub sk: *mut bpf_sock,
    pub socket: *mut Socket,
    pub settings: *const Settings,
    pub verdict: u32,
    pub side: u8,
    pub hook: u8,
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
                other::observe(ctx, &Seen { skb, sk, socket, settings, verdict, side: side::UNKNOWN, hook });
            }
            return;
        }
        if let Some(packet) = packet::parse(ctx) {
            let seen = Seen { skb, sk, socket, settings, verdict, side: side::UNKNOWN, hook };
            dispatch(seen, &packet);
        } else {
            // It may have been payload: a loss like any other, of this owner.
            maps::lost(maps::share((*socket).cgroup), kind::DATA, 0, false);
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
                payload::<false>(&seen, packet, flag::LISTENER_OWNED, false);
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
                packet.payload_len != 0
                    && seen.verdict & owner::ENTRIES != 0
                    && payload::<false>(&seen, packet, 0, opened)
            } else {
                packet.payload_len != 0
                    && seen.verdict & owner::RESPONSES != 0
                    && payload::<true>(&seen, packet, 0, opened)
            }
        } else {
            if seen.verdict & owner::DEPARTURES == 0 {
                return;
            }
            seen.hook == hook::EGRESS && packet.payload_len != 0 && payload::<false>(&seen, packet, 0, opened)
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
        let way = &raw const (*seen.socket).ways[0];
        packet.flags & packet::ACK != 0
            && packet.ack.wrapping_sub((*seen.socket).acked) as i32 > 0
            && ((*way).granted == 0 || (*way).origin.wrapping_sub(packet.ack) as i32 <= 0)
    }
}

/// Payload of a request or a response; whether a record was due (even if it was lost).
#[inline(always)]
unsafe fn payload<const RESPONSE: bool>(seen: &Seen, packet: &Packet, mut flags: u32, opened: bool) -> bool {
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        let cookie = bpf_get_socket_cookie(seen.skb.cast());
        let way = &raw mut (*seen.socket).ways[RESPONSE as usize];
        let mut from = packet.seq;
        let mut skipped = 0;
        if flags & flag::LISTENER_OWNED == 0 {
            let grant = maps::granted(cookie, RESPONSE);
            if opened {
                from = (*way).origin;
                if let Some(until) = grant
                    && until.wrapping_sub(from) as i32 > 0
                {
                    from = until;
                    (*way).origin = until;
                    (*way).granted = 1;
                }
            } else if let Some(until) = grant {
                from = until;
            }
            let left = from.wrapping_sub(packet.seq) as i32;
            if left > 0 && (grant.is_some() || (*way).granted != 0) {
                skipped = min(left as u32, packet.payload_len);
            }
        }
        if skipped == packet.payload_len && packet.flags & (FIN | RST) == 0 {
            return false;
        }
        let wanted = packet.payload_len - skipped;
        let ahead = packet.seq.wrapping_add(skipped).wrapping_sub(from);
        let cgroup = (*seen.socket).cgroup;
        let mut captured = min(room((*seen.settings).window, ahead), wanted);
        if captured < wanted && emit::calm(seen.settings, cgroup, wanted) {
            // One upload is read by many sockets on its way, a response's end only where it is written.
            let calm_window = (*seen.settings).calm_window >> if RESPONSE { 0 } else { 2 };
            let ahead_when_calm = min(room(calm_window, ahead), wanted);
            if ahead_when_calm > captured {
                captured = ahead_when_calm;
            }
        }
        if captured < wanted {
            flags |= flag::TRUNCATED_BY_WINDOW;
        }
        if !spend::<RESPONSE>(seen, &mut captured, &mut flags) {
            return false;
        }
        let Seen { skb, sk, settings, side, hook, .. } = *seen;
        copy::emit(&Slice { skb, sk, settings, cookie, cgroup, flags, skipped, captured, side, hook }, packet);
        true
    }
}

/// What a window leaves to a packet that starts so far behind its start.
#[inline(always)]
fn room(window: u32, ahead: u32) -> u32 {
    let room = window.wrapping_sub(ahead) as i32;
    if room > 0 { room as u32 } else { 0 }
}

/// Takes the bytes from the budget of a socket that nobody has classified; false once that of its requests was spent.
#[inline(always)]
unsafe fn spend<const RESPONSE: bool>(seen: &Seen, captured: &mut u32, flags: &mut u32) -> bool {
    if seen.verdict & socket::UNCLASSIFIED == 0 {
        return true;
    }
    // SAFETY: the pointers in `seen` were checked.
    unsafe {
        if (*seen.socket).bits & socket::OVER_BUDGET != 0 {
            return false;
        }
        *flags |= flag::UNCLASSIFIED;
        let way = &raw mut (*seen.socket).ways[RESPONSE as usize];
        let left = (*seen.settings).unclassified_budget.saturating_sub((*way).spent);
        if *captured > left {
            *captured = left;
            if RESPONSE {
                *flags |= flag::TRUNCATED_BY_WINDOW;
            } else {
                *flags |= flag::OVER_BUDGET;
                (*seen.socket).bits |= socket::OVER_BUDGET;
            }
        }
        (*way).spent += *captured;
        true
    }
}
