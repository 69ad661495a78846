//! Messages of a socket -> links and evidence; and what losing sight of a stream means.

use std::collections::VecDeque;
use std::sync::Arc;

use super::early::{Held, Place};
use super::socket::{Announced, CreatorCheck, Socket};
use super::{Directive, Machine, Tracer, at_or, pseudo};
use crate::evidence::{Evidence, RequestLine};
use crate::link::{DepartureIn, EntryIn, Facts};
use crate::model::{BootNs, Head, MessageKey, Owner, Reason, Side};
use crate::probe::{Data, Direction, Drained, Kind};
use crate::wire::{Asked, Event, Poison, ResponseEvent, Segment};

impl<M: Machine> Tracer<M> {
    pub(super) fn request_data(
        &mut self,
        cookie: u64,
        data: &Data<'_>,
        directives: &mut Vec<Directive>,
        out: &mut Vec<Evidence>,
    ) {
        let order = self.order;
        let settings = Arc::clone(&self.limits.wire);
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if !socket.is_watched() || socket.blind {
            return;
        }
        let mut events = std::mem::take(&mut self.events);
        if socket.side == Side::Passive
            && let Some(taken) = data.rcv_nxt
        {
            socket.acknowledge(taken, order, &settings, &mut events);
        }
        let flags = data.tcp_flags;
        let urg = flags.0 & 0x20 != 0;
        socket.segment(
            Segment {
                seq: data.seq,
                payload_len: data.payload_len,
                skipped: data.skipped,
                bytes: data.bytes,
                fin: flags.fin(),
                // The programs have already added the SYN's own number.
                syn: false,
                urg,
            },
            order,
            &settings,
            &mut events,
        );
        if self.charge(cookie)
            && let Some(socket) = self.sockets.get_mut(&cookie)
        {
            socket.shed(&mut events);
            self.counters.shed_streams += 1;
            self.charge(cookie);
        }
        if let Some(until) = self.sockets.get_mut(&cookie).and_then(Socket::grant) {
            directives.push(Directive::Grant { cookie, direction: Direction::Request, until });
        }
        if data.over_budget {
            self.told(cookie, &mut events, data.ts, out);
            self.events = events;
            self.blind(
                cookie,
                Reason::WatchedLate,
                "more was sent before the owner was classified than is kept",
                data.ts,
                out,
            );
            return;
        }
        self.told(cookie, &mut events, data.ts, out);
        self.events = events;
    }

