//! A program that does nothing, on both hooks: what the kernel's measuring itself costs.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::path::Path;

use anyhow::{Context, Result};
use nix::libc;

const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const CGROUP_SKB: u32 = 8;
const LICENSE: &CStr = c"GPL";
/// `r0 = 1; exit`: pass.
const PASS: [u64; 2] = [0x0000_0001_0000_00b7, 0x0000_0000_0000_0095];

/// `BPF_CGROUP_INET_INGRESS` and `BPF_CGROUP_INET_EGRESS`.
const HOOKS: [u32; 2] = [0, 1];

/// The start of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log: [u64; 3],
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
}

/// The start of `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct Create {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// Attached until dropped.
#[derive(Debug)]
pub struct Empty {
    /// At ingress and at egress.
    pub programs: [OwnedFd; 2],
    _links: [OwnedFd; 2],
}

pub fn attach(cgroup: &Path) -> Result<Empty> {
    let cgroup = File::open(cgroup).with_context(|| cgroup.display().to_string())?;
    let one = |hook: u32| -> io::Result<(OwnedFd, OwnedFd)> {
        let load = Load {
            prog_type: CGROUP_SKB,
            insn_cnt: 2,
            insns: PASS.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            log: [0; 3],
            name: *b"empty\0\0\0\0\0\0\0\0\0\0\0",
            ifindex: 0,
            expected_attach_type: hook,
        };
        let program = bpf(PROG_LOAD, &load)?;
        let fd = |fd: RawFd| u32::try_from(fd).map_err(io::Error::other);
        let create =
            Create { program: fd(program.as_raw_fd())?, target: fd(cgroup.as_raw_fd())?, attach_type: hook, flags: 0 };
        let link = bpf(LINK_CREATE, &create)?;
        Ok((program, link))
    };
    let [(in_program, in_link), (out_program, out_link)] =
        [one(HOOKS[0]).context("an empty program at ingress")?, one(HOOKS[1]).context("an empty program at egress")?];
    Ok(Empty { programs: [in_program, out_program], _links: [in_link, out_link] })
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: `attributes` is the start of a `bpf_attr` of this command, and lives until the call returns; the kernel takes the
    // rest as zero.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: a descriptor that the call has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
