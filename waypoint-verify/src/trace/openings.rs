//! Sockets come and go: who created them, what they open, when they are followed no longer.

use std::sync::Arc;

use super::admit::Admission;
use super::fair::Share;
use super::socket::{self, Socket};
use super::{Creator, Directive, Machine, Tracer, pseudo, side};
use crate::evidence::{End, Evidence};
use crate::model::{BootNs, ConnKey, Owner, Process, Reason, Side};
use crate::probe::{Closed, Created, Direction, Opened, Stray};

/// Sockets that are followed no longer, but whose end is waited for.
const UNFOLLOWED: usize = 1 << 18;

impl<M: Machine> Tracer<M> {
    pub(super) fn created(&mut self, created: &Created, directives: &mut Vec<Directive>) {
        const TCP: u16 = 6;
        const STREAM: u16 = 1;
        if created.sock_type != STREAM || (created.protocol != TCP && created.protocol != 0) {
            return;
        }
        let role = self.classify(created.cgroup, directives);
        let process = Process { pid: created.tgid, comm: created.comm.to_string() };
        let of_proxy = match self.owners.get(&created.cgroup) {
            Some(Owner::Container(container)) if role.proxy => {
                let container = Arc::clone(container);
                Some(self.machine.is_proxy_process(&container, created.tgid))
            }
            _ => None,
        };
        let (cgroup, order) = (created.cgroup, self.order);
        self.creators.insert(created.cookie, Creator { process, cgroup, order, of_proxy });
        self.creations.insert(Share::of(cgroup), order, created.cookie);
        while self.creations.len() > self.limits.creations {
            let Some(oldest) = self.creations.pop() else { break };
            self.creators.remove(&oldest);
            self.counters.evicted_creations += 1;
        }
    }

    pub(super) fn opened(&mut self, opened: &Opened, directives: &mut Vec<Directive>, out: &mut Vec<Evidence>) {
        self.counters.connections += 1;
        let side = side(opened.side);
        let creator = match side {
            Side::Active => self.creators.remove(&opened.cookie),
            Side::Passive => None,
        };
        if let Some(creator) = &creator {
            self.creations.remove(&Share::of(creator.cgroup), creator.order);
        }
        let cgroup = match opened.cgroup {
            0 => creator.as_ref().map_or(0, |creator| creator.cgroup),
            known => known,
        };
        let role = self.classify(cgroup, directives);
        let owner = self.owners.get(&cgroup).cloned().unwrap_or(Owner::Unknown { cgroup_id: cgroup, path: None });
        let conn = ConnKey { client_isn: opened.client_isn, server_isn: opened.server_isn };
        let end = End {
            owner: owner.clone(),
            process: creator.as_ref().map(|creator| creator.process.clone()),
            local: opened.local,
            remote: opened.remote,
            at: opened.ts,
        };
        out.push(Evidence::Opened { conn, side, end: Arc::new(end) });
        let mut socket = Socket::new(conn, side, owner, role, (opened.local, opened.remote), self.order);
        socket.creator = match (side, creator) {
            (Side::Passive, _) => socket::CreatorCheck::Accepted,
            (Side::Active, Some(creator)) => match creator.of_proxy {
                Some(true) => socket::CreatorCheck::Proxy,
                Some(false) => socket::CreatorCheck::Foreign,
                None => socket::CreatorCheck::Unknown(Reason::PredatesAgent),
            },
            (Side::Active, None) => socket::CreatorCheck::Unknown(Reason::PredatesAgent),
        };
        if self.sockets.contains_key(&opened.cookie) {
            self.forget(opened.cookie, "its close was lost", out);
        }
        if self.sockets.len() >= self.limits.sockets
            && let Some(oldest) = self.by_age.pop()
        {
            // A close that was lost leaves sockets behind.
            self.counters.evicted_sockets += 1;
            self.forget(oldest, "more sockets than are followed (bound `sockets`)", out);
        }
        socket.cgroup = cgroup;
        socket.admission = Admission::new(opened.tsval);
        self.by_age.insert(socket.share(), self.order, opened.cookie);
        self.same_numbers(&socket, opened.cookie);
        self.sockets.insert(opened.cookie, Box::new(socket));
        if opened.mptcp {
            self.blind(
                opened.cookie,
                Reason::Opaque,
                "MPTCP: the stream may go over other connections",
                opened.ts,
                out,
            );
        }
        if let Some(why) = self.unseen.clone() {
            self.blind(opened.cookie, Reason::NotCovered, &why, opened.ts, out);
        }
        for data in self.early.take(opened) {
            let data = data.as_data();
            match data.direction {
                Direction::Request => self.request_data(opened.cookie, &data, directives, out),
                Direction::Response => self.response_data(opened.cookie, &data, directives, out),
            }
        }
    }

