//! Which processes of a container are the proxy (design.md, "process"), decided on a plain table.

use std::collections::{BTreeMap, BTreeSet};

/// What stays the same from a fork on, and changes with exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks since boot; with the pid it names a process for the uptime of the machine.
    pub start: u64,
    pub image: Image,
}

/// The memory image that the last exec made. Its addresses are random (ASLR), inherited by fork, and not changed by
/// a process that rewrites its command line, as nginx's workers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Image {
    /// Device and inode of the executable.
    pub exe: (u64, u64),
    pub start_code: u64,
    pub start_stack: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    pub identity: Identity,
    pub parent: u32,
    pub comm: String,
    /// Inodes of the sockets that it has open.
    pub sockets: BTreeSet<u64>,
}

/// The processes of one container, and the listening sockets of its network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcTable {
    pub processes: BTreeMap<u32, Proc>,
    /// Inodes.
    pub listening: BTreeSet<u64>,
}

/// How to tell the serving process from others that listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// The one that started first: whoever is exec'd into a container comes later.
    FirstListener,
    /// Envoy as a child of cilium-agent, which listens too. Only for that container.
    NamedEnvoy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyProcess {
    Proxy,
    /// With its name, or what became of it.
    NotProxy(String),
}

impl ProcTable {
    pub fn has_listener(&self) -> bool {
        self.processes.values().any(|process| !process.sockets.is_disjoint(&self.listening))
    }

    /// The process that owns the listening sockets and started first, and what was forked from it without exec.
    /// While nothing listens, the container's first process is presumed to be it.
    pub fn proxies(&self, serves: Serves) -> BTreeSet<Identity> {
        let listens = |process: &&Proc| !process.sockets.is_disjoint(&self.listening);
        let named = |process: &&Proc| serves != Serves::NamedEnvoy || process.comm.contains("envoy");
        let first = |processes: Vec<&Proc>| {
            processes.into_iter().map(|process| (process.identity.start, process.identity.pid)).min()
        };
        let owner = first(self.processes.values().filter(listens).filter(named).collect())
            .or_else(|| if self.has_listener() { None } else { first(self.processes.values().collect()) });
        let Some(owner) = owner.and_then(|(_, pid)| self.processes.get(&pid)) else { return BTreeSet::new() };
        self.processes
            .values()
            .filter(|process| self.is_fork_of(process, owner))
            .map(|process| process.identity)
            .collect()
    }

    fn is_fork_of(&self, process: &Proc, owner: &Proc) -> bool {
        let mut current = process;
        // Each step goes to an older process; the bound is for a table that was read while pids were reused.
        for _ in 0..=self.processes.len() {
            if current.identity.image != owner.identity.image {
                return false;
            }
            if current.identity.pid == owner.identity.pid {
                return true;
            }
            match self.processes.get(&current.parent) {
                Some(parent) => current = parent,
                None => return false,
            }
        }
        false
    }
}
