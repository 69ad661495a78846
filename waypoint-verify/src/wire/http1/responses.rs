//! The responses of one connection, from octets in order, as far as their ends depend on them.

use std::collections::VecDeque;

use super::{Chunked, Gather, Gathered, StatusHead, response_head};
use crate::wire::response::{Asked, Lost};
use crate::wire::{Body, Bound, ResponseEvent, Settings, Which};

#[derive(Debug)]
enum State {
    Head(Gather),
    Length {
        left: u64,
    },
    Chunked(Chunked),
    /// After 101: HTTP/2 begins with the next octet.
    Upgraded,
}

#[derive(Debug)]
pub(in crate::wire) struct Responses {
    /// Requests whose final response has not ended, oldest first.
    asked: VecDeque<Asked>,
    /// Of the oldest one.
    index: u64,
    state: State,
}

impl Default for Responses {
    fn default() -> Self {
        Self { asked: VecDeque::new(), index: 0, state: State::Head(Gather::default()) }
    }
}

impl Responses {
    /// Of the oldest request that waits, or of the next one.
    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// One more request; whether so many may wait.
    pub fn asked(&mut self, asked: Asked, max: u16) -> bool {
        self.asked.push_back(asked);
        self.asked.len() <= usize::from(max)
    }

    pub fn upgraded(&self) -> bool {
        matches!(self.state, State::Upgraded)
    }

    /// How many octets were taken: all, unless they are [`Self::upgraded`] before the rest.
    pub fn take(
        &mut self,
        octets: &[u8],
        at: u64,
        settings: &Settings,
        out: &mut Vec<ResponseEvent>,
    ) -> Result<usize, Lost> {
        let mut bytes = octets;
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Head(_) => self.head(bytes, at, settings, out)?,
                State::Length { left } => {
                    let n = (*left).min(bytes.len() as u64);
                    self.skip(n, at, out);
                    usize::try_from(n).unwrap_or(usize::MAX)
                }
                State::Chunked(chunked) => {
                    let (n, ended) = chunked.take(bytes, settings)?;
                    if ended {
                        self.end(at, out);
                    }
                    n
                }
                State::Upgraded => return Ok(octets.len() - bytes.len()),
            };
            bytes = &bytes[taken..];
        }
        Ok(octets.len())
    }

    pub fn indifferent(&self) -> u64 {
        match &self.state {
            State::Length { left } => *left,
            State::Chunked(chunked) => chunked.indifferent(),
            State::Head(_) | State::Upgraded => 0,
        }
    }

    /// Whether the last of the [`Self::indifferent`] octets is the last one of the response.
    pub fn ends_with_content(&self) -> bool {
        matches!(self.state, State::Length { .. })
    }

    pub fn skip(&mut self, n: u64, at: u64, out: &mut Vec<ResponseEvent>) {
        match &mut self.state {
            State::Length { left } => {
                *left -= n;
                if *left == 0 {
                    self.end(at, out);
                }
            }
            State::Chunked(chunked) => chunked.skip(n),
            State::Head(_) | State::Upgraded => {}
        }
    }

    pub fn heap(&self) -> usize {
        let held = match &self.state {
            State::Head(gather) => gather.heap(),
            State::Chunked(chunked) => chunked.heap(),
            State::Length { .. } | State::Upgraded => 0,
        };
        held + self.asked.capacity() * size_of::<Asked>()
    }

    fn head(
        &mut self,
        bytes: &[u8],
        at: u64,
        settings: &Settings,
        out: &mut Vec<ResponseEvent>,
    ) -> Result<usize, Lost> {
        let State::Head(gather) = &mut self.state else { return Ok(0) };
        if gather.bytes().is_empty()
            && let Some(head) = response_head(bytes, settings)?
        {
            self.answer(head, at, out)?;
            return Ok(head.len);
        }
        match gather.push(bytes, settings.max_head, Bound::HeadTooLarge.into())? {
            Gathered::More => Ok(bytes.len()),
            Gathered::Complete(taken) => {
                let gather = std::mem::take(gather);
                let head = response_head(gather.bytes(), settings)?.ok_or(Lost::Unclear)?;
                self.answer(head, at, out)?;
                Ok(taken)
            }
        }
    }

    fn answer(&mut self, head: StatusHead, at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        // An answer to what was not asked (408 before a request) shifts every later one.
        let asked = *self.asked.front().ok_or(Lost::Unclear)?;
        let StatusHead { status, framing, h2c, .. } = head;
        if (100..200).contains(&status) && status != 101 {
            return Ok(());
        }
        let switched = status == 101 || (asked == Asked::Connect && (200..300).contains(&status));
        out.push(ResponseEvent::Answered { which: Which::Nth(self.index), status, switched, at });
        if switched && h2c && asked == Asked::H2c {
            self.state = State::Upgraded;
            return Ok(());
        }
        if switched {
            return Err(Lost::Unclear);
        }
        match framing {
            _ if asked == Asked::Head || matches!(status, 204 | 304) => self.end(at, out),
            Some(Body::Length(0)) => self.end(at, out),
            Some(Body::Length(left)) => self.state = State::Length { left },
            Some(Body::Chunked) => self.state = State::Chunked(Chunked::default()),
            // Delimited by the close of the connection.
            Some(Body::Stream) | None => return Err(Lost::Unclear),
        }
        Ok(())
    }

    fn end(&mut self, at: u64, out: &mut Vec<ResponseEvent>) {
        out.push(ResponseEvent::Ended { which: Which::Nth(self.index), at });
        self.asked.pop_front();
        self.index += 1;
        self.state = State::Head(Gather::default());
    }
}
