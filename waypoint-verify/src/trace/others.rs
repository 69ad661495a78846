//! What comes to protected pods and proxies by other ways than TCP: named, and where it can carry requests, a gap.

use std::sync::Arc;

use super::{Directive, Machine, OWNERS, Tracer, count_by_name, pseudo};
use crate::evidence::Evidence;
use crate::model::{Owner, Reason};
use crate::probe::Other;

const UDP: u16 = 17;
/// From here on Linux gives ports to sockets that ask for none (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32_768;

impl<M: Machine> Tracer<M> {
    pub(super) fn other(&mut self, other: &Other, directives: &mut Vec<Directive>, out: &mut Vec<Evidence>) {
        let role = self.classify(other.cgroup, directives);
        let Some(Owner::Container(container)) = self.owners.get(&other.cgroup) else { return };
        if !role.target && !role.proxy {
            return;
        }
        let container = Arc::clone(container);
        let name = format!("{} into {container}", describe(other));
        count_by_name(&mut self.counters.other_protocols, name, 1);
        // Each peer once: a connection of its own for every request is no more than one is.
        let peer = other.remote.ip();
        if !other.quic || self.quic.contains(&(other.cgroup, peer)) {
            return;
        }
        if self.quic.len() >= OWNERS {
            self.quic.clear();
        }
        self.quic.insert((other.cgroup, peer));
        if role.proxy {
            // Requests that cannot be read enter here: they may have caused whatever departs from now on.
            let entry = pseudo(other.cookie ^ u64::from(other.remote.port()) << 40);
            self.instances.wild(&container, entry, peer, 0, Reason::Opaque);
        }
        if role.target {
            out.push(Evidence::Unreadable {
                stream: other.cookie,
                conn: None,
                at_pod: container,
                local: other.local,
                peer: other.remote,
                reason: Reason::Opaque,
                detail: "QUIC over UDP".into(),
                at: other.ts,
            });
        }
    }
}

/// In words, without what differs from socket to socket of one client.
fn describe(other: &Other) -> String {
    match other.protocol {
        UDP if other.quic => format!("QUIC to port {}", other.local.port()),
        UDP if other.local.port() >= EPHEMERAL => format!("UDP from port {}", other.remote.port()),
        UDP => format!("UDP to port {}", other.local.port()),
        1 | 58 => "ICMP".into(),
        132 => "SCTP".into(),
        protocol => format!("IP protocol {protocol}"),
    }
}
