//! The response direction of one connection at the socket that writes it: just when an exchange is over.

use std::collections::VecDeque;
use std::sync::Arc;

use super::http1::{Chunked, Gather, Gathered, StatusHead, response_head};
use super::segment::{Cut, Segment, place};
use super::{Body, Bound, Poison, ResponseEvent, Settings};

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

/// Octets are taken in order only: a socket sends in order, and what it sends again is older than what was followed.
#[derive(Debug)]
pub struct ResponseStream {
    settings: Arc<Settings>,
    pos: u64,
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

impl ResponseStream {
    pub fn new(server_isn: u32, settings: &Arc<Settings>) -> Self {
        let state = State::Head(Gather::default());
        Self { settings: Arc::clone(settings), pos: 0, asked: VecDeque::new(), index: 0, state, server_isn }
    }

    /// To be called for every request head of the connection, in order, before its response is shown.
    pub fn request(&mut self, asked: Asked, out: &mut Vec<ResponseEvent>) {
        if self.known() {
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
        size_of::<Self>() + held + self.asked.capacity()
    }

    fn read(&mut self, cut: Cut<'_>, at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        self.skip(cut.bytes_at - self.pos, at, out)?;
        let mut bytes = cut.bytes;
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Head(_) => self.head(bytes, at, out)?,
                State::Length { left } => {
                    let n = (*left).min(bytes.len() as u64);
                    self.skip(n, at, out)?;
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
        if self.known() { self.skip(cut.end - self.pos, at, out) } else { Ok(()) }
    }

    /// Octets that were written but not copied: harmless inside a body, else the end of following.
    fn skip(&mut self, n: u64, at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        if n == 0 {
            return Ok(());
        }
        match &mut self.state {
            State::Length { left } if n <= *left => {
                *left -= n;
                let over = *left == 0;
                self.pos += n;
                if over {
                    self.end(at, out);
                }
            }
            State::Chunked(chunked) if n <= chunked.indifferent() => {
                chunked.skip(n);
                self.pos += n;
            }
            _ => return Err(Lost::Unclear),
        }
        Ok(())
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
        out.push(ResponseEvent::Answered { index: self.index, status, switched, at });
        if switched {
            return Err(Lost::Unclear);
        }
        match framing {
            _ if asked == Asked::Head || matches!(status, 204 | 304) => self.end(at, out),
            Some(Body::Length(0)) => self.end(at, out),
            Some(Body::Length(left)) => self.state = State::Length { left },
            Some(Body::Chunked) => self.state = State::Chunked(Chunked::default()),
            // Delimited by the close of the connection.
            None => return Err(Lost::Unclear),
        }
        Ok(())
    }

    fn end(&mut self, at: u64, out: &mut Vec<ResponseEvent>) {
        out.push(ResponseEvent::Ended { index: self.index, at });
        self.asked.pop_front();
        self.index += 1;
        self.state = State::Head(Gather::default());
    }

    fn lose(&mut self, out: &mut Vec<ResponseEvent>) {
        self.state = State::Unknown;
        self.asked = VecDeque::new();
        out.push(ResponseEvent::Unknown { index: self.index });
    }
}

#[cfg(test)]
mod tests;
