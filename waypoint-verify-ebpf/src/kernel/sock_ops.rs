//! sock_ops: connections that are established, and their end.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB,
        BPF_SOCK_OPS_STATE_CB_FLAG, bpf_sock_ops,
    },
    helpers::generated::{bpf_get_socket_cookie, bpf_load_hdr_opt, bpf_sock_ops_cb_flags_set},
    macros::sock_ops,
    programs::SockOpsContext,
};
use waypoint_verify_ebpf::{
    map::socket,
    record::{Closed, Opened, Tuple, flag, kind, side},
};

use crate::{PASS, emit, maps, packet::map_v4};

const AF_INET6: u32 = 10;
const TCP_CLOSE: u32 = 7;

#[sock_ops]
fn sock_ops(ctx: SockOpsContext) -> u32 {
    observe(&ctx);
    PASS as u32
}

fn observe(ctx: &SockOpsContext) {
    match ctx.op() {
        BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB => opened(ctx, side::ACTIVE),
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB => opened(ctx, side::PASSIVE),
        BPF_SOCK_OPS_STATE_CB if ctx.arg(1) == TCP_CLOSE => closed(ctx),
        _ => {}
    }
}

#[inline(always)]
fn opened(ctx: &SockOpsContext, side: u8) {
    // Without the flag nothing is recorded, and the connection will be a stray.
    let Some(settings) = maps::settings() else {
        return;
    };
    let ops = ctx.ops;
    // SAFETY: plain reads of the context, which the verifier translates.
    unsafe {
        let sk = (*ops).__bindgen_anon_2.sk;
        if sk.is_null() {
            return;
        }
        let (client_isn, server_isn) = if side == self::side::PASSIVE {
            ((*ops).rcv_nxt.wrapping_sub(1), (*ops).snd_nxt.wrapping_sub(1))
        } else {
            // bytes_acked is what snd_una has moved since the initial number: this holds under Fast Open too, whether
            // or not the data in the SYN was accepted.
            ((*ops).snd_una.wrapping_sub((*ops).bytes_acked as u32), (*ops).rcv_nxt.wrapping_sub(1))
        };
        let cookie = bpf_get_socket_cookie(ctx.as_ptr());
        let state = maps::socket_or_new(sk.cast());
        let mut cgroup = 0;
        if !state.is_null() {
            cgroup = (*state).cgroup;
            if (*state).bits & socket::CLOSED != 0 {
                // The same socket connects once more: the grants are of its former connection.
                maps::forget_grants(cookie);
            }
            // An accepted socket's storage is a copy of its listener's.
            (*state).acked = client_isn.wrapping_add(1);
            (*state).ways[0].origin = client_isn.wrapping_add(1);
            (*state).ways[0].granted = 0;
            (*state).ways[0].spent = 0;
            (*state).ways[1].origin = server_isn.wrapping_add(1);
            (*state).ways[1].granted = 0;
            (*state).ways[1].spent = 0;
            (*state).bits = if side == self::side::PASSIVE { socket::PASSIVE } else { socket::ACTIVE };
        }
        let mut flags = if is_mptcp(ops) { flag::MPTCP } else { 0 };
        let tsval = timestamp(ops);
        if tsval.is_some() {
            flags |= flag::TIMESTAMP;
        }
        emit::fixed::<Opened>(settings, kind::OPENED, flags, cookie, cgroup, |record| {
            (*record).client_isn = client_isn;
            (*record).server_isn = server_isn;
            write_tuple(ops, &raw mut (*record).tuple);
            (*record).tsval = tsval.unwrap_or(0);
            (*record).side = side;
            (*record).pad = 0;
            (*record).pad2 = 0;
            (*record).pad3 = 0;
        });
        // Other programs' wishes are kept.
        let wanted = (*ops).bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG;
        bpf_sock_ops_cb_flags_set(ops, wanted as i32);
    }
}

