//! What it means to lose sight of a stream, a socket or a record.

use std::sync::Arc;

use super::announced::Announced;
use super::early::{Held, Place};
use super::socket::Socket;
use super::{Machine, Tracer, at_or, pseudo};
use crate::evidence::Evidence;
use crate::model::{BootNs, Owner, Reason};
use crate::probe::{Direction, Drained, Kind};
use crate::wire::Poison;

impl<M: Machine> Tracer<M> {
    pub(super) fn poisoned(
        &mut self,
        cookie: u64,
        offset: u64,
        poison: Poison,
        named: Option<&str>,
        ns: BootNs,
        out: &mut Vec<Evidence>,
    ) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if matches!(poison, Poison::Incomplete) {
            // The peer gave up in the middle of a message: its head, if acknowledged, was read all the same (`finish`).
            socket.ended = true;
            return;
        }
        self.counters.poisoned += 1;
        // What was complete before may still be acknowledged; so may a head whose body cannot be followed.
        let keeps_heads = socket.is_entry() && !matches!(poison, Poison::Conflict(_));
        let complete = |announced: &Announced| announced.end.is_some_and(|end| end <= offset);
        socket.give_up(poison.reason(), |announced| keeps_heads || complete(announced), out);
        let detail = named.map_or_else(|| poison.to_string(), str::to_owned);
        self.blind(cookie, poison.reason(), &detail, ns, out);
    }

    /// From here on nothing of this socket can be told apart into requests.
    pub(super) fn blind(&mut self, cookie: u64, reason: Reason, detail: &str, ns: BootNs, out: &mut Vec<Evidence>) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if socket.blind || !socket.is_watched() {
            return;
        }
        if socket.is_arrival() {
            socket.give_up(reason, |announced| announced.end.is_some(), out);
        }
        socket.blind = true;
        let Some(container) = socket.container().cloned() else { return };
        if socket.is_entry() {
            self.instances.wild(&container, socket.conn, socket.remote.ip(), socket.clean_at, reason);
        }
        if socket.is_arrival() {
            out.push(Evidence::Unreadable {
                stream: cookie,
                conn: Some(socket.conn),
                at_pod: container,
                local: socket.local,
                peer: socket.remote,
                reason,
                detail: detail.to_owned(),
                at: at_or(ns, 0),
            });
        }
    }

    /// The connection is over.
    pub(super) fn finish(&mut self, socket: &Socket, ns: BootNs, out: &mut Vec<Evidence>) {
        if socket.is_arrival() {
            // The client gave up: what the target's socket acknowledged of it was read, and nothing else.
            out.extend(socket.announced.iter().map(|announced| match announced.head_end <= socket.acked() {
                true => Evidence::Received { key: announced.key, whole: true, at: ns },
                false => Evidence::Abandoned { key: announced.key, reason: None },
            }));
        }
        if socket.is_entry()
            && let Some(container) = socket.container()
            && let Some(linker) = self.instances.linker(container)
        {
            linker.closed(socket.conn, ns);
        }
    }

    /// Rule 1: what was lost touches everything that it could have been part of.
    pub(super) fn lost(&mut self, drained: &Drained, out: &mut Vec<Evidence>) {
        let records = drained.lost.records() + drained.undecodable;
        if records == 0 {
            return;
        }
        self.counters.lost_records += records;
        // A record that could not be decoded may have been of any kind.
        let any = |kinds: &[Kind]| drained.undecodable > 0 || kinds.iter().any(|kind| drained.lost[*kind].records > 0);
        let structure = any(&[Kind::Opened, Kind::Closed, Kind::Created, Kind::Stray]);
        let openings = any(&[Kind::Opened]);
        self.openings_lost |= openings;
        let bytes = drained.lost[Kind::Data].bytes;
        out.push(Evidence::Lost { records, bytes, openings, at: drained.until_ns });
        let cookies: Vec<u64> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.is_watched() && !socket.blind)
            .map(|(cookie, _)| *cookie)
            .collect();
        for cookie in cookies {
            if structure {
                self.blind(
                    cookie,
                    Reason::Lost,
                    "openings or closes were lost while it was open",
                    drained.until_ns,
                    out,
                );
            } else if let Some(socket) = self.sockets.get_mut(&cookie)
                && socket.is_entry()
                && let Some(container) = socket.container().cloned()
            {
                socket.suspect = Some(socket.followed());
                let (conn, peer, since) = (socket.conn, socket.remote.ip(), socket.clean_at);
                self.instances.wild(&container, conn, peer, since, Reason::Lost);
            }
        }
    }

    /// Data of a watched socket whose opening never came. If none was lost, there was no connection (a SYN with data that
    /// was not accepted) or it was told already (a packet that came after the close).
    pub(super) fn unplaced(&mut self, place: Place, held: &Held, ns: BootNs, out: &mut Vec<Evidence>) {
        if held.as_data().direction == Direction::Response || !self.openings_lost {
            return;
        }
        let Some(Owner::Container(container)) = self.owners.get(&place.cgroup) else { return };
        let container = Arc::clone(container);
        let role = self.role(&Owner::Container(Arc::clone(&container)));
        let passive = matches!(held.as_data().side, crate::probe::Side::Passive);
        if role.proxy && passive {
            self.instances.wild(&container, pseudo(place.cookie), place.remote.ip(), 0, Reason::Lost);
        }
        if role.target && passive {
            out.push(Evidence::Unreadable {
                stream: place.cookie,
                conn: None,
                at_pod: container,
                local: place.local,
                peer: place.remote,
                reason: Reason::Lost,
                detail: "its opening was lost".into(),
                at: ns,
            });
        }
    }
}
