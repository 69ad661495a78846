//! Whether a socket is watched: by the cgroup in which it was created, or the nearest ancestor that has an owner.

use aya_ebpf::{
    bindings::bpf_sock,
    helpers::generated::{bpf_sk_ancestor_cgroup_id, bpf_sk_cgroup_id},
};
use waypoint_verify_ebpf::map::{Settings, Socket, socket};

use crate::maps::owner;

/// Ancestors are looked for down to this level below the root of the hierarchy (a kubelet's containers are at 4 to 9).
const DEEPEST: i32 = 20;

/// The owner flags of a socket; cached in it until userspace changes the owners.
///
/// # Safety
/// `sk` is a full socket, `state` its storage, `settings` a map value.
#[inline(always)]
pub unsafe fn verdict(sk: *mut bpf_sock, state: *mut Socket, settings: *const Settings) -> u32 {
    // SAFETY: by contract.
    unsafe {
        // Read before the owners are: userspace writes the owners, then the generation.
        let generation = (&raw const (*settings).generation).read_volatile();
        let cached = (&raw const (*state).verdict).read_volatile();
        if (cached >> 32) as u32 == generation {
            return cached as u32;
        }
        if (*state).cgroup == 0 {
            (*state).cgroup = bpf_sk_cgroup_id(sk.cast());
        }
        let verdict = classify(sk, (*state).cgroup, (*settings).default_flags);
        (&raw mut (*state).verdict).write_volatile(u64::from(generation) << 32 | u64::from(verdict));
        verdict
    }
}

#[inline(never)]
unsafe fn classify(sk: *mut bpf_sock, cgroup: u64, default_flags: u32) -> u32 {
    if let Some(flags) = owner(cgroup) {
        return flags;
    }
    let mut level = DEEPEST;
    while level >= 0 {
        // SAFETY: the callers' contract; 0 if the socket's cgroup is not that deep.
        let ancestor = unsafe { bpf_sk_ancestor_cgroup_id(sk.cast(), level) };
        if ancestor != 0
            && let Some(flags) = owner(ancestor)
        {
            return flags;
        }
        level -= 1;
    }
    default_flags | socket::UNCLASSIFIED
}
