//! Why the probe cannot run here, and what to do about it.

use std::{fmt, io, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use thiserror::Error;

/// The hooks that the programs attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Ingress,
    Egress,
    SockCreate,
    SockOps,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "cgroup_skb/ingress",
            Self::Egress => "cgroup_skb/egress",
            Self::SockCreate => "cgroup/sock_create",
            Self::SockOps => "sock_ops",
        })
    }
}

/// Why the probe cannot start or go on.
#[derive(Debug, Error)]
pub enum ProbeError {
    #[error("/proc/self/mountinfo cannot be read: {0}")]
    Mountinfo(io::Error),
    #[error(
        "no cgroup-v2 hierarchy is mounted: mount one (mount -t cgroup2 none /sys/fs/cgroup/unified), and in a container \
         mount the host's"
    )]
    NoCgroup2,
    #[error(
        "{path} is no directory of a cgroup-v2 hierarchy: {error}; `findmnt -t cgroup2` says where one is mounted \
         (--cgroup-root)"
    )]
    CgroupRoot { path: PathBuf, error: io::Error },
    #[error("the kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF, as distributions set it")]
    NoBtf,
    #[error(
        "{what} is not permitted: the process lacks {missing}; run as root, or grant it (CAP_SYS_ADMIN also serves)"
    )]
    Capability { what: String, missing: String },
    #[error(
        "another program holds {hook} at {path} exclusively (attached without BPF_F_ALLOW_MULTI): `bpftool cgroup tree` \
         names it; attach it by link or multi mode, or give a cgroup below as the root, such as kubepods.slice"
    )]
    HookHeld { hook: Hook, path: PathBuf },
    #[error("the kernel is too old or built without {feature} (needs 5.19 and CONFIG_CGROUP_BPF): {error}")]
    Kernel { feature: String, error: String },
    #[error("this build has no kernel programs (WAYPOINT_VERIFY_EBPF_OBJECT=none)")]
    NoObject,
    #[error("the ring buffer has {0} octets (--ring-size): it must be a power of two and at least a page (4096)")]
    RingSize(u32),
    #[error("loading the programs failed, which is a defect or a very different kernel: {0}")]
    Load(EbpfError),
    #[error("attaching {hook} at {path} failed: {error}")]
    Attach { hook: Hook, path: PathBuf, error: ProgramError },
    #[error("the map {name} cannot be used: {error}")]
    Map { name: &'static str, error: MapError },
    #[error("the object lacks {0}: is it of another version?")]
    Missing(&'static str),
    #[error("the ring cannot be read: {0}")]
    Ring(io::Error),
    #[error("run-time statistics cannot be read: {0}")]
    Statistics(io::Error),
}
