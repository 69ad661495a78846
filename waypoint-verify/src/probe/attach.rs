//! From the object to running programs: [`Loaded`], then [`Attached`], then [`Probe`] once enabled.
//!
//! On any error what was done so far is dropped, and with it detached.

use std::{fs::File, io};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, HashMap, MapData, MapError, RingBuf},
    programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, ProgramError, SockOps},
};
use nix::errno::Errno;
use waypoint_verify_ebpf::map::{self, Settings};

use super::{
    Config, Probe, ProbeError,
    error::Hook,
    preflight,
    ring::{Ring, page_size},
    running::Maps,
    shares::Shares,
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("WAYPOINT_VERIFY_PROBE"));

/// The reader does not pause after a drain that brought so many bytes, nor while so many wait: streams that are followed by
/// copying would outrun it. Of a small ring it is an eighth; a power of 2, as the ring is.
const BULK: u32 = 256 << 10;

/// The names of the programs in the object.
pub(super) const PROGRAMS: [(Hook, &str); 4] = [
    (Hook::Ingress, "skb_ingress"),
    (Hook::Egress, "skb_egress"),
    (Hook::SockCreate, "sock_create"),
    (Hook::SockOps, "sock_ops"),
];

/// The kernel has accepted the programs; none runs.
pub(super) struct Loaded {
    config: Config,
    ebpf: Ebpf,
}

/// The programs run, and do nothing yet.
pub(super) struct Attached {
    config: Config,
    ebpf: Ebpf,
}

impl Loaded {
    pub(super) fn load(config: Config) -> Result<Self, ProbeError> {
        let page = page_size().map_err(ProbeError::Ring)?.get();
        if !config.ring_bytes.is_power_of_two() || (config.ring_bytes as usize) < page {
            return Err(ProbeError::RingSize(config.ring_bytes));
        }
        if OBJECT.is_empty() {
            return Err(ProbeError::NoObject);
        }
        if !preflight::has_btf() {
            return Err(ProbeError::NoBtf);
        }
        let mut ebpf =
            EbpfLoader::new().map_max_entries(map::EVENTS, config.ring_bytes).load(OBJECT).map_err(explain_load)?;
        for (hook, name) in PROGRAMS {
            load(&mut ebpf, hook, name).map_err(explain_load)?;
        }
        Ok(Self { config, ebpf })
    }

    /// Packets first, so that an opening is never seen without the bytes that follow it.
    pub(super) fn attach(self) -> Result<Attached, ProbeError> {
        let Self { config, mut ebpf } = self;
        let path = &config.cgroup_root;
        let root = File::open(path)
            .and_then(|root| if preflight::is_cgroup2(&root)? { Ok(root) } else { Err(Errno::EINVAL.into()) })
            .map_err(|error| ProbeError::CgroupRoot { path: path.clone(), error })?;
        for (hook, name) in PROGRAMS {
            attach(&mut ebpf, hook, name, &root).map_err(|error| explain_attach(hook, &config, error))?;
        }
        Ok(Attached { config, ebpf })
    }
}

impl Attached {
    pub(super) fn enable(self) -> Result<Probe, ProbeError> {
        let Self { config, mut ebpf } = self;
        let events = take(&mut ebpf, map::EVENTS)?;
        let ring = RingBuf::try_from(events).map_err(|error| ProbeError::Map { name: map::EVENTS, error })?;
        let maps = Maps {
            owners: hash(&mut ebpf, map::OWNERS)?,
            grants: hash(&mut ebpf, map::GRANTS)?,
            settings: array(&mut ebpf, map::SETTINGS)?,
            lost: array(&mut ebpf, map::LOST)?,
            shares: Shares::new(hash(&mut ebpf, map::SHARES)?)?,
            counters: array(&mut ebpf, map::COUNTERS)?,
        };
        let settings = Settings {
            enabled: 1,
            generation: 1,
            window: config.window,
            default_flags: config.default_flags.bits(),
            unclassified_budget: config.unclassified_budget,
            calm_window: config.calm_window,
            calm: config.ring_bytes / 2,
            bulk: BULK.min(config.ring_bytes / 8).ilog2(),
            ring: config.ring_bytes,
            share: u32::from(config.owner_share.min(100)) * 256 / 100,
        };
        Probe::enable(ebpf, maps, Ring::new(ring).map_err(ProbeError::Ring)?, settings, config)
    }
}

