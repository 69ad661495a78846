//! The response direction of one connection at the socket that writes it: just when an exchange is over.

use std::collections::VecDeque;
use std::sync::Arc;

use super::http1::{Chunked, Gather, Gathered, StatusHead, response_head};
use super::pieces::Pieces;
use super::segment::{Cut, Segment, next_grant, place, sequence};
use super::{Body, Bound, Conflict, Poison, ResponseEvent, Settings, Which};

/// What a request says about the end of its response (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
    pub fn by(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

#[derive(Debug)]
enum State {
    Head(Gather),
    Length { left: u64 },
    Chunked(Chunked),
    Unknown,
}

/// Octets that are held because others, which matter, were not seen: they may be sent again.
const HELD: usize = 64 * 1024;

/// A socket writes in order: what it sends again is older than what was followed, and what lies before an octet that was
/// seen has been written.
#[derive(Debug)]
pub struct ResponseStream {
    settings: Arc<Settings>,
    pos: u64,
    granted: u64,
    pieces: Option<Box<Pieces>>,
    /// Requests whose final response has not ended, oldest first.
    asked: VecDeque<Asked>,
    /// Of the oldest one.
    index: u64,
    state: State,
    server_isn: u32,
}

/// Why following stops; the caller only learns that it did.
enum Lost {
    Unclear,
}

impl From<Poison> for Lost {
    fn from(_: Poison) -> Self {
        Self::Unclear
    }
}

impl From<Conflict> for Lost {
    fn from(_: Conflict) -> Self {
        Self::Unclear
    }
}

impl ResponseStream {
    pub fn new(server_isn: u32, settings: &Arc<Settings>) -> Self {
        let state = State::Head(Gather::default());
        Self {
            settings: Arc::clone(settings),
            pos: 0,
            granted: 0,
            pieces: None,
            asked: VecDeque::new(),
            index: 0,
            state,
            server_isn,
        }
    }

    /// To be called for every request head of the connection, in order, before its response is shown. `stream`: as its
    /// event says; what an HTTP/2 stream asked need not be known.
    pub fn request(&mut self, asked: Asked, stream: u32, out: &mut Vec<ResponseEvent>) {
        if self.known() && stream == 0 {
            self.asked.push_back(asked);
            if self.asked.len() > usize::from(self.settings.max_pipelined) {
                self.lose(out);
            }
        }
    }

    pub fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<ResponseEvent>) {
        if !self.known() || segment.payload_len == 0 {
            return;
        }
        let start = place(self.server_isn, self.pos, segment.seq.wrapping_add(u32::from(segment.syn)));
        let cut = Cut::new(start, &segment);
        if cut.end > self.pos && self.read(cut.starting(self.pos), at, out).is_err() {
            self.lose(out);
        }
    }

    /// The sequence number up to which the kernel need not copy, if it is worth telling. Ask after every segment. The last
    /// octet of a body is never granted: a packet with it must show, or nobody would learn that the response has ended.
    pub fn grant(&mut self) -> Option<u32> {
        let ahead = match &self.state {
            State::Unknown => return None,
            State::Length { left } => left.saturating_sub(1),
            State::Chunked(_) | State::Head(_) => self.indifferent(),
        };
        self.granted = next_grant(self.granted, self.pos, ahead)?;
        Some(sequence(self.server_isn, self.granted))
    }

    /// Gives up this stream because all streams together hold too much.
    pub fn shed(&mut self, out: &mut Vec<ResponseEvent>) {
        if self.known() {
            self.lose(out);
        }
    }

    /// Whether ends of responses are still told.
    pub fn known(&self) -> bool {
        !matches!(self.state, State::Unknown)
    }

    /// Octets that this stream occupies, about.
    pub fn memory(&self) -> usize {
        let held = match &self.state {
            State::Head(gather) => gather.heap(),
            State::Chunked(chunked) => chunked.heap(),
            State::Length { .. } | State::Unknown => 0,
        };
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.memory());
        size_of::<Self>() + held + self.asked.capacity() + pieces
    }

    fn read(&mut self, cut: Cut<'_>, at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        let mut rest = cut;
        if self.pieces.is_none() && cut.bytes_at - self.pos <= self.indifferent() {
            self.skip(cut.bytes_at - self.pos, at, out);
            self.take(cut.bytes, at, out)?;
            self.skip((cut.end - self.pos).min(self.indifferent()), at, out);
            rest = cut.starting(self.pos);
        }
        if rest.start == rest.end || rest.bytes.is_empty() && rest.bytes_at == self.pos && self.pieces.is_none() {
            // What was not copied and matters leaves a hole before what follows.
            return Ok(());
        }
        let matters = self.pos + self.indifferent();
        self.pieces.get_or_insert_default().insert(rest, matters, at)?;
        self.drain(at, out)?;
        let held = self.pieces.as_ref().map_or(0, |pieces| pieces.memory());
        if held > HELD { Err(Lost::Unclear) } else { Ok(()) }
    }

    /// Reads on from what was held.
    fn drain(&mut self, at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        let mut pieces = self.pieces.take().unwrap_or_default();
        loop {
            pieces.forget_before(self.pos);
            if let Some((octets, _)) = pieces.take_at(self.pos) {
                self.take(octets.as_ref(), at, out)?;
                continue;
            }
            let written = pieces.first().unwrap_or(0).saturating_sub(self.pos).max(pieces.present_from(self.pos));
            let unseen = written.min(self.indifferent());
            if unseen == 0 {
                break;
            }
            self.skip(unseen, at, out);
        }
        self.pieces = (!pieces.is_empty()).then_some(pieces);
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Head(_) => self.head(bytes, at, out)?,
                State::Length { left } => {
                    let n = (*left).min(bytes.len() as u64);
                    self.skip(n, at, out);
                    usize::try_from(n).unwrap_or(usize::MAX)
                }
                State::Chunked(chunked) => {
                    let (n, ended) = chunked.take(bytes, &self.settings)?;
                    self.pos += n as u64;
                    if ended {
                        self.end(at, out);
                    }
                    n
                }
                State::Unknown => return Ok(()),
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Octets of content that come next, whatever they are.
    fn indifferent(&self) -> u64 {
        match &self.state {
            State::Length { left } => *left,
            State::Chunked(chunked) => chunked.indifferent(),
            State::Head(_) | State::Unknown => 0,
        }
    }

    /// At most [`Self::indifferent`] octets, seen or not.
    fn skip(&mut self, n: u64, at: u64, out: &mut Vec<ResponseEvent>) {
        if n == 0 {
            return;
        }
        self.pos += n;
        match &mut self.state {
            State::Length { left } => {
                *left -= n;
                if *left == 0 {
                    self.end(at, out);
                }
            }
            State::Chunked(chunked) => chunked.skip(n),
            State::Head(_) | State::Unknown => {}
        }
    }

    fn head(&mut self, bytes: &[u8], at: u64, out: &mut Vec<ResponseEvent>) -> Result<usize, Lost> {
        let State::Head(gather) = &mut self.state else { return Ok(0) };
        if gather.bytes().is_empty()
            && let Some(head) = response_head(bytes, &self.settings)?
        {
            self.pos += head.len as u64;
            self.answer(head, at, out)?;
            return Ok(head.len);
        }
        let taken = match gather.push(bytes, self.settings.max_head, Bound::HeadTooLarge.into())? {
            Gathered::More => bytes.len(),
            Gathered::Complete(taken) => {
                let gather = std::mem::take(gather);
                let head = response_head(gather.bytes(), &self.settings)?.ok_or(Lost::Unclear)?;
                self.pos += taken as u64;
                self.answer(head, at, out)?;
                return Ok(taken);
            }
        };
        self.pos += taken as u64;
        Ok(taken)
    }

    fn answer(&mut self, head: StatusHead, at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        // An answer to what was not asked (408 before a request) shifts every later one.
        let asked = *self.asked.front().ok_or(Lost::Unclear)?;
        let StatusHead { status, framing, .. } = head;
        if (100..200).contains(&status) && status != 101 {
            return Ok(());
        }
        let switched = status == 101 || (asked == Asked::Connect && (200..300).contains(&status));
        out.push(ResponseEvent::Answered { which: Which::Nth(self.index), status, switched, at });
        if switched {
            return Err(Lost::Unclear);
        }
        match framing {
            _ if asked == Asked::Head || matches!(status, 204 | 304) => self.end(at, out),
            Some(Body::Length(0)) => self.end(at, out),
            Some(Body::Length(left)) => self.state = State::Length { left },
            Some(Body::Chunked | Body::Stream) => self.state = State::Chunked(Chunked::default()),
            // Delimited by the close of the connection.
            None => return Err(Lost::Unclear),
        }
        Ok(())
    }

    fn end(&mut self, at: u64, out: &mut Vec<ResponseEvent>) {
        out.push(ResponseEvent::Ended { which: Which::Nth(self.index), at });
        self.asked.pop_front();
        self.index += 1;
        self.state = State::Head(Gather::default());
    }

    fn lose(&mut self, out: &mut Vec<ResponseEvent>) {
        self.state = State::Unknown;
        self.asked = VecDeque::new();
        self.pieces = None;
        out.push(ResponseEvent::Unknown { from: Which::Nth(self.index) });
    }
}

#[cfg(test)]
mod tests;
