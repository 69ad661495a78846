//! A thin reader of /proc: processes of a cgroup, their sockets, and who listens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::process::{Identity, Image, Proc, ProcTable};

/// `PROC_PID_INIT_INO` of the kernel's include/linux/proc_ns.h.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

pub fn in_initial_pid_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == INITIAL_PID_NAMESPACE)
}

pub fn pids(cgroup: &Path) -> Vec<u32> {
    let text = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect()
}

/// Without its sockets. `None`: it is gone.
pub fn process(proc_root: &Path, pid: u32) -> Option<Proc> {
    let directory = proc_root.join(pid.to_string());
    let stat = parse_stat(&fs::read_to_string(directory.join("stat")).ok()?)?;
    let exe = fs::metadata(directory.join("exe")).map(|metadata| (metadata.dev(), metadata.ino())).unwrap_or_default();
    let image = Image { exe, start_code: stat.start_code, start_stack: stat.start_stack };
    let identity = Identity { pid, start: stat.start, image };
    Some(Proc { identity, parent: stat.parent, comm: stat.comm, sockets: BTreeSet::new() })
}

pub fn table(proc_root: &Path, pids: BTreeSet<u32>) -> ProcTable {
    let mut table = ProcTable { processes: BTreeMap::new(), listening: BTreeSet::new() };
    for pid in pids {
        let Some(mut process) = process(proc_root, pid) else { continue };
        process.sockets = sockets(proc_root, pid);
        // Containers of a pod share one network namespace: it is enough to read it once.
        if table.listening.is_empty() {
            table.listening.extend(listeners(proc_root, pid).into_iter().flatten().map(|(_, inode)| inode));
        }
        table.processes.insert(pid, process);
    }
    table
}

pub fn sockets(proc_root: &Path, pid: u32) -> BTreeSet<u64> {
    let entries = fs::read_dir(proc_root.join(pid.to_string()).join("fd")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// Listening TCP sockets of the process's network namespace, with their inodes. `None`: it is gone.
pub fn listeners(proc_root: &Path, pid: u32) -> Option<Vec<(SocketAddr, u64)>> {
    let all = super::sockets::tcp(proc_root, pid)?;
    Some(all.into_iter().filter(|socket| socket.listens).map(|socket| (socket.local, socket.inode)).collect())
}

/// `0100007F:1F91`, of either family.
pub(super) fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(ip)?)),
        32 => {
            let mut octets = [0; 16];
            for (at, octets) in octets.chunks_exact_mut(4).enumerate() {
                octets.copy_from_slice(&word(ip.get(at * 8..at * 8 + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The kernel prints each word of an address (network order in memory) as a number of the host.
fn word(hex: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub comm: String,
    pub parent: u32,
    pub start: u64,
    pub start_code: u64,
    pub start_stack: u64,
}

/// proc_pid_stat(5): the name is in parentheses and may hold any octet, parentheses included.
pub(super) fn parse_stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(") ")?;
    let comm = head.split_once('(')?.1.to_owned();
    let fields: Vec<_> = rest.split_ascii_whitespace().collect();
    // The first of `fields` is field 3 (state).
    let field = |number: usize| -> Option<u64> { fields.get(number - 3)?.parse().ok() };
    Some(Stat {
        comm,
        parent: u32::try_from(field(4)?).ok()?,
        start: field(22)?,
        start_code: field(26)?,
        start_stack: field(28)?,
    })
}
