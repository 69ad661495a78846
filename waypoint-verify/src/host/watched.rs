//! Containers of the watch list that run here, and what of their network namespaces can carry octets unseen.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::sockets::{self, AF_XDP};
use super::{Host, procfs};
use crate::model::{ContainerRef, Owner};

/// A connection that was there before the probes were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Older {
    pub container: Arc<ContainerRef>,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Something can still come over it; otherwise what it brought may still be worked on.
    pub brings: bool,
}

/// What was found in the network namespace of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hole {
    /// In words; what the container receives may be received by something else than the kernel's TCP.
    UserSpaceTcp(String),
    /// A check that could not be made, and why.
    NotChecked(String),
}

impl Host {
    /// Containers of protected pods and proxies that have processes here, with these.
    pub fn watched(&mut self) -> Vec<(Arc<ContainerRef>, Vec<u32>)> {
        let watch = Arc::clone(&self.watch);
        let mut containers = BTreeSet::new();
        for cgroup in self.container_cgroups() {
            if let Owner::Container(container) = self.owner(cgroup)
                && (watch.protected.contains(&container.pod.uid) || watch.proxies.contains_key(&container.id))
            {
                containers.insert(container);
            }
        }
        containers
            .into_iter()
            .map(|container| {
                let pids = self.pids(&container);
                (container, pids)
            })
            .filter(|(_, pids)| !pids.is_empty())
            .collect()
    }

    /// Connections that a watched container has accepted, or is about to: of a socket on which it listens.
    pub fn accepted(&mut self) -> Vec<Older> {
        let mut found = Vec::new();
        for (container, pids) in self.watched() {
            let Some(all) = pids.iter().find_map(|pid| sockets::tcp(&self.proc_root, *pid)) else { continue };
            let own = self.inodes(&pids);
            let listens = |local: SocketAddr| {
                all.iter().any(|socket| {
                    let ip = socket.local.ip();
                    socket.listens
                        && own.contains(&socket.inode)
                        && socket.local.port() == local.port()
                        && (ip == local.ip() || ip.is_unspecified())
                })
            };
            let connections = all.iter().filter(|socket| !socket.listens && listens(socket.local));
            found.extend(connections.map(|socket| Older {
                container: Arc::clone(&container),
                local: socket.local,
                remote: socket.remote,
                brings: socket.brings,
            }));
        }
        found
    }

    /// Ways into a container that are not the kernel's TCP.
    pub fn holes(&mut self, container: &ContainerRef, pids: &[u32]) -> Vec<Hole> {
        let Some(pid) = pids.first() else { return Vec::new() };
        let mut holes = Vec::new();
        let own = self.inodes(pids);
        // In the machine's own namespace other people's sockets are no concern of the container's.
        let shared = self.namespace_of(*pid).is_none_or(|namespace| Some(namespace) == self.namespace_of(1));
        let counts = |inodes: Vec<u64>| inodes.into_iter().filter(|inode| !shared || own.contains(inode)).count();
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                holes.push(Hole::UserSpaceTcp(format!(
                    "{count} {what} sockets in the network namespace of {container}"
                )));
            }
        };
        match sockets::packet(&self.proc_root, *pid) {
            Some(inodes) => add(counts(inodes), "packet (AF_PACKET)"),
            None => return vec![Hole::NotChecked(format!("packet sockets of {container}: it is gone"))],
        }
        add(counts(sockets::raw_tcp(&self.proc_root, *pid)), "raw TCP");
        match sockets::count(&self.proc_root, *pid, AF_XDP) {
            // Whose they are sock_diag does not tell.
            Ok(count) => add(count, "AF_XDP"),
            // A kernel without XDP sockets has nobody who lists them.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => {}
            Err(error) => holes.push(Hole::NotChecked(format!("AF_XDP sockets of {container}: {error}"))),
        }
        holes
    }

    /// Paths of unix sockets that listen in a container's network namespace.
    pub fn unix_listeners(&self, pids: &[u32]) -> Vec<String> {
        pids.first().map(|pid| sockets::unix_listeners(&self.proc_root, *pid)).unwrap_or_default()
    }

    fn inodes(&self, pids: &[u32]) -> BTreeSet<u64> {
        pids.iter().flat_map(|pid| procfs::sockets(&self.proc_root, *pid)).collect()
    }

    fn namespace_of(&self, pid: u32) -> Option<u64> {
        Some(fs::metadata(self.proc_root.join(pid.to_string()).join("ns/net")).ok()?.ino())
    }
}
