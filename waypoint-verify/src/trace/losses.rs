//! What it means to lose sight of a stream, a socket or a record.

use std::sync::Arc;

use super::announced::Announced;
use super::early::{Held, Place};
use super::socket::Socket;
use super::{Machine, OWNERS, Tracer, at_or, count_by_name, pseudo};
use rustc_hash::FxHashSet;

use crate::evidence::Evidence;
use crate::model::{BootNs, Owner, Reason};
use crate::probe::{Direction, Drained, Kind, Losses};
use crate::wire::Poison;

/// Whose openings were lost: what is read of a socket that nobody knows may be of one of those.
#[derive(Debug, Default)]
pub struct Openings {
    anybodys: bool,
    of: FxHashSet<u64>,
}

impl Openings {
    fn lost(&mut self, of: Option<u64>) {
        match of {
            Some(cgroup) if self.of.len() < OWNERS => _ = self.of.insert(cgroup),
            _ => self.anybodys = true,
        }
    }

    fn were_lost(&self, of: u64) -> bool {
        self.anybodys || self.of.contains(&of)
    }
}

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

    /// Rule 1: what was lost touches everything that it could have been part of: all of it, or what is of the same owner.
    pub(super) fn lost(&mut self, drained: &Drained, out: &mut Vec<Evidence>) {
        // A record that could not be decoded may have been of any kind, and anybody's.
        if drained.undecodable > 0 || !drained.lost.is_empty() {
            self.lost_of(None, drained.lost, drained.undecodable, drained.until_ns, out);
        }
        for of in &drained.lost_of {
            self.lost_of(Some(of.cgroup), of.lost, 0, drained.until_ns, out);
        }
    }

    fn lost_of(
        &mut self,
        cgroup: Option<u64>,
        lost: Losses,
        undecodable: u64,
        until_ns: BootNs,
        out: &mut Vec<Evidence>,
    ) {
        let records = lost.records() + undecodable;
        self.counters.lost_records += records;
        let any = |kinds: &[Kind]| undecodable > 0 || kinds.iter().any(|kind| lost[*kind].records > 0);
        let structure = any(&[Kind::Opened, Kind::Closed, Kind::Created, Kind::Stray]);
        let openings = any(&[Kind::Opened]);
        if openings {
            self.openings_lost.lost(cgroup);
        }
        let of = cgroup.map(|cgroup| {
            // What is wanted of it is asked for when something of it is read.
            self.classify(cgroup, &mut Vec::new());
            self.owners.get(&cgroup).cloned().unwrap_or(Owner::Unknown { cgroup_id: cgroup, path: None })
        });
        if let Some(of) = &of {
            count_by_name(&mut self.counters.lost_by_owner, of.to_string(), records);
        }
        // Of what container, if it is one; a socket that was of nobody known may be of this one.
        let touches = |socket: &Socket| match &of {
            None => true,
            Some(_) if matches!(socket.owner, Owner::Unknown { .. }) => cgroup == Some(socket.cgroup),
            Some(of) => socket.owner == *of,
        };
        let cookies: Vec<u64> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.is_watched() && !socket.blind && touches(socket))
            .map(|(cookie, _)| *cookie)
            .collect();
        out.push(Evidence::Lost { of, records, bytes: lost[Kind::Data].bytes, openings, at: until_ns });
        for cookie in cookies {
            if structure {
                let detail = "openings or closes were lost while it was open";
                self.blind(cookie, Reason::Lost, detail, until_ns, out);
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
        if held.as_data().direction == Direction::Response || !self.openings_lost.were_lost(place.cgroup) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_that_were_lost_are_their_owners_and_beyond_the_bound_anybodys() {
        let mut openings = Openings::default();
        assert!(!openings.were_lost(1));
        openings.lost(Some(1));
        assert_eq!([1, 2].map(|of| openings.were_lost(of)), [true, false]);
        (0..OWNERS as u64).for_each(|of| openings.lost(Some(of)));
        assert!(!openings.were_lost(OWNERS as u64), "so many are told apart");
        openings.lost(Some(OWNERS as u64));
        assert!(openings.were_lost(OWNERS as u64 + 7));
        let mut openings = Openings::default();
        openings.lost(None);
        assert!(openings.were_lost(1));
    }
}
