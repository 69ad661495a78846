//! One followed socket: its streams, and the messages that wait for something.

use std::net::SocketAddr;
use std::sync::Arc;

use super::announced::{Announced, Announcements};
use super::exchanges::Exchanges;
use super::fair::Share;
use crate::evidence::Evidence;
use crate::model::{ConnKey, ContainerRef, MessageKey, Owner, Reason, Side};
use crate::probe::{Closed, TcpFlags};
use crate::trace::Wanted;
use crate::trace::admit::Admission;
use crate::wire::{Conflict, Event, Gap, Poison, RequestStream, Segment, Settings, Switch};

/// What a socket's owner is to the policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub proxy: bool,
    pub target: bool,
}

impl Role {
    pub fn wanted(self) -> Wanted {
        // A target's responses tell whether a request has changed the protocol: what follows is then no request.
        let passive = self.proxy || self.target;
        Wanted { entries: passive, departures: self.proxy, responses: passive }
    }
}

/// Who created a socket that dialled, as far as a proxy's departures are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatorCheck {
    Accepted,
    Proxy,
    Foreign,
    Unknown(Reason),
}

#[derive(Debug)]
pub struct Socket {
    pub conn: ConnKey,
    pub side: Side,
    pub owner: Owner,
    /// In which it was created.
    pub cgroup: u64,
    pub role: Role,
    /// Of what TCP will drop, if it accepted.
    pub admission: Admission,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub creator: CreatorCheck,
    /// Order of its opening.
    pub opened_at: u64,
    /// Order of the newest message head, or of the opening: what cannot be read later began after it.
    pub clean_at: u64,
    request: Option<Box<RequestStream>>,
    pub exchanges: Option<Box<Exchanges>>,
    /// Messages whose head or end the receiver has not acknowledged.
    pub announced: Announcements,
    /// Streams that their sender reset, and where: news once the receiver has acknowledged that far.
    pub resets: Vec<(MessageKey, u64)>,
    /// Nothing of it is read any more.
    pub blind: bool,
    /// What the newest request asked for that asked for another protocol: lengths of bodies say nothing from there on.
    pub switch: Option<Switch>,
    /// Records were lost while it was open, and so much of it had been followed. Until more of it has come and is proven
    /// whole, it may have caused anything.
    pub suspect: Option<u64>,
    /// Its sender was seen to finish in the middle of a message. A FIN that the receiver did not take must hide nothing.
    pub ended: bool,
    /// Octets of the request direction that the kernel counted when it closed.
    taken: u64,
    /// Of its memory, what is counted among that of all streams.
    pub charged: usize,
}

impl Socket {
    pub fn new(
        conn: ConnKey,
        side: Side,
        owner: Owner,
        role: Role,
        (local, remote): (SocketAddr, SocketAddr),
        order: u64,
    ) -> Self {
        Self {
            conn,
            side,
            owner,
            cgroup: 0,
            role,
            admission: Admission::default(),
            local,
            remote,
            creator: CreatorCheck::Accepted,
            opened_at: order,
            clean_at: order,
            request: None,
            exchanges: None,
            announced: Announcements::default(),
            resets: Vec::new(),
            blind: false,
            switch: None,
            suspect: None,
            ended: false,
            taken: 0,
            charged: 0,
        }
    }

    pub fn share(&self) -> Share {
        let dialled = (self.side == Side::Passive).then(|| self.remote.ip().to_canonical());
        Share { cgroup: self.cgroup, dialled }
    }

    pub fn container(&self) -> Option<&Arc<ContainerRef>> {
        match &self.owner {
            Owner::Container(container) => Some(container),
            Owner::Host { .. } | Owner::Unknown { .. } => None,
        }
    }

    pub fn is_entry(&self) -> bool {
        self.role.proxy && self.side == Side::Passive
    }

    pub fn is_arrival(&self) -> bool {
        self.role.target && self.side == Side::Passive
    }

    pub fn is_departure(&self) -> bool {
        self.role.proxy && self.side == Side::Active
    }

    pub fn is_watched(&self) -> bool {
        self.is_entry() || self.is_arrival() || self.is_departure()
    }

    pub fn has_unfinished_arrival(&self) -> bool {
        self.is_arrival() && !self.announced.is_empty() && !self.blind
    }

    /// Made when the first octet, or proof of one, appears: most idle connections never need it.
    pub fn request(&mut self, settings: &Arc<Settings>) -> Option<&mut RequestStream> {
        if self.blind || !self.is_watched() {
            return None;
        }
        let isn = self.conn.client_isn;
        let stream = match self.side {
            Side::Passive => RequestStream::new,
            Side::Active => RequestStream::written,
        };
        Some(self.request.get_or_insert_with(|| Box::new(stream(isn, settings))))
    }

    /// Of a socket that accepted.
    pub fn exchanges(&mut self, settings: &Arc<Settings>) -> Option<&mut Exchanges> {
        if !self.is_entry() && !self.is_arrival() {
            return None;
        }
        let (isn, is_entry) = (self.conn.server_isn, self.is_entry());
        Some(self.exchanges.get_or_insert_with(|| {
            let exchanges = Exchanges::new(isn, settings);
            Box::new(if is_entry { exchanges } else { exchanges.without_ends() })
        }))
    }

