//! Other people's programs on the hooks that the probe uses.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use aya::programs::loaded_programs;
use nix::libc;

use super::Hook;

/// `enum bpf_attach_type` of the hooks.
const HOOKS: [(Hook, u32); 4] = [(Hook::Ingress, 0), (Hook::Egress, 1), (Hook::SockCreate, 2), (Hook::SockOps, 3)];

/// The members of `union bpf_attr` that `BPF_PROG_QUERY` reads and writes (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Programs that take effect at this cgroup, its ancestors' included: their ids, and in words
/// `cgroup_skb/ingress: sd_fw_ingress (id 7)`.
///
/// # Errors
/// If the directory cannot be opened or the kernel refuses to tell.
pub(super) fn programs(cgroup: &Path) -> io::Result<Vec<(u32, String)>> {
    let directory = File::open(cgroup)?;
    let mut found = Vec::new();
    for (hook, attach_type) in HOOKS {
        for id in query(&directory, attach_type)? {
            let named = loaded_programs().flatten().find(|program| program.id() == id);
            let name = named.and_then(|program| program.name_as_str().map(str::to_owned)).unwrap_or_default();
            found.push((id, format!("{hook}: {name} (id {id})")));
        }
    }
    Ok(found)
}

/// More than any hook holds (BPF_CGROUP_MAX_PROGS is 64 for each level).
const MOST: usize = 512;

fn query(directory: &File, attach_type: u32) -> io::Result<Vec<u32>> {
    const BPF_PROG_QUERY: libc::c_int = 16;
    const BPF_F_QUERY_EFFECTIVE: u32 = 1;
    let mut ids = vec![0u32; MOST];
    let mut attr = Query {
        target_fd: directory.as_raw_fd().cast_unsigned(),
        attach_type,
        query_flags: BPF_F_QUERY_EFFECTIVE,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MOST as u32,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `prog_cnt` ids to `prog_ids`, and only to `attr` otherwise; both outlive the call.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut attr, size_of::<Query>()) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    ids.truncate(attr.prog_cnt as usize);
    Ok(ids)
}