    /// What a stream holds has changed; whether all together hold too much now. The one that grows gives way.
    fn charge(&mut self, cookie: u64) -> bool {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return false };
        let (before, now) = (socket.charged, socket.memory());
        socket.charged = now;
        self.stream_octets = self.stream_octets - before + now;
        now > before && self.stream_octets > self.limits.stream_octets
    }

    pub(super) fn response_data(
        &mut self,
        cookie: u64,
        data: &Data<'_>,
        directives: &mut Vec<Directive>,
        out: &mut Vec<Evidence>,
    ) {
        let order = self.order;
        let settings = Arc::clone(&self.limits.wire);
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let mut events = std::mem::take(&mut self.events);
        socket.acknowledge(data.ack, order, &settings, &mut events);
        self.told(cookie, &mut events, data.ts, out);
        self.events = events;
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let Some(exchanges) = socket.exchanges(&settings) else { return };
        let mut responses = std::mem::take(&mut self.responses);
        exchanges.responses.segment(
            Segment {
                seq: data.seq,
                payload_len: data.payload_len,
                skipped: data.skipped,
                bytes: data.bytes,
                fin: data.tcp_flags.fin(),
                syn: false,
                urg: false,
            },
            order,
            &mut responses,
        );
        if let Some(until) = exchanges.responses.grant() {
            directives.push(Directive::Grant { cookie, direction: Direction::Response, until });
        }
        if self.charge(cookie)
            && let Some(exchanges) = self.sockets.get_mut(&cookie).and_then(|socket| socket.exchanges.as_mut())
        {
            exchanges.responses.shed(&mut responses);
            self.counters.shed_streams += 1;
            self.charge(cookie);
        }
        self.responded(cookie, &mut responses, data.ts);
        self.responses = responses;
    }

    /// What the responses of a connection say of its requests.
    fn responded(&mut self, cookie: u64, responses: &mut Vec<ResponseEvent>, ns: BootNs) {
        let Some(socket) = self.sockets.get_mut(&cookie) else {
            responses.clear();
            return;
        };
        for response in responses.drain(..) {
            match response {
                ResponseEvent::Answered { index, switched: false, .. } => {
                    let key = socket.exchanges.as_ref().and_then(|exchanges| {
                        exchanges.open.get(usize::try_from(index.checked_sub(exchanges.first)?).ok()?).copied()
                    });
                    if let Some(key) = key {
                        socket.no_switch(key.offset);
                    }
                }
                ResponseEvent::Answered { .. } | ResponseEvent::Unknown { .. } => {}
                ResponseEvent::Ended { index, .. } => {
                    let Some(container) = socket.container().cloned() else { continue };
                    let Some(exchanges) = socket.exchanges.as_mut() else { continue };
                    while exchanges.first <= index {
                        let Some(key) = exchanges.open.pop_front() else { break };
                        exchanges.first += 1;
                        if let Some(linker) = self.instances.linker(&container) {
                            linker.answered(key, ns);
                        }
                    }
                }
            }
        }
    }

    /// What a stream told, and what its receiver has acknowledged since.
    pub(super) fn told(&mut self, cookie: u64, events: &mut Vec<Event>, ns: BootNs, out: &mut Vec<Evidence>) {
        let mut poison = None;
        for event in events.drain(..) {
            match event {
                Event::Head { offset, head_len, head, digest, started_at, complete_at, .. } => {
                    let announced = |socket: &Socket| Announced {
                        key: MessageKey { conn: socket.conn, offset, stream: 0 },
                        head_end: offset + u64::from(head_len),
                        end: None,
                        head_acknowledged: false,
                    };
                    let Some(socket) = self.sockets.get_mut(&cookie).filter(|socket| !socket.blind) else { continue };
                    let announced = announced(socket);
                    socket.clean_at = complete_at;
                    let key = announced.key;
                    if socket.side == Side::Passive {
                        socket.announced.push_back(announced);
                    }
                    self.message(cookie, key, &head, digest, (started_at, complete_at), ns, out);
                }
                Event::End { offset, end, .. } => {
                    if let Some(socket) = self.sockets.get_mut(&cookie)
                        && let Some(announced) = socket.announced.iter_mut().rev().find(|a| a.key.offset == offset)
                    {
                        announced.end = Some(end);
                    }
                }
                Event::Poisoned { offset, reason } => poison = Some((offset, reason)),
            }
        }
        self.progress(cookie, ns, out);
        if let Some((offset, reason)) = poison {
            self.poisoned(cookie, offset, reason, ns, out);
        }
        self.charge(cookie);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event and its place")]
    fn message(
        &mut self,
        cookie: u64,
        key: MessageKey,
        head: &Head,
        digest: u64,
        (started_at, complete_at): (u64, u64),
        ns: BootNs,
        out: &mut Vec<Evidence>,
    ) {
        let settings = Arc::clone(&self.limits.wire);
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        let Some(container) = socket.container().cloned() else { return };
        let (local, peer) = (socket.local, socket.remote);
        if socket.is_arrival() {
            self.counters.arrivals += 1;
            let request = Arc::new(request_line(head));
            out.push(Evidence::Arrived { key, at_pod: Arc::clone(&container), local, peer, request, digest, at: ns });
        }
        if socket.is_entry() {
            self.counters.entries += 1;
            let mut responses = std::mem::take(&mut self.responses);
            if let Some(exchanges) = socket.exchanges(&settings) {
                exchanges.open.push_back(key);
                exchanges.responses.request(Asked::by(head.method()), &mut responses);
            }
            let facts = Facts::of(head, &self.hasher);
            if let Some(linker) = self.instances.linker(&container) {
                linker.enter(EntryIn { key, facts, peer: peer.ip(), complete_at });
            }
            out.push(Evidence::Entered { key, instance: container, local, peer, digest, at: ns });
            self.responded(cookie, &mut responses, ns);
            self.responses = responses;
        } else if socket.is_departure() {
            self.counters.departures += 1;
            let (foreign_process, unknown_creator) = match socket.creator {
                CreatorCheck::Foreign => (true, None),
                CreatorCheck::Unknown(reason) => (false, Some(reason)),
                CreatorCheck::Accepted | CreatorCheck::Proxy => (false, None),
            };
            let facts = Facts::of(head, &self.hasher);
            if let Some(linker) = self.instances.linker(&container) {
                let link =
                    linker.depart(&DepartureIn { key, facts, head, started_at, started_ns: ns, foreign_process });
                out.push(Evidence::Departed { key, instance: container, digest, link, unknown_creator, at: ns });
            }
        }
    }

    /// Acknowledged heads may pay; acknowledged arrivals are received; a stream that is whole again is no suspect.
    fn progress(&mut self, cookie: u64, ns: BootNs, out: &mut Vec<Evidence>) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if socket.announced.is_empty() && socket.suspect.is_none() {
            return;
        }
        let acked = socket.acked();
        let (entry, arrival) = (socket.is_entry(), socket.is_arrival());
        let container = socket.container().cloned();
        for announced in socket.announced.iter_mut().filter(|announced| !announced.head_acknowledged) {
            if announced.head_end > acked {
                break;
            }
            announced.head_acknowledged = true;
            if arrival && announced.end.is_none_or(|end| end > acked) {
                out.push(Evidence::Received { key: announced.key, whole: false, at: ns });
            }
            if entry
                && let Some(container) = &container
                && let Some(linker) = self.instances.linker(container)
            {
                linker.acknowledged(announced.key);
            }
        }
        while let Some(front) = socket.announced.front() {
            if !front.head_acknowledged || front.end.is_none_or(|end| end > acked) {
                break;
            }
            if arrival {
                out.push(Evidence::Received { key: front.key, whole: true, at: ns });
            }
            socket.announced.pop_front();
        }
        if !socket.blind && socket.suspect.is_some_and(|followed| acked > followed) && socket.is_whole() {
            socket.suspect = None;
            if entry
                && let Some(container) = &container
                && let Some(linker) = self.instances.linker(container)
            {
                linker.tame(socket.conn);
            }
        }
    }

    fn poisoned(&mut self, cookie: u64, offset: u64, poison: Poison, ns: BootNs, out: &mut Vec<Evidence>) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if matches!(poison, Poison::Incomplete) {
            // The peer gave up in the middle of a message: its head, if acknowledged, was read all the same (`finish`).
            socket.ended = true;
            return;
        }
        self.counters.poisoned += 1;
        // What was complete before may still be acknowledged; so may a head whose body cannot be followed.
        let disputed = matches!(poison, Poison::Conflict(_));
        let keeps_heads = socket.is_entry() && !disputed;
        let (kept, lost): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut socket.announced)
            .into_iter()
            .partition(|announced| keeps_heads || announced.end.is_some_and(|end| end <= offset));
        socket.announced = lost;
        socket.give_up(Some(poison.reason()), out);
        socket.announced = kept;
        self.blind(cookie, poison.reason(), &poison.to_string(), ns, out);
    }

    /// From here on nothing of this socket can be told apart into requests.
    pub(super) fn blind(&mut self, cookie: u64, reason: Reason, detail: &str, ns: BootNs, out: &mut Vec<Evidence>) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if socket.blind || !socket.is_watched() {
            return;
        }
        if socket.is_arrival() {
            let (kept, lost) = std::mem::take(&mut socket.announced).into_iter().partition(|a| a.end.is_some());
            socket.announced = lost;
            socket.give_up(Some(reason), out);
            socket.announced = kept;
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

fn request_line(head: &Head) -> RequestLine {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let trace_id = head
        .values("traceparent")
        .next()
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| value.split('-').nth(1))
        .map(str::to_owned);
    RequestLine {
        method: text(head.method()),
        path: text(head.target()),
        authority: text(head.authority().unwrap_or_default()),
        trace_id,
    }
}
