//! The few calls of bpf(2) that this needs. Six instructions are no reason for another build of kernel programs.

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;

// Numbers of include/uapi/linux/bpf.h.
const MAP_CREATE: i64 = 0;
const MAP_UPDATE_ELEM: i64 = 2;
const PROG_LOAD: i64 = 5;
const PROG_ATTACH: i64 = 8;
const MAP_TYPE_SOCKMAP: u32 = 15;
const PROG_TYPE_SK_MSG: u32 = 16;
const ATTACH_SK_MSG_VERDICT: u32 = 7;
const FUNC_MSG_REDIRECT_MAP: i32 = 60;
const F_INGRESS: i32 = 1;

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapUpdate {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgAttach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

fn bpf<T>(command: i64, attributes: &T) -> Result<i32, Errno> {
    // SAFETY: the attributes are a prefix of the kernel's union, and what they point at lives through the call.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    Errno::result(outcome).map(|fd| fd as i32)
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: bpf(2) has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[derive(Debug)]
pub(super) struct SockMap(OwnedFd);

impl SockMap {
    pub(super) fn new(entries: u32) -> Result<Self> {
        let attributes = MapCreate { map_type: MAP_TYPE_SOCKMAP, key_size: 4, value_size: 4, max_entries: entries };
        Ok(Self(owned(bpf(MAP_CREATE, &attributes).context("a sockmap")?)))
    }

    pub(super) fn insert(&self, key: u32, socket: BorrowedFd<'_>) -> Result<()> {
        let value = socket.as_raw_fd();
        let attributes = MapUpdate {
            map_fd: self.0.as_raw_fd() as u32,
            key: (&raw const key) as u64,
            value: (&raw const value) as u64,
            ..MapUpdate::default()
        };
        bpf(MAP_UPDATE_ELEM, &attributes).context("a socket for the sockmap")?;
        Ok(())
    }

    /// What any socket of the map sends, the socket at this key receives. The program lives as long as the map does.
    pub(super) fn redirect_to(&self, key: i32) -> Result<OwnedFd> {
        let map = self.0.as_raw_fd();
        let instructions = [
            // r1, the message, is in place.
            instruction(0x18, 2, 1, map), // r2 = this map (two slots)
            0,
            instruction(0xb7, 3, 0, key),                   // r3 = key
            instruction(0xb7, 4, 0, F_INGRESS),             // r4 = to the receiving side
            instruction(0x85, 0, 0, FUNC_MSG_REDIRECT_MAP), // its verdict is ours
            instruction(0x95, 0, 0, 0),
        ];
        let mut log = vec![0u8; 64 * 1024];
        let attributes = ProgLoad {
            prog_type: PROG_TYPE_SK_MSG,
            insn_cnt: instructions.len() as u32,
            insns: instructions.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
            log_level: 1,
            log_size: log.len() as u32,
            log_buf: log.as_mut_ptr() as u64,
        };
        let program = owned(
            bpf(PROG_LOAD, &attributes)
                .with_context(|| String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned())?,
        );
        let attributes = ProgAttach {
            target_fd: map as u32,
            attach_bpf_fd: program.as_raw_fd() as u32,
            attach_type: ATTACH_SK_MSG_VERDICT,
            attach_flags: 0,
        };
        bpf(PROG_ATTACH, &attributes).context("attaching the sk_msg program")?;
        Ok(program)
    }
}

/// struct bpf_insn: code, registers, offset 0, immediate.
const fn instruction(code: u8, to: u8, from: u8, immediate: i32) -> u64 {
    (immediate as u32 as u64) << 32 | ((from << 4 | to) as u64) << 8 | code as u64
}
