//! Messages of a socket -> links and evidence; and what losing sight of a stream means.

use std::sync::Arc;

use super::announced::Acknowledged;
use super::socket::CreatorCheck;
use super::{Directive, Machine, Tracer, admit};
use crate::evidence::{Evidence, Protocol, RequestLine};
use crate::link::{DepartureIn, EntryIn, Facts};
use crate::model::{BootNs, Head, MessageKey, Reason, Side, Version};
use crate::probe::{Data, Direction};
use crate::wire::{Asked, Event};

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
            // The periodic check of what the kernel counts against what was followed: `rcv_nxt` has moved since the initial
            // number by what `bytes_received` counts, so that this and every acknowledgement are the same net as at close.
            // Nothing slips between two packets: TCP acknowledges whatever it takes, and each new acknowledgement is told.
            socket.acknowledge(taken, order, &settings, &mut events);
        }
        let admitted = match socket.side {
            Side::Passive => socket.admission.admit(data),
            Side::Active => Ok(admit::segment(data)),
        };
        match admitted {
            Ok(segment) => socket.segment(segment, order, &settings, &mut events),
            Err(why) => {
                self.counters.not_taken += 1;
                if why.is_doubtful() {
                    socket.doubt(admit::segment(data), &settings, &mut events);
                }
            }
        }
        if self.charge(cookie)
            && let Some(socket) = self.sockets.get_mut(&cookie)
        {
            socket.shed(&mut events);
            self.counters.shed_streams += 1;
            self.charge(cookie);
        }
        if let Some(until) = self.sockets.get_mut(&cookie).and_then(|socket| socket.grant()) {
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
    pub(super) fn charge(&mut self, cookie: u64) -> bool {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return false };
        let (before, now) = (socket.charged, socket.memory());
        socket.charged = now;
        let of_owner = self.stream_octets.charge(socket.share(), before, now);
        // Whoever holds more than is left gives way: so there is always some left for the others.
        now > before && of_owner > self.limits.stream_octets.saturating_sub(self.stream_octets.sum())
    }

    /// What a stream told, and what its receiver has acknowledged since.
    pub(super) fn told(&mut self, cookie: u64, events: &mut Vec<Event>, ns: BootNs, out: &mut Vec<Evidence>) {
        let mut poison = None;
        let mut newest = None;
        for event in events.drain(..) {
            match event {
                Event::Head { offset, stream, head_len, head, digest, started_at, complete_at, switch, .. } => {
                    let Some(socket) = self.sockets.get_mut(&cookie).filter(|socket| !socket.blind) else { continue };
                    let key = MessageKey { conn: socket.conn, offset, stream };
                    socket.clean_at = complete_at;
                    newest = Some((offset, offset + u64::from(head_len)));
                    if switch.is_some() {
                        socket.switch = switch;
                    }
                    match socket.side {
                        Side::Passive => socket.announced.head(key, offset + u64::from(head_len)),
                        Side::Active if switch.is_some() => {
                            self.switching.insert(key.conn, (cookie, offset));
                        }
                        Side::Active => {}
                    }
                    self.message(cookie, key, &head, digest, (started_at, complete_at), ns, out);
                }
                Event::End { offset, stream, end, body_len } => {
                    self.body(cookie, offset, stream, body_len, out);
                    if let Some(socket) = self.sockets.get_mut(&cookie) {
                        socket.announced.ended(offset, end);
                        // Without content the head, whose digest is compared, is all of it.
                        if newest != Some((offset, end)) && !socket.blind {
                            let key = MessageKey { conn: socket.conn, offset, stream };
                            out.push(Evidence::Ended { key, side: socket.side, end });
                        }
                    }
                }
                Event::Reset { offset, stream, end } => {
                    if let Some(socket) = self.sockets.get_mut(&cookie).filter(|socket| socket.side == Side::Passive) {
                        // Nothing more of it comes; had it ended before, its receiver acknowledges both.
                        socket.announced.ended(offset, end);
                        socket.resets.push((MessageKey { conn: socket.conn, offset, stream }, end));
                    }
                }
                Event::Poisoned { offset, reason, named } => poison = Some((offset, reason, named)),
            }
        }
        self.progress(cookie, ns, out);
        if let Some((offset, reason, named)) = poison {
            self.poisoned(cookie, offset, reason, named.as_deref(), ns, out);
        }
        self.charge(cookie);
    }

    /// A message is complete: its decoded length tells more of what caused what.
    fn body(&mut self, cookie: u64, offset: u64, stream: u32, octets: u64, out: &mut Vec<Evidence>) {
        let Some(socket) = self.sockets.get(&cookie).filter(|socket| socket.switch.is_none()) else { return };
        let key = MessageKey { conn: socket.conn, offset, stream };
        let Some(linker) = socket.container().and_then(|container| self.instances.linker(container)) else { return };
        if socket.is_entry() {
            linker.entry_ended(key, octets);
        } else if socket.is_departure()
            && let Some(link) = linker.departure_ended(key, octets)
        {
            out.push(Evidence::Narrowed { key, link });
        }
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
        let mut responses = std::mem::take(&mut self.responses);
        if let Some(exchanges) = socket.exchanges(&settings) {
            exchanges.asked(key, Asked::of(head), &mut responses);
        }
        if socket.is_arrival() {
            self.counters.arrivals += 1;
            let request =
                if self.limits.request_lines { Arc::new(request_line(head)) } else { Arc::clone(&self.no_line) };
            out.push(Evidence::Arrived { key, at_pod: Arc::clone(&container), local, peer, request, digest, at: ns });
        }
        if socket.is_entry() {
            self.counters.entries += 1;
            let facts = Facts::of(head, &self.hasher);
            if let Some(linker) = self.instances.linker(&container) {
                linker.enter(EntryIn { key, facts, peer: peer.ip(), complete_at });
            }
            out.push(Evidence::Entered { key, instance: container, local, peer, digest, at: ns });
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
        self.responded(cookie, &mut responses, ns);
        self.responses = responses;
    }

    /// Acknowledged heads may pay; acknowledged arrivals are received; a stream that is whole again is no suspect.
    fn progress(&mut self, cookie: u64, ns: BootNs, out: &mut Vec<Evidence>) {
        let Some(socket) = self.sockets.get_mut(&cookie) else { return };
        if socket.announced.is_empty() && socket.suspect.is_none() && socket.resets.is_empty() {
            return;
        }
        let acked = socket.acked();
        let (entry, arrival) = (socket.is_entry(), socket.is_arrival());
        let container = socket.container().cloned();
        let mut linker = container.as_ref().filter(|_| entry).and_then(|container| self.instances.linker(container));
        socket.announced.acknowledge(acked, |acknowledged| {
            let (key, head, whole) = match acknowledged {
                Acknowledged::Head(key) => (key, true, false),
                Acknowledged::HeadAndWhole(key) => (key, true, true),
                Acknowledged::Whole(key) => (key, false, true),
            };
            if arrival && (head != whole) {
                out.push(Evidence::Received { key, whole, at: ns });
            }
            if head && let Some(linker) = linker.as_deref_mut() {
                linker.acknowledged(key);
            }
        });
        let exchanges = &mut socket.exchanges;
        socket.resets.retain(|(key, end)| {
            let known = *end <= acked;
            if known {
                if let Some(exchanges) = exchanges {
                    exchanges.reset(key.stream);
                }
                if let Some(linker) = linker.as_deref_mut() {
                    linker.reset(*key, ns);
                }
            }
            !known
        });
        if !socket.blind && socket.suspect.is_some_and(|followed| acked > followed) && socket.is_whole() {
            socket.suspect = None;
            if let Some(linker) = linker {
                linker.tame(socket.conn);
            }
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
        protocol: protocol(head),
        method: text(head.method()),
        path: text(head.target()),
        authority: text(head.authority().unwrap_or_default()),
        trace_id,
    }
}

fn protocol(head: &Head) -> Protocol {
    let says = |name: &str, value: &[u8]| {
        head.values(name).any(|v| v.get(..value.len()).is_some_and(|start| start.eq_ignore_ascii_case(value)))
    };
    match head.version() {
        _ if says("content-type", b"application/grpc") => Protocol::Grpc,
        Version::Http10 => Protocol::Http10,
        Version::Http11 if says("upgrade", b"websocket") => Protocol::WebSocket,
        Version::Http11 => Protocol::Http11,
        Version::Http2 => Protocol::Http2,
    }
}
