//! The requests of one stream, one after the other, from octets in order.

use std::sync::Arc;

use super::start::{RequestHead, request_head};
use super::{Chunked, Gather, Gathered, sniff};
use crate::wire::digest::digest;
use crate::wire::{Body, Bound, Event, Malformed, Opaque, Poison, Settings, Switch};

/// Octets of empty lines before a request that are passed over. RFC 9112 section 2.2 asks for at least one line.
const MAX_EMPTY: u8 = 8;
/// An incomplete head is looked at with every piece up to this size, so that another protocol is recognised at once.
const EARLY_LOOKS: usize = 128;

#[derive(Debug)]
enum State {
    /// Before a message, after so many octets of empty lines.
    Between {
        empty: u8,
    },
    Head(Gather),
    Length {
        left: u64,
        total: u64,
    },
    Chunked(Chunked),
    /// After a message whose sender asked for another protocol.
    Switching,
    /// After the switch: any octets, so many of them so far.
    Tunnel {
        octets: u64,
    },
}

/// No tunnel is longer, and offsets stay far from overflow.
const ENDLESS: u64 = 1 << 62;

/// Takes octets strictly in order and says which ones it need not see.
#[derive(Debug)]
pub(in crate::wire) struct Requests {
    settings: Arc<Settings>,
    pos: u64,
    /// Start of the message that is not complete; between messages, the end of the last one.
    message: u64,
    started_at: u64,
    /// Start of the last message that asked for a switch, until that is ruled out.
    switch: Option<(u64, Switch)>,
    /// The last message is the last one of the connection.
    closes: bool,
    state: State,
    /// No message was announced yet.
    first: bool,
}

impl Requests {
    pub fn new(settings: Arc<Settings>) -> Self {
        let state = State::Between { empty: 0 };
        Self { settings, pos: 0, message: 0, started_at: 0, switch: None, closes: false, state, first: true }
    }

    /// Offset after the last octet that was taken or skipped.
    pub fn pos(&self) -> u64 {
        self.pos
    }

    /// Nothing at or after this is a complete message.
    pub fn boundary(&self) -> u64 {
        self.message
    }

    pub fn inside_message(&self) -> bool {
        !matches!(self.state, State::Between { .. } | State::Switching | State::Tunnel { .. })
    }

    /// Octets from here on that belong to a body of known length: they may be skipped.
    pub fn indifferent(&self) -> u64 {
        match &self.state {
            State::Length { left, .. } => *left,
            State::Chunked(chunked) => chunked.indifferent(),
            State::Tunnel { .. } => ENDLESS,
            State::Between { .. } | State::Head(_) | State::Switching => 0,
        }
    }

    /// At most [`Self::indifferent`] octets that are not shown.
    pub fn skip(&mut self, n: u64, out: &mut Vec<Event>) {
        self.pos += n;
        match &mut self.state {
            State::Length { left, total } => {
                *left -= n;
                if *left == 0 {
                    let total = *total;
                    self.end(total, out);
                }
            }
            State::Chunked(chunked) => chunked.skip(n),
            State::Tunnel { octets } => *octets += n,
            State::Between { .. } | State::Head(_) | State::Switching => {}
        }
    }

    /// The next octets. `seen`: the record that they came in; `now`: the record that made them contiguous.
    /// How many were taken: all, unless [`Self::indifferent`] ones or [`Self::asked_h2c`] stand before the rest.
    pub fn take(&mut self, octets: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let mut bytes = octets;
        while !bytes.is_empty() && self.indifferent() == 0 {
            let taken = match &mut self.state {
                State::Between { .. } => self.between(bytes, seen, now, out)?,
                State::Head(_) => self.gather(bytes, now, out)?,
                State::Chunked(chunked) => {
                    let (n, ended) = chunked.describe(bytes, &self.settings)?;
                    let content = chunked.content;
                    self.pos += n as u64;
                    if ended {
                        self.end(content, out);
                    }
                    n
                }
                State::Switching if matches!(self.switch, Some((_, Switch::H2c))) => break,
                State::Switching => return Err(Opaque::AfterSwitch.into()),
                State::Length { .. } | State::Tunnel { .. } => break,
            };
            bytes = &bytes[taken..];
        }
        Ok(octets.len() - bytes.len())
    }

    /// The message that asked for HTTP/2, if nothing but HTTP/2 can follow now.
    pub fn asked_h2c(&self) -> Option<u64> {
        match (&self.state, self.switch) {
            (State::Switching, Some((offset, Switch::H2c))) => Some(offset),
            _ => None,
        }
    }