    /// Octets that its streams occupy, about.
    pub fn memory(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |stream| stream.memory());
        request + self.exchanges.as_ref().map_or(0, |exchanges| exchanges.memory())
    }

    pub fn shed(&mut self, out: &mut Vec<Event>) {
        if let Some(stream) = self.request.as_mut() {
            stream.shed(out);
        }
    }

    pub fn segment(&mut self, segment: Segment<'_>, order: u64, settings: &Arc<Settings>, out: &mut Vec<Event>) {
        if segment.payload_len > 0 && self.beyond_end(segment.seq.wrapping_add(segment.payload_len)) > 0 {
            return self.poison(Conflict::AfterFin.into(), out);
        }
        if let Some(stream) = self.request(settings) {
            stream.segment(segment, order, out);
        }
    }

    /// A segment of which it is not certain whether TCP takes it.
    pub fn doubt(&mut self, segment: Segment<'_>, settings: &Arc<Settings>, out: &mut Vec<Event>) {
        if let Some(stream) = self.request(settings) {
            stream.doubt(segment, out);
        }
    }

    /// How far a sequence number lies beyond the end that was seen; 0 if none was.
    fn beyond_end(&self, seq: u32) -> i32 {
        let Some(stream) = self.request.as_ref().filter(|_| self.ended && !self.blind) else { return 0 };
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are offsets modulo 2^32")]
        let end = self.conn.client_isn.wrapping_add(1).wrapping_add(stream.followed() as u32);
        seq.wrapping_sub(end).cast_signed()
    }

    fn poison(&self, reason: Poison, out: &mut Vec<Event>) {
        let offset = self.request.as_ref().map_or(0, |stream| stream.followed());
        out.push(Event::Poisoned { offset, reason, named: None });
    }

    /// A packet of the request direction that was not copied.
    pub fn pass(
        &mut self,
        seq: u32,
        payload_len: u32,
        flags: TcpFlags,
        order: u64,
        settings: &Arc<Settings>,
        out: &mut Vec<Event>,
    ) {
        if flags.rst() && payload_len == 0 {
            return;
        }
        let segment =
            Segment { seq, payload_len, skipped: 0, bytes: &[], fin: flags.fin(), syn: flags.syn(), urg: false };
        self.segment(segment, order, settings, out);
    }

    /// What this socket, which accepted, has acknowledged.
    pub fn acknowledge(&mut self, ack: u32, order: u64, settings: &Arc<Settings>, out: &mut Vec<Event>) {
        if self.request.is_none() && ack == self.conn.client_isn.wrapping_add(1) {
            return;
        }
        // One more for the FIN itself.
        if self.beyond_end(ack) > 1 {
            self.poison(Gap::AckBeyondFollowed.into(), out);
        }
        // What was announced before a stream became unreadable is still waiting.
        if let (true, Some(stream)) = (self.blind, self.request.as_mut()) {
            stream.ack(ack, order, &mut Vec::new());
        } else if let Some(stream) = self.request(settings) {
            stream.ack(ack, order, out);
        }
    }

    pub fn close(&mut self, closed: &Closed, order: u64, settings: &Arc<Settings>, out: &mut Vec<Event>) {
        let received = match self.side {
            Side::Passive => closed.bytes_received,
            Side::Active => closed.bytes_acked.saturating_sub(1),
        };
        if self.request.is_none() && received <= 1 {
            return;
        }
        self.taken = received;
        if let Some(stream) = self.request(settings) {
            let followed = stream.followed();
            stream.close(Some(received), order, out);
            if self.ended && received > followed + 1 {
                self.poison(Gap::CloseMismatch.into(), out);
            }
        }
    }

    /// What the receiver took: by its ACKs, or by the kernel's own count once it is closed (a reset sends no ACK of what
    /// was read before it).
    pub fn acked(&self) -> u64 {
        self.request.as_ref().map_or(0, |stream| stream.acked().max(self.taken.min(stream.followed())))
    }

    pub fn followed(&self) -> u64 {
        self.request.as_ref().map_or(0, |stream| stream.followed())
    }

    /// Everything that came was followed, and the receiver has acknowledged as much.
    pub fn is_whole(&self) -> bool {
        self.request.as_ref().is_none_or(|stream| stream.poisoned().is_none() && stream.acked() == stream.followed())
    }

    /// Testifies that its announced requests will not be followed to their end, but for those to `keep`.
    pub fn give_up(&mut self, reason: Reason, keep: impl FnMut(&Announced) -> bool, out: &mut Vec<Evidence>) {
        let given_up = self.announced.split(keep);
        if self.is_arrival() {
            let abandoned = |announced: Announced| {
                let reason = announced.head_acknowledged.then_some(reason);
                Evidence::Abandoned { key: announced.key, reason }
            };
            out.extend(given_up.into_iter().map(abandoned));
        }
    }

    pub fn grant(&mut self) -> Option<u32> {
        self.request.as_mut()?.grant()
    }

    /// Whether the request at `offset` was answered with a change of protocol.
    pub fn resolve(&mut self, offset: u64, switched: bool) {
        let Some(stream) = self.request.as_mut() else { return };
        match switched {
            true => stream.switched(offset),
            false => stream.no_switch(offset),
        }
    }

    /// Octets of a tunnel (WebSocket, CONNECT) that were followed.
    pub fn tunnelled(&self) -> u64 {
        self.request.as_ref().map_or(0, |stream| stream.tunnelled())
    }
}
