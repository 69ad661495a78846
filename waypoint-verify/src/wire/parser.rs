//! One stream's parser: HTTP/1.1, HTTP/2, or not known yet, because its first octets may be HTTP/2's preface.

use std::sync::Arc;

use super::http2::PREFACE;
use super::{Event, Poison, Settings, http1, http2};

#[derive(Debug)]
enum Kind {
    /// So many octets of the preface have come, the first of them in this record.
    Start {
        matched: u8,
        seen: u64,
    },
    Http1(http1::Requests),
    Http2(Box<http2::Requests>),
    /// After poison.
    Done {
        pos: u64,
        boundary: u64,
    },
}

/// It takes octets strictly in order and says which ones it need not see.
#[derive(Debug)]
pub(super) struct Parser {
    settings: Arc<Settings>,
    kind: Kind,
}

impl Parser {
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings, kind: Kind::Start { matched: 0, seen: 0 } }
    }

    /// Offset after the last octet that was taken or skipped.
    pub fn pos(&self) -> u64 {
        match &self.kind {
            Kind::Start { matched, .. } => u64::from(*matched),
            Kind::Http1(requests) => requests.pos(),
            Kind::Http2(requests) => requests.pos(),
            Kind::Done { pos, .. } => *pos,
        }
    }

    /// Nothing at or after this is a complete message.
    pub fn boundary(&self) -> u64 {
        match &self.kind {
            Kind::Start { .. } => 0,
            Kind::Http1(requests) => requests.boundary(),
            Kind::Http2(requests) => requests.boundary(),
            Kind::Done { boundary, .. } => *boundary,
        }
    }

    pub fn inside_message(&self) -> bool {
        match &self.kind {
            Kind::Start { matched, .. } => *matched > 0,
            Kind::Http1(requests) => requests.inside_message(),
            Kind::Http2(requests) => requests.inside_message(),
            Kind::Done { .. } => false,
        }
    }

    /// Octets from here on that are content, or do not matter: they may be skipped.
    pub fn indifferent(&self) -> u64 {
        match &self.kind {
            Kind::Http1(requests) => requests.indifferent(),
            Kind::Http2(requests) => requests.indifferent(),
            Kind::Start { .. } | Kind::Done { .. } => 0,
        }
    }

    /// At most [`Self::indifferent`] octets that are not shown.
    pub fn skip(&mut self, n: u64, out: &mut Vec<Event>) {
        match &mut self.kind {
            Kind::Http1(requests) => requests.skip(n, out),
            Kind::Http2(requests) => requests.skip(n, out),
            Kind::Start { .. } | Kind::Done { .. } => {}
        }
    }

    /// The next octets. `seen`: the record that they came in; `now`: the record that made them contiguous.
    /// How many were taken: all, unless [`Self::indifferent`] ones stand before the rest.
    pub fn take(&mut self, octets: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let mut bytes = octets;
        if let Kind::Start { .. } = self.kind {
            bytes = &bytes[self.start(bytes, seen, now, out)?..];
        }
        if let Kind::Http1(requests) = &mut self.kind {
            bytes = &bytes[requests.take(bytes, seen, now, out)?..];
            if let Some(offset) = requests.asked_h2c().filter(|_| !bytes.is_empty()) {
                let requests = http2::Requests::upgraded(Arc::clone(&self.settings), requests.pos(), offset);
                self.kind = Kind::Http2(Box::new(requests));
            }
        }
        if let Kind::Http2(requests) = &mut self.kind {
            bytes = &bytes[requests.take(bytes, seen, now, out)?..];
        }
        Ok(octets.len() - bytes.len())
    }

    /// The message at `offset` did not switch protocols: what follows it is a request again.
    pub fn no_switch(&mut self, offset: u64) {
        if let Kind::Http1(requests) = &mut self.kind {
            requests.no_switch(offset);
        }
    }

    /// The message at `offset` switched to the protocol that it asked for.
    pub fn switched(&mut self, offset: u64) {
        if let Kind::Http1(requests) = &mut self.kind {
            requests.switched(offset);
        }
    }

    pub fn tunnelled(&self) -> u64 {
        if let Kind::Http1(requests) = &self.kind { requests.tunnelled() } else { 0 }
    }

    pub fn heap(&self) -> usize {
        match &self.kind {
            Kind::Http1(requests) => requests.heap(),
            Kind::Http2(requests) => requests.heap(),
            Kind::Start { .. } | Kind::Done { .. } => 0,
        }
    }

    /// Frees what it holds; nothing is taken any more.
    pub fn clear(&mut self) {
        match &self.kind {
            // Octets of a tunnel stay counted.
            Kind::Http1(requests) if requests.tunnelled() > 0 => {}
            _ => self.kind = Kind::Done { pos: self.pos(), boundary: self.boundary() },
        }
    }

    /// The first octets decide. How many of them were taken.
    fn start(&mut self, bytes: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let Kind::Start { matched, seen: first } = &mut self.kind else { return Ok(0) };
        if *matched == 0 {
            *first = seen;
        }
        let (known, first) = (usize::from(*matched), *first);
        let same = bytes.iter().zip(&PREFACE[known..]).take_while(|(a, b)| a == b).count();
        if known + same < PREFACE.len() && same == bytes.len() {
            *matched += same as u8;
            return Ok(same);
        }
        if known + same < PREFACE.len() {
            self.kind = Kind::Http1(http1::Requests::new(Arc::clone(&self.settings)));
        } else {
            self.kind = Kind::Http2(Box::new(http2::Requests::new(Arc::clone(&self.settings), 0)));
        }
        match &mut self.kind {
            Kind::Http1(requests) => requests.take(&PREFACE[..known], first, now, out)?,
            Kind::Http2(requests) => {
                requests.take(&PREFACE[..known], first, now, out)?;
                0
            }
            Kind::Start { .. } | Kind::Done { .. } => 0,
        };
        Ok(0)
    }
}
