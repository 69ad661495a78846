//! What is on this machine: whose cgroup it is, and which process of a container is the proxy.

mod cgroup;
mod index;
mod process;
mod procfs;
mod sockets;
#[cfg(test)]
mod tests;
mod watched;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{ContainerRef, Owner, Process, WatchList};
use crate::trace::Machine;

pub use cgroup::{PodCgroup, parse_cgroup_path};
pub use index::CgroupIndex;
pub use process::{Identity, Proc, ProcTable, ProxyProcess, Serves};
pub use sockets::{AF_VSOCK, count as count_sockets};
pub use watched::{Hole, Older};

/// Processes whose answer is remembered; past it, all are looked at anew.
const REMEMBERED: usize = 16_384;

/// Answers questions about this machine, and remembers the answers.
#[derive(Debug)]
pub struct Host {
    index: CgroupIndex,
    watch: Arc<WatchList>,
    proc_root: PathBuf,
    /// Processes by container id and identity; a process that calls exec gets another identity.
    known: FxHashMap<(String, Identity), bool>,
}

impl Host {
    /// Reads the cgroups below `cgroup_root`, the root of a cgroup-v2 hierarchy.
    ///
    /// Fails outside of the initial PID namespace: the kernel names the creators of sockets by their ids there, and
    /// every proxy would look like a process that is gone.
    pub fn new(cgroup_root: &Path, watch: Arc<WatchList>) -> io::Result<Self> {
        if !procfs::in_initial_pid_namespace() {
            return Err(io::Error::other(
                "not in the machine's initial PID namespace, so that processes cannot be told apart: \
                 run with --pid=host (hostPID: true in a pod)",
            ));
        }
        Self::with_proc(cgroup_root, watch, Path::new("/proc"))
    }

    /// With another procfs (tests; an agent that looks at its host from a container).
    pub fn with_proc(cgroup_root: &Path, watch: Arc<WatchList>, proc_root: &Path) -> io::Result<Self> {
        let index = CgroupIndex::scan(cgroup_root)?;
        Ok(Self { index, watch, proc_root: proc_root.to_owned(), known: FxHashMap::default() })
    }

    /// A newer watch list. What was found on the machine stays; what has come since is looked for.
    pub fn set_watch(&mut self, watch: Arc<WatchList>) {
        self.watch = watch;
        self.known.clear();
        self.index.rescan();
    }

    pub fn owner(&mut self, cgroup: u64) -> Owner {
        self.index.owner_of(cgroup, &self.watch)
    }

    /// Cgroups that are containers of pods of the watch list.
    pub fn container_cgroups(&self) -> Vec<u64> {
        self.index.pods().filter(|(_, pod)| self.watch.pods.contains_key(&pod.pod_uid)).map(|(id, _)| id).collect()
    }

    /// Nodes that have pods in the watch list, none of which is on this machine.
    pub fn uncovered_nodes(&self) -> Vec<String> {
        let here: BTreeSet<_> = self
            .index
            .pods()
            .filter_map(|(_, pod)| self.watch.pods.get(&pod.pod_uid))
            .map(|(_, node)| node.as_str())
            .collect();
        let all: BTreeSet<_> =
            self.watch.pods.values().map(|(_, node)| node.as_str()).filter(|node| !node.is_empty()).collect();
        all.difference(&here).map(|node| (*node).to_owned()).collect()
    }

    /// Whether this process serves the container's listening sockets, or was forked from it without exec.
    /// A process that is gone before it could be looked at is not the proxy.
    pub fn classify(&mut self, container: &ContainerRef, pid: u32) -> ProxyProcess {
        let Some(process) = procfs::process(&self.proc_root, pid) else {
            return ProxyProcess::NotProxy("gone before it could be looked at".into());
        };
        let key = (container.id.clone(), process.identity);
        let name = || ProxyProcess::NotProxy(process.comm.clone());
        match self.known.get(&key) {
            Some(true) => return ProxyProcess::Proxy,
            Some(false) => return name(),
            None => {}
        }
        let table = self.table(container);
        let serves = if container.name == "cilium-agent" { Serves::NamedEnvoy } else { Serves::FirstListener };
        let is_proxy = table.proxies(serves).contains(&process.identity);
        // Before anything listens, the answer is a presumption.
        if table.has_listener() {
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            self.known.insert(key, is_proxy);
        }
        if is_proxy { ProxyProcess::Proxy } else { name() }
    }

    /// Whether something in the container's network namespace listens on this address.
    pub fn listens(&mut self, container: &ContainerRef, address: SocketAddr) -> bool {
        let pids = self.pids(container);
        // Where nobody is left to ask, the connection may well be one that was accepted.
        pids.into_iter().find_map(|pid| procfs::listeners(&self.proc_root, pid)).is_none_or(|listeners| {
            listeners.iter().any(|(local, _)| {
                let same = local.ip().to_canonical() == address.ip().to_canonical();
                local.port() == address.port() && (same || local.ip().is_unspecified())
            })
        })
    }

    fn pids(&mut self, container: &ContainerRef) -> Vec<u32> {
        self.index.directories_of(&container.id).iter().flat_map(|directory| procfs::pids(directory)).collect()
    }

    fn table(&mut self, container: &ContainerRef) -> ProcTable {
        let pids: BTreeSet<_> = self.pids(container).into_iter().collect();
        procfs::table(&self.proc_root, pids)
    }
}

impl Machine for Host {
    fn owner(&mut self, cgroup: u64) -> Owner {
        Self::owner(self, cgroup)
    }

    fn is_proxy_process(&mut self, container: &ContainerRef, pid: u32) -> bool {
        self.classify(container, pid) == ProxyProcess::Proxy
    }

    fn listens(&mut self, container: &ContainerRef, address: SocketAddr) -> bool {
        Self::listens(self, container, address)
    }
}

/// The kubelet's own process: by its unit, or by its name as a process of the node.
pub fn is_kubelet(owner: &Owner, process: Option<&Process>) -> bool {
    let Owner::Host { cgroup, .. } = owner else { return false };
    cgroup.split('/').any(|part| part == "kubelet.service") || process.is_some_and(|process| process.comm == "kubelet")
}
