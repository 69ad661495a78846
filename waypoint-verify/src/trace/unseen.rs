//! What is told to the tracer beside the records: ways past the probes that were found on the machine.

use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::socket::Role;
use super::{Machine, Predating, Tracer, pseudo};
use crate::evidence::Evidence;
use crate::model::{BootNs, ContainerRef, Owner, Reason};

impl<M: Machine> Tracer<M> {
    /// While something can hand octets to sockets past every hook (`why`), nothing that comes over a connection is known
    /// to be all that came over it: not of those that are open, nor of those to come.
    pub fn redirected(&mut self, why: Option<String>, at: BootNs, out: &mut Vec<Evidence>) {
        if let Some(why) = why.as_ref().filter(|_| self.unseen.is_none()) {
            let open: Vec<u64> = self.sockets.keys().copied().collect();
            for cookie in open {
                self.blind(cookie, Reason::NotCovered, why, at, out);
            }
        }
        self.unseen = why;
    }

    /// Requests can reach this container without its kernel's TCP. Told once for each reason.
    pub fn can_be_bypassed(&mut self, container: &Arc<ContainerRef>, why: &str, at: BootNs, out: &mut Vec<Evidence>) {
        let stream = number(&(&container.id, why));
        if !self.tell_once(stream) {
            return;
        }
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        if self.watch.protected.contains(&container.pod.uid) {
            out.push(Evidence::Unreadable {
                stream,
                conn: None,
                at_pod: Arc::clone(container),
                local: nowhere,
                peer: nowhere,
                reason: Reason::NotCovered,
                detail: why.to_owned(),
                at,
            });
        }
    }

    /// A connection that this container had accepted before the probes were attached.
    pub fn older(
        &mut self,
        container: &Arc<ContainerRef>,
        local: SocketAddr,
        remote: SocketAddr,
        at: BootNs,
        out: &mut Vec<Evidence>,
    ) {
        let role = self.role(&Owner::Container(Arc::clone(container)));
        // Containers of one pod have the same addresses.
        let stream = number(&(&container.pod.uid, local, remote));
        if (!role.target && !role.proxy) || !self.tell_once(stream) {
            return;
        }
        self.predates(container, role, stream, (local, remote), at, out);
    }

    /// A connection of which nothing is known but its ends.
    pub(super) fn predates(
        &mut self,
        container: &Arc<ContainerRef>,
        role: Role,
        stream: u64,
        (local, remote): (SocketAddr, SocketAddr),
        at: BootNs,
        out: &mut Vec<Evidence>,
    ) {
        self.counters.predating_connections += 1;
        self.predating.push(Predating { container: Arc::clone(container), local, remote, stream });
        if role.proxy {
            self.instances.wild(container, pseudo(stream), remote.ip(), 0, Reason::PredatesAgent);
        }
        if role.target {
            out.push(Evidence::Unreadable {
                stream,
                conn: None,
                at_pod: Arc::clone(container),
                local,
                peer: remote,
                reason: Reason::PredatesAgent,
                detail: "the connection was open before the probes were attached".into(),
                at,
            });
        }
    }

    /// Connections that were found to be older than the probes since this was asked last.
    pub fn take_predating(&mut self) -> Vec<Predating> {
        std::mem::take(&mut self.predating)
    }

    /// One of these is closed, as was seen at this time: what departs much later it did not cause.
    pub fn older_closed(&mut self, container: &Arc<ContainerRef>, stream: u64, at: BootNs) {
        if let Some(linker) = self.instances.linker(container) {
            linker.closed(pseudo(stream), at);
        }
    }

    /// Of a connection that is older than the probes: whether it was not told of before, found or by its data.
    pub(super) fn is_news(&mut self, container: &ContainerRef, local: SocketAddr, remote: SocketAddr) -> bool {
        self.tell_once(number(&(&container.pod.uid, local, remote)))
    }

    /// Past the bound all is told once more.
    fn tell_once(&mut self, number: u64) -> bool {
        if self.told.len() >= super::OWNERS {
            self.told.clear();
        }
        self.told.insert(number)
    }
}

/// Stands for something that has no cookie: in the upper half of all numbers, where there are none.
fn number(of: &impl std::hash::Hash) -> u64 {
    FxBuildHasher.hash_one(of) | 1 << 63
}
