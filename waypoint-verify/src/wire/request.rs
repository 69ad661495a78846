//! The request direction of one connection: TCP's segments in, events out.

use std::sync::Arc;

use super::parser::Parser;
use super::pieces::Pieces;
use super::segment::{Cut, Segment, next_grant, place, sequence};
use super::unacked::Unacked;
use super::{Bound, Conflict, Event, Gap, Malformed, Poison, Settings};

/// What lies further ahead than any TCP window is no part of the stream (RFC 7323 section 2.3); the receiver drops it too,
/// and should it not, its ACK will show.
const WINDOW: u64 = 1 << 30;

/// The request direction (client to server) of one connection, at one of its sockets.
#[derive(Debug)]
pub struct RequestStream {
    parser: Parser,
    pieces: Option<Box<Pieces>>,
    unacked: Unacked,
    /// Octets that the receiver may have taken, and may not: see [`Self::doubt`].
    doubts: Option<Box<Unacked>>,
    /// At the socket that writes nothing is compared: its own kernel sends the same octets again.
    reads: bool,
    acked: u64,
    granted: u64,
    fin: Option<u64>,
    client_isn: u32,
    max_out_of_order: u32,
    max_unacked: u32,
    poisoned: Option<Poison>,
}

impl RequestStream {
    /// At the socket that reads. Offset 0 is the octet after the SYN.
    pub fn new(client_isn: u32, settings: &Arc<Settings>) -> Self {
        Self {
            parser: Parser::new(Arc::clone(settings)),
            pieces: None,
            unacked: Unacked::default(),
            doubts: None,
            reads: true,
            max_unacked: settings.max_unacknowledged,
            acked: 0,
            granted: 0,
            fin: None,
            client_isn,
            max_out_of_order: settings.max_out_of_order,
            poisoned: None,
        }
    }

    /// At the socket that writes, whose ACKs are not told.
    pub fn written(client_isn: u32, settings: &Arc<Settings>) -> Self {
        Self { reads: false, ..Self::new(client_isn, settings) }
    }