#[inline(always)]
fn closed(ctx: &SockOpsContext) {
    let Some(settings) = maps::settings() else {
        return;
    };
    let ops = ctx.ops;
    // SAFETY: plain reads of the context, which the verifier translates.
    unsafe {
        let sk = (*ops).__bindgen_anon_2.sk;
        if sk.is_null() {
            return;
        }
        let state = maps::socket(sk.cast());
        if state.is_null() {
            return;
        }
        let bits = (*state).bits;
        if bits & (socket::ACTIVE | socket::PASSIVE) == 0 || bits & socket::CLOSED != 0 {
            return;
        }
        (*state).bits = bits | socket::CLOSED;
        let old_state = ctx.arg(0) as u8;
        let cookie = bpf_get_socket_cookie(ctx.as_ptr());
        emit::fixed::<Closed>(settings, kind::CLOSED, 0, cookie, (*state).cgroup, |record| {
            (*record).bytes_received = (*ops).bytes_received;
            (*record).bytes_acked = (*ops).bytes_acked;
            (*record).snd_nxt = (*ops).snd_nxt;
            (*record).rcv_nxt = (*ops).rcv_nxt;
            (*record).side = if bits & socket::PASSIVE != 0 { side::PASSIVE } else { side::ACTIVE };
            (*record).old_state = old_state;
            (*record).pad = 0;
            (*record).pad2 = 0;
        });
    }
}

/// Whether the packet that completes the handshake carries an MPTCP option.
#[inline(always)]
unsafe fn is_mptcp(ops: *mut bpf_sock_ops) -> bool {
    const MPTCP: u8 = 30;
    const ENOSPC: i64 = 28;
    // Kind, length (0: any), and room for what is found. One word, because LLVM would set an array by memset.
    let mut option = u64::from(MPTCP).to_le();
    // SAFETY: the buffer is as long as is said.
    let found = unsafe { bpf_load_hdr_opt(ops, (&raw mut option).cast::<c_void>(), 8, 0) };
    found > 0 || found == -ENOSPC
}

/// The sender's timestamp in the packet that completes the handshake.
#[inline(always)]
unsafe fn timestamp(ops: *mut bpf_sock_ops) -> Option<u32> {
    const TIMESTAMP: u8 = 8;
    const LEN: i64 = 10;
    // Kind, length (0: any), and room for what is found.
    let mut option = [u64::from(TIMESTAMP).to_le(), 0];
    // SAFETY: the buffer is as long as is said.
    let found = unsafe { bpf_load_hdr_opt(ops, option.as_mut_ptr().cast::<c_void>(), 16, 0) };
    // Kind and length come before it.
    (found == LEN).then(|| u32::from_be((option[0] >> 16) as u32))
}

#[inline(always)]
unsafe fn write_tuple(ops: *mut bpf_sock_ops, tuple: *mut Tuple) {
    // SAFETY: tuple is reserved memory of the ring, aligned to 4; the context is read word by word.
    unsafe {
        let local = (&raw mut (*tuple).local).cast::<u32>();
        let remote = (&raw mut (*tuple).remote).cast::<u32>();
        if (*ops).family == AF_INET6 {
            *local = (*ops).local_ip6[0];
            *local.add(1) = (*ops).local_ip6[1];
            *local.add(2) = (*ops).local_ip6[2];
            *local.add(3) = (*ops).local_ip6[3];
            *remote = (*ops).remote_ip6[0];
            *remote.add(1) = (*ops).remote_ip6[1];
            *remote.add(2) = (*ops).remote_ip6[2];
            *remote.add(3) = (*ops).remote_ip6[3];
            // Keeps LLVM from joining the two branches behind a computed pointer, which the verifier refuses.
            asm!("/* IPv6 */");
        } else {
            map_v4(local);
            *local.add(3) = (*ops).local_ip4;
            map_v4(remote);
            *remote.add(3) = (*ops).remote_ip4;
        }
        // The local port is in host order, the remote one in network order.
        (*tuple).local_port = (*ops).local_port as u16;
        (*tuple).remote_port = u32::from_be((*ops).remote_port) as u16;
    }
}