fn load(ebpf: &mut Ebpf, hook: Hook, name: &str) -> Result<(), EbpfError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?;
    match hook {
        Hook::Ingress | Hook::Egress => <&mut CgroupSkb>::try_from(program)?.load()?,
        Hook::SockCreate => <&mut CgroupSock>::try_from(program)?.load()?,
        Hook::SockOps => <&mut SockOps>::try_from(program)?.load()?,
    }
    Ok(())
}

/// By link: aya passes the mode on as the link's flags, and only 0 (`Single`) is valid for one. Links always coexist.
fn attach(ebpf: &mut Ebpf, hook: Hook, name: &str, root: &File) -> Result<(), ProgramError> {
    const MODE: CgroupAttachMode = CgroupAttachMode::Single;
    let program = ebpf.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?;
    match hook {
        Hook::Ingress => {
            <&mut CgroupSkb>::try_from(program)?.attach(root, CgroupSkbAttachType::Ingress, MODE)?;
        }
        Hook::Egress => {
            <&mut CgroupSkb>::try_from(program)?.attach(root, CgroupSkbAttachType::Egress, MODE)?;
        }
        Hook::SockCreate => {
            <&mut CgroupSock>::try_from(program)?.attach(root, MODE)?;
        }
        Hook::SockOps => {
            <&mut SockOps>::try_from(program)?.attach(root, MODE)?;
        }
    }
    Ok(())
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, ProbeError> {
    ebpf.take_map(name).ok_or(ProbeError::Missing(name))
}

fn hash<K: aya::Pod, V: aya::Pod>(ebpf: &mut Ebpf, name: &'static str) -> Result<HashMap<MapData, K, V>, ProbeError> {
    HashMap::try_from(take(ebpf, name)?).map_err(|error| ProbeError::Map { name, error })
}

fn array<V: aya::Pod>(ebpf: &mut Ebpf, name: &'static str) -> Result<Array<MapData, V>, ProbeError> {
    Array::try_from(take(ebpf, name)?).map_err(|error| ProbeError::Map { name, error })
}

fn explain_load(error: EbpfError) -> ProbeError {
    let refused = |error: &io::Error| {
        let missing = preflight::missing_capabilities();
        let denied = matches!(error.raw_os_error(), Some(libc_errno) if libc_errno == Errno::EPERM as i32);
        (denied && !missing.is_empty())
            .then(|| ProbeError::Capability { what: "loading the programs".to_owned(), missing: missing.join(", ") })
    };
    match &error {
        EbpfError::MapError(MapError::CreateError { name, io_error, .. }) => refused(io_error).unwrap_or_else(|| {
            ProbeError::Kernel { feature: format!("the kind of map of {name}"), error: io_error.to_string() }
        }),
        EbpfError::ProgramError(ProgramError::LoadError { io_error, verifier_log }) => {
            let log = verifier_log.to_string();
            // "unknown func bpf_x#1", "program of this type cannot use helper bpf_x#1", "invalid func ..."
            let helper = log.lines().rev().find(|line| {
                ["unknown func", "cannot use helper", "invalid func"].iter().any(|words| line.contains(words))
            });
            match (refused(io_error), helper) {
                (Some(refused), _) => refused,
                (None, Some(helper)) => {
                    ProbeError::Kernel { feature: helper.trim().to_owned(), error: io_error.to_string() }
                }
                (None, None) => ProbeError::Load(error),
            }
        }
        EbpfError::BtfError(_) => {
            let missing = preflight::missing_capabilities();
            if missing.is_empty() {
                ProbeError::Load(error)
            } else {
                ProbeError::Capability { what: "loading the programs".to_owned(), missing: missing.join(", ") }
            }
        }
        _ => ProbeError::Load(error),
    }
}

/// The kernel says EPERM both without the capability and to a link where a program is attached exclusively.
fn explain_attach(hook: Hook, config: &Config, error: ProgramError) -> ProbeError {
    let path = config.cgroup_root.clone();
    let errno = match &error {
        ProgramError::SyscallError(syscall) => syscall.io_error.raw_os_error().map(Errno::from_raw),
        _ => None,
    };
    let missing = preflight::missing_capabilities();
    match errno {
        Some(Errno::EPERM) if !missing.is_empty() => ProbeError::Capability {
            what: format!("attaching {hook} at {}", path.display()),
            missing: missing.join(", "),
        },
        Some(Errno::EPERM | Errno::EBUSY) => ProbeError::HookHeld { hook, path },
        Some(Errno::EINVAL | Errno::EOPNOTSUPP) => {
            ProbeError::Kernel { feature: format!("links of {hook}"), error: error.to_string() }
        }
        _ => ProbeError::Attach { hook, path, error },
    }
}