    /// `at`: order number of the record, increasing.
    pub fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Event>) {
        if self.poisoned.is_some() || (segment.syn && segment.seq != self.client_isn) {
            return;
        }
        if segment.urg {
            return self.poison(self.parser.boundary(), Malformed::Urgent.into(), out);
        }
        let start = place(self.client_isn, self.followed(), segment.seq.wrapping_add(u32::from(segment.syn)));
        let cut = Cut::new(start, &segment);
        if cut.start > self.followed() + WINDOW {
            return;
        }
        if let Err((offset, poison)) = self.accept(cut, segment.fin, at, out) {
            self.poison(offset, poison, out);
        }
    }

    /// Octets that TCP seems to throw away, though that is not certain. They are not followed; should other octets stand in
    /// their place before it is acknowledged, nobody can say which ones were taken.
    pub fn doubt(&mut self, segment: Segment<'_>, out: &mut Vec<Event>) {
        let start = place(self.client_isn, self.followed(), segment.seq.wrapping_add(u32::from(segment.syn)));
        let cut = Cut::new(start, &segment);
        if self.poisoned.is_some() || cut.end <= self.acked || cut.start > self.followed() + WINDOW {
            return;
        }
        if segment.urg {
            return self.poison(self.parser.boundary(), Malformed::Urgent.into(), out);
        }
        // What was not copied cannot be compared.
        let whole = if cut.bytes_end() < cut.end { Err(Conflict::OverlapDiffers) } else { Ok(()) };
        let held = self.pieces.as_ref().map_or(Ok(()), |pieces| pieces.compare(cut.bytes_at, cut.bytes));
        let known = self.unacked.compare(cut.bytes_at, cut.bytes, self.acked);
        match known.and(whole.and(held).map_err(|conflict| (self.parser.boundary(), conflict.into()))) {
            Ok(()) => self.doubts.get_or_insert_default().keep(cut.bytes_at, cut.bytes, self.max_unacked),
            Err((offset, poison)) => self.poison(offset, poison, out),
        }
    }

    /// The receiver's cumulative acknowledgement number.
    pub fn ack(&mut self, ack: u32, at: u64, out: &mut Vec<Event>) {
        let ack = place(self.client_isn, self.followed(), ack).max(0).unsigned_abs();
        if ack <= self.acked {
            return;
        }
        if self.poisoned.is_none() {
            self.cover_granted(ack, at, out);
        }
        if ack > self.followed_with_fin() && self.poisoned.is_none() {
            self.poison(self.parser.boundary(), Gap::AckBeyondFollowed.into(), out);
        }
        self.acked = self.acked.max(ack.min(self.followed()));
        self.unacked.acknowledged(self.acked);
        if let Some(doubts) = &mut self.doubts {
            doubts.acknowledged(self.acked);
        }
        if self.unacked.is_idle(self.acked) {
            // Most idle connections have nothing unacknowledged.
            self.unacked.clear();
        }
        self.doubts = self.doubts.take().filter(|doubts| !doubts.is_idle(self.acked));
    }

    /// The connection is gone, nothing more of it will come. `received`: octets that the receiver's kernel counted, if
    /// known: `bytes_received` of a passive socket (payload, + 1 if a FIN came in order); of an active one `bytes_acked` - 1.
    pub fn close(&mut self, received: Option<u64>, at: u64, out: &mut Vec<Event>) {
        if self.poisoned.is_some() {
            return;
        }
        if let Some(received) = received {
            self.cover_granted(received, at, out);
        }
        let mismatch = received.filter(|n| *n != self.followed() && *n != self.followed_with_fin());
        match mismatch {
            _ if self.poisoned.is_some() => {}
            // Less than the receiver itself acknowledged: octets took a way that the hooks do not see.
            Some(n) if n < self.acked => self.poison(0, Gap::CloseMismatch.into(), out),
            // It went away before it took the rest.
            Some(n) if n < self.followed() => self.poison(n.min(self.parser.boundary()), Poison::Incomplete, out),
            Some(_) => self.poison(self.parser.boundary(), Gap::CloseMismatch.into(), out),
            None if self.pieces.is_some() => self.poison(self.parser.boundary(), Gap::HoleAtClose.into(), out),
            None if self.parser.inside_message() => self.poison(self.parser.boundary(), Poison::Incomplete, out),
            None => {}
        }
    }

    /// The request at `offset` (its `switch` was true) was answered without a change of protocol.
    pub fn no_switch(&mut self, offset: u64) {
        if self.poisoned.is_none() {
            self.parser.no_switch(offset);
        }
    }

    /// The request at `offset` was answered with a change of protocol: 101, or 2xx to CONNECT. What follows a WebSocket
    /// handshake or a CONNECT is a tunnel, whose octets are counted and need not be copied.
    pub fn switched(&mut self, offset: u64) {
        if self.poisoned.is_none() {
            self.parser.switched(offset);
        }
    }

    /// Octets of a tunnel that were followed: what came after a message that switched protocols.
    pub fn tunnelled(&self) -> u64 {
        self.parser.tunnelled()
    }

    /// Gives up this stream because all streams together hold too much.
    pub fn shed(&mut self, out: &mut Vec<Event>) {
        if self.poisoned.is_none() {
            self.poison(self.parser.boundary(), Bound::Shed.into(), out);
        }
    }

    /// The sequence number up to which the kernel need not copy, if it is worth telling. Ask after every segment.
    /// It lies at the end of the known part of a body (at most 2^30 ahead), else at what was followed.
    pub fn grant(&mut self) -> Option<u32> {
        if self.poisoned.is_some() {
            return None;
        }
        self.granted = next_grant(self.granted, self.followed(), self.parser.indifferent())?;
        Some(sequence(self.client_isn, self.granted))
    }

    /// Offset up to which the receiver has acknowledged what was followed (the FIN is not counted).
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Offset up to which everything was seen or is covered by a granted skip.
    pub fn followed(&self) -> u64 {
        self.parser.pos()
    }

    /// The client has sent its FIN and everything before it was followed.
    pub fn finished(&self) -> bool {
        self.fin == Some(self.followed())
    }

    pub fn poisoned(&self) -> Option<Poison> {
        self.poisoned
    }

    /// Octets that this stream occupies, about.
    pub fn memory(&self) -> usize {
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.memory());
        let doubts = self.doubts.as_ref().map_or(0, |doubts| size_of::<Unacked>() + doubts.heap());
        size_of::<Self>() + self.parser.heap() + pieces + self.unacked.heap() + doubts
    }

    fn followed_with_fin(&self) -> u64 {
        self.followed() + u64::from(self.finished())
    }

    fn accept(&mut self, cut: Cut<'_>, fin: bool, at: u64, out: &mut Vec<Event>) -> Result<(), (u64, Poison)> {
        let followed = self.followed();
        if cut.bytes_at < followed {
            self.unacked.compare(cut.bytes_at, cut.bytes, self.acked)?;
        }
        if let Some(doubts) = &self.doubts {
            doubts.compare(cut.bytes_at, cut.bytes, self.acked)?;
        }
        // A FIN that the receiver has passed already is thrown away by TCP like any octet.
        let moved = fin && cut.end >= self.acked && *self.fin.get_or_insert(cut.end) != cut.end;
        // A pure ACK after the FIN stands one beyond it.
        let new = if cut.start < cut.end { cut.end } else { 0 };
        let held = self.pieces.as_ref().map_or(0, |pieces| pieces.end());
        let end = new.max(held).max(followed);
        if let Some(fin) = self.fin
            && (moved || end > fin)
        {
            return Err((self.parser.boundary().min(fin), Conflict::AfterFin.into()));
        }
        if cut.end > followed && cut.start < cut.end {
            self.read(cut.starting(followed), at, out).map_err(|poison| (self.parser.boundary(), poison))?;
        }
        if self.finished() && self.parser.inside_message() {
            return Err((self.parser.boundary(), Poison::Incomplete));
        }
        Ok(())
    }

    fn read(&mut self, mut cut: Cut<'_>, at: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        if self.pieces.is_none() && cut.start == self.followed() {
            self.skip(cut.bytes_at - cut.start, out);
            if cut.bytes_at == self.followed() {
                self.take(cut.bytes, at, at, out)?;
                self.skip(cut.end - self.followed(), out);
            }
            cut = cut.starting(self.followed());
            if cut.start == cut.end || cut.bytes.is_empty() && cut.bytes_at == cut.start {
                // Octets that were not copied and mattered: a hole, until an ACK passes it or they come again.
                return Ok(());
            }
        }
        let matters = self.followed() + self.parser.indifferent();
        self.pieces.get_or_insert_default().insert(cut, matters, at)?;
        self.drain(0, at, out)?;
        let too_much = |pieces: &Pieces| pieces.memory() > self.max_out_of_order as usize;
        if self.pieces.as_deref().is_some_and(too_much) { Err(Bound::OutOfOrder.into()) } else { Ok(()) }
    }

    /// Octets in order.
    fn take(&mut self, mut bytes: &[u8], seen: u64, at: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        while !bytes.is_empty() {
            let content = self.parser.indifferent().min(bytes.len() as u64);
            let mut taken = usize::try_from(content).unwrap_or(usize::MAX);
            if content > 0 {
                self.parser.skip(content, out);
            } else {
                let from = self.parser.pos();
                taken = self.parser.take(bytes, seen, at, out)?;
                if self.reads {
                    self.unacked.keep(from, &bytes[..taken], self.max_unacked);
                }
                if taken == 0 && self.parser.indifferent() == 0 {
                    break;
                }
            }
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Octets that were on the wire unseen: followed as far as the body goes.
    fn skip(&mut self, n: u64, out: &mut Vec<Event>) {
        self.parser.skip(n.min(self.parser.indifferent()), out);
    }

    /// What the receiver has is there, also where only a grant says what it is.
    fn cover_granted(&mut self, upto: u64, at: u64, out: &mut Vec<Event>) {
        // A FIN is acknowledged, and counted by the kernel, like an octet.
        let upto = self.fin.map_or(upto, |fin| upto.min(fin));
        if upto > self.followed()
            && let Err(poison) = self.drain(upto, at, out)
        {
            self.poison(self.parser.boundary(), poison, out);
        }
    }

    /// Reads on from what was held. A granted skip is followed as soon as anything behind it is known to exist.
    fn drain(&mut self, exists: u64, at: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        let mut pieces = self.pieces.take().unwrap_or_default();
        loop {
            let pos = self.parser.pos();
            pieces.forget_before(pos);
            if let Some((octets, seen)) = pieces.take_at(pos) {
                self.take(octets.as_ref(), seen, at, out)?;
                continue;
            }
            let granted = pieces.first().unwrap_or(0).max(exists).min(self.granted).saturating_sub(pos);
            let unseen = pieces.present_from(pos).max(granted).min(self.parser.indifferent());
            if unseen == 0 {
                break;
            }
            self.parser.skip(unseen, out);
        }
        self.pieces = (!pieces.is_empty()).then_some(pieces);
        Ok(())
    }

    fn poison(&mut self, offset: u64, reason: Poison, out: &mut Vec<Event>) {
        let (reason, named) = match self.parser.foreign(reason) {
            // Two readings of one octet stay what they are, whatever protocol it is.
            Some((_, name)) if matches!(reason, Poison::Conflict(_)) => (reason, Some(name)),
            Some((opaque, name)) => (opaque, Some(name)),
            None => (reason, None),
        };
        self.poisoned = Some(reason);
        self.pieces = None;
        self.unacked.clear();
        self.doubts = None;
        self.parser.clear();
        out.push(Event::Poisoned { offset, reason, named });
    }
}

#[cfg(test)]
mod tests;