    /// The message at `offset` did not switch protocols: what follows it is a request again.
    pub fn no_switch(&mut self, offset: u64) {
        if self.switch.is_some_and(|(message, _)| message == offset) {
            self.switch = None;
            if matches!(self.state, State::Switching) {
                self.state = State::Between { empty: 0 };
            }
        }
    }

    /// The message at `offset` switched to the protocol that it asked for.
    pub fn switched(&mut self, offset: u64) {
        if let Some((message, Switch::WebSocket | Switch::Connect)) = self.switch
            && message == offset
            && matches!(self.state, State::Switching)
        {
            self.state = State::Tunnel { octets: 0 };
        }
    }

    pub fn tunnelled(&self) -> u64 {
        if let State::Tunnel { octets } = self.state { octets } else { 0 }
    }

    pub fn heap(&self) -> usize {
        match &self.state {
            State::Head(gather) => gather.heap(),
            State::Chunked(chunked) => chunked.heap(),
            State::Between { .. } | State::Length { .. } | State::Switching | State::Tunnel { .. } => 0,
        }
    }

    fn between(&mut self, bytes: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        if let State::Between { empty } = &mut self.state
            && (matches!(bytes[0], b'\r' | b'\n') || *empty % 2 == 1)
        {
            match (*empty % 2, bytes[0]) {
                _ if *empty == MAX_EMPTY => return Err(Malformed::EmptyLines.into()),
                (0, b'\r') | (1, b'\n') => *empty += 1,
                (0, _) => return Err(Malformed::BareLf.into()),
                _ => return Err(Malformed::BareCr.into()),
            }
            self.pos += 1;
            return Ok(1);
        }
        if self.closes {
            return Err(Malformed::AfterClose.into());
        }
        self.started_at = seen;
        self.message = self.pos;
        if let Some(head) = self.parse(bytes)? {
            let len = head.len;
            self.pos += len as u64;
            self.announce(head, &bytes[..len], now, out)?;
            return Ok(len);
        }
        let mut gather = Gather::default();
        gather.push(bytes, self.settings.max_head, Bound::HeadTooLarge.into())?;
        self.state = State::Head(gather);
        self.pos += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn gather(&mut self, bytes: &[u8], now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let State::Head(gather) = &mut self.state else { return Ok(0) };
        let first_line = gather.in_first_line();
        match gather.push(bytes, self.settings.max_head, Bound::HeadTooLarge.into())? {
            Gathered::More => {
                // What is no request may never come to an empty line. Not on every piece: that would be quadratic.
                if gather.bytes().len() <= EARLY_LOOKS || first_line && !gather.in_first_line() {
                    let State::Head(gather) = &self.state else { return Ok(0) };
                    self.parse(gather.bytes())?;
                }
                self.pos += bytes.len() as u64;
                Ok(bytes.len())
            }
            Gathered::Complete(taken) => {
                let gather = std::mem::take(gather);
                let raw = gather.bytes();
                // The empty line is there, so a head that is right so far is also complete.
                let head = self.parse(raw)?.filter(|head| head.len == raw.len()).ok_or(Malformed::RequestLine)?;
                self.pos += taken as u64;
                self.announce(head, raw, now, out)?;
                Ok(taken)
            }
        }
    }

    fn parse(&self, raw: &[u8]) -> Result<Option<RequestHead>, Poison> {
        request_head(raw, &self.settings).map_err(|poison| sniff::name(poison, self.first, raw))
    }

    fn announce(&mut self, found: RequestHead, raw: &[u8], now: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        let head_len =
            u32::try_from(raw.len()).ok().filter(|len| *len <= self.settings.max_head).ok_or(Bound::HeadTooLarge)?;
        let digest = digest(&self.settings.digest_key, raw);
        let RequestHead { head, body, switch, closes, expects, .. } = found;
        let (offset, started_at) = (self.message, self.started_at);
        self.first = false;
        self.closes = closes;
        self.switch = switch.map(|switch| (offset, switch));
        out.push(Event::Head {
            offset,
            stream: 0,
            head_len,
            head,
            digest,
            started_at,
            complete_at: now,
            body,
            switch,
            expects,
        });
        match body {
            Body::Length(0) => self.end(0, out),
            Body::Length(total) => self.state = State::Length { left: total, total },
            Body::Chunked | Body::Stream => self.state = State::Chunked(Chunked::default()),
        }
        Ok(())
    }

    fn end(&mut self, body_len: u64, out: &mut Vec<Event>) {
        out.push(Event::End { offset: self.message, stream: 0, end: self.pos, body_len });
        self.message = self.pos;
        self.state = if self.switch.is_some() { State::Switching } else { State::Between { empty: 0 } };
    }
}
