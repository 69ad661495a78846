//! cgroup_sock, sock_create: who makes a socket. In process context.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_socket_cookie,
    },
    macros::cgroup_sock,
    programs::SockContext,
};
use waypoint_verify_ebpf::record::{Created, kind};

use crate::{PASS, emit, maps};

#[cgroup_sock(sock_create)]
fn sock_create(ctx: SockContext) -> i32 {
    observe(&ctx);
    PASS
}

fn observe(ctx: &SockContext) {
    let sk = ctx.sock;
    // SAFETY: the context of a cgroup_sock program is the socket itself.
    unsafe {
        let cgroup = bpf_get_current_cgroup_id();
        // Before anything else, and whether or not we are enabled: what is known at birth need not be looked up later.
        let state = maps::socket_or_new(ctx.as_ptr());
        if !state.is_null() {
            (*state).cgroup = cgroup;
        }
        let Some(settings) = maps::settings() else {
            return;
        };
        let pid_tgid = bpf_get_current_pid_tgid();
        let cookie = bpf_get_socket_cookie(ctx.as_ptr());
        let (family, sock_type, protocol) = ((*sk).family, (*sk).type_, (*sk).protocol);
        emit::fixed::<Created>(settings, kind::CREATED, 0, cookie, cgroup, |record| {
            (*record).tgid = (pid_tgid >> 32) as u32;
            (*record).tid = pid_tgid as u32;
            (*record).family = family as u16;
            (*record).sock_type = sock_type as u16;
            (*record).protocol = protocol as u16;
            (*record).pad = 0;
            bpf_get_current_comm((&raw mut (*record).comm).cast(), 16);
        });
    }
}