    /// Follows a socket no longer although it may be open.
    pub(super) fn forget(&mut self, cookie: u64, why: &str, out: &mut Vec<Evidence>) {
        self.blind(cookie, Reason::Bound, why, 0, out);
        if let Some(mut socket) = self.remove(cookie) {
            socket.give_up(Reason::Bound, |_| false, out);
            let Some(container) = socket.container().filter(|_| socket.is_entry()) else { return };
            if self.unfollowed.len() < UNFOLLOWED {
                // It stays a suspect until it is closed.
                self.unfollowed.insert(cookie, (Arc::clone(container), socket.conn));
                self.entered.insert(socket.conn, cookie);
            } else {
                self.instances.wild(container, pseudo(cookie), socket.remote.ip(), 0, Reason::Bound);
            }
        }
    }

    /// Two open connections with the same initial numbers are one to the linker, so that one could be closed to end the
    /// exchanges of the other. Only someone who chose them has such.
    fn same_numbers(&mut self, socket: &Socket, cookie: u64) {
        if let Some(container) = socket.container().filter(|_| socket.is_entry())
            && self.entered.insert(socket.conn, cookie).is_some()
        {
            self.instances.wild(container, pseudo(cookie), socket.remote.ip(), 0, Reason::Conflict);
        }
    }

    fn left(&mut self, conn: ConnKey, cookie: u64) {
        if self.entered.get(&conn) == Some(&cookie) {
            self.entered.remove(&conn);
        }
    }

    pub(super) fn remove(&mut self, cookie: u64) -> Option<Socket> {
        let socket = self.sockets.remove(&cookie)?;
        self.by_age.remove(&socket.share(), socket.opened_at);
        self.left(socket.conn, cookie);
        self.switching.remove(&socket.conn);
        if socket.is_arrival() {
            self.counters.tunnelled_octets += socket.tunnelled();
        }
        self.stream_octets.charge(socket.share(), socket.charged, 0);
        Some(*socket)
    }

    /// An owner that was not known when the connection was opened turns out to matter.
    pub(super) fn reclassify(
        &mut self,
        cookie: u64,
        cgroup: u64,
        ns: BootNs,
        directives: &mut Vec<Directive>,
        out: &mut Vec<Evidence>,
    ) {
        let role = self.classify(cgroup, directives);
        let Some(owner) = self.owners.get(&cgroup).filter(|owner| !matches!(owner, Owner::Unknown { .. })).cloned()
        else {
            return;
        };
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if matches!(socket.owner, Owner::Unknown { .. }) {
            (socket.owner, socket.role) = (owner, role);
            self.blind(cookie, Reason::WatchedLate, "its owner became known after its opening", ns, out);
        }
    }

    pub(super) fn closed(&mut self, closed: &Closed, out: &mut Vec<Evidence>) {
        let order = self.order;
        if let Some((container, conn)) = self.unfollowed.remove(&closed.cookie)
            && let Some(linker) = self.instances.linker(&container)
        {
            linker.closed(conn, closed.ts);
            self.left(conn, closed.cookie);
        }
        let Some(socket) = self.sockets.get_mut(&closed.cookie) else { return };
        let mut events = std::mem::take(&mut self.events);
        socket.close(closed, order, &self.limits.wire, &mut events);
        self.told(closed.cookie, &mut events, closed.ts, out);
        self.events = events;
        let Some(socket) = self.remove(closed.cookie) else { return };
        self.finish(&socket, closed.ts, out);
        out.push(Evidence::Closed { conn: socket.conn, side: socket.side });
    }

    /// Data of a watched socket that was connected before the probes were.
    pub(super) fn stray(&mut self, stray: &Stray, directives: &mut Vec<Directive>, out: &mut Vec<Evidence>) {
        let role = self.classify(stray.cgroup, directives);
        let Some(Owner::Container(container)) = self.owners.get(&stray.cgroup) else { return };
        let container = Arc::clone(container);
        if !role.target && !role.proxy {
            return;
        }
        if !self.machine.listens(&container, stray.socket_local)
            || !self.is_news(&container, stray.socket_local, stray.socket_remote)
        {
            return;
        }
        let ends = (stray.socket_local, stray.socket_remote);
        self.predates(&container, role, stray.cookie, ends, stray.ts, out);
    }
}
