//! Who sent it: a permitted hop, someone exempt, someone unexpected, nobody that was seen.

use std::net::IpAddr;

use super::Walk;
use super::ways::{Way, Ways};
use crate::evidence::End;
use crate::model::{Bypass, ConnKey, ExemptFrom, MessageKey, Owner, ProxyKind, Reason, Side};

impl Walk<'_> {
    /// A sender whose socket no agent saw: outside the cluster, or something that should have been visible.
    pub(super) fn unseen_sender(&self, key: MessageKey, peer: IpAddr, outside: Bypass, ways: &mut Ways) {
        let excuse =
            if self.state.covered { self.state.connections.excuse(key.conn) } else { Some(Reason::NotCovered) };
        if let Some(reason) = excuse {
            return ways.add(Way::Unknown(reason), key);
        }
        ways.unseen = true;
        // A node's own address may stand for someone outside whom the node masquerades.
        let kind = if self.is_of_pods(peer.to_canonical()) { Bypass::UnknownSender } else { outside };
        ways.add(Way::Past(kind), key);
    }

    /// A sender that is not the hop that should have sent it; unless nothing is known of it, so that it may be.
    pub(super) fn unexpected(&self, owner: &Owner, kind: Bypass, key: MessageKey, ways: &mut Ways) {
        let unknown = match owner {
            Owner::Unknown { .. } => true,
            // A container that the inventory does not know may be a restarted proxy.
            Owner::Container(container) if container.name.is_empty() => self.hop_pods.contains(&container.pod.uid),
            // Its agent knew it from an inventory that had it: what it was then nobody can say who took over since.
            Owner::Container(container) => !self.watch.containers.contains_key(&container.id),
            Owner::Host { .. } => false,
        };
        ways.add(if unknown { Way::Unknown(Reason::NotCovered) } else { Way::Past(kind) }, key);
    }

    pub(super) fn is_of_pods(&self, ip: IpAddr) -> bool {
        self.pods.contain(ip)
    }

    /// What came over this connection cannot be told from what came over another one.
    pub(super) fn is_disputed(&self, conn: ConnKey) -> bool {
        self.state.connections.get(conn).is_some_and(|connection| {
            connection.disputed.is_some() || connection.contradicts_itself(|ip| self.is_of_pods(ip))
        })
    }

    pub(super) fn dialled(&self, conn: ConnKey, container: &str) -> bool {
        self.active_end(conn).and_then(|end| end.owner.container()).is_some_and(|owner| owner.id == container)
    }

    pub(super) fn active_end(&self, conn: ConnKey) -> Option<&End> {
        self.state.connections.get(conn)?.end(Side::Active)
    }

    pub(super) fn is_gateway(&self, owner: &Owner) -> bool {
        owner
            .container()
            .and_then(|container| self.watch.proxies.get(&container.id))
            .is_some_and(|proxy| proxy.kind == ProxyKind::Gateway)
    }

    pub(super) fn is_waypoint(&self, owner: &Owner) -> bool {
        owner.container().is_some_and(|container| self.policy.waypoint.contains(&container.id))
    }

    pub(super) fn is_last_hop(&self, owner: &Owner) -> bool {
        self.is_gateway(owner) || (self.policy.via.is_empty() && self.is_waypoint(owner))
    }

    /// Exempt is what the sender that the policy names sent itself: over an own connection, or, where nothing
    /// that entered can have caused it, from the hop where it began. Of several possible senders, all of them.
    pub(super) fn exemption(&self, conn: ConnKey, ways: &Ways, port: u16, node: &str) -> Option<String> {
        let direct = self.active_end(conn).filter(|_| !self.is_disputed(conn));
        let past = !ways.ways.is_empty() && ways.ways.iter().all(|way| matches!(way, Way::Past(_)));
        let began: Option<Vec<&End>> =
            if past { ways.culprits.iter().map(|key| self.active_end(key.conn)).collect() } else { None };
        self.policy
            .exempt
            .iter()
            .filter(|exemption| exemption.ports.is_empty() || exemption.ports.contains(&port))
            .find(|exemption| {
                let matches = |end: &End| match (&exemption.from, &end.owner) {
                    (ExemptFrom::Pods(uids), Owner::Container(container)) => uids.contains(&container.pod.uid),
                    (ExemptFrom::Kubelet, Owner::Host { cgroup, node: at }) => {
                        let kubelet = end.process.as_ref().is_some_and(|process| process.comm == "kubelet");
                        (node.is_empty() || at == node) && (kubelet || cgroup.ends_with("kubelet.service"))
                    }
                    _ => false,
                };
                direct.is_some_and(matches) || began.as_ref().is_some_and(|ends| ends.iter().all(|end| matches(end)))
            })
            .map(|exemption| exemption.reason.clone())
    }
}
