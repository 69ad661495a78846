//! One stream's parser, chosen by its first octets: HTTP/2 by its preface, TLS and PROXY protocol to be named, and anything
//! else is read as HTTP/1.1.

use std::sync::Arc;

use super::foreign::{self, Foreign};
use super::http2::PREFACE;
use super::{Event, Opaque, Poison, Protocol, Settings, http1, http2};

/// What a connection may begin with, and what it is then. No request of HTTP/1.1 begins like this: TLS's octet is no token,
/// none of PROXY protocol's second words is a request target, and no request follows NUL.
const STARTS: &[(&[u8], Start)] = &[
    (PREFACE, Start::Http2),
    (b"\x16\x03", Start::Foreign(Protocol::Tls)),
    (b"PROXY TCP4 ", Start::Foreign(Protocol::ProxyProtocol)),
    (b"PROXY TCP6 ", Start::Foreign(Protocol::ProxyProtocol)),
    (b"PROXY UNKNOWN", Start::Foreign(Protocol::ProxyProtocol)),
    (b"\r\n\r\n\0\r\nQUIT\n", Start::Foreign(Protocol::ProxyProtocol)),
];

#[derive(Clone, Copy)]
enum Start {
    Http2,
    Foreign(Protocol),
}

#[derive(Debug)]
enum Kind {
    /// The first octets, which came from this record on, and are those of one of [`STARTS`].
    Start {
        octets: [u8; PREFACE.len()],
        have: u8,
        seen: u64,
    },
    Http1(http1::Requests),
    Http2(Box<http2::Requests>),
    Foreign(Foreign),
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
    /// Should it turn out to be no HTTP: what it looks like.
    looks: Option<&'static str>,
}

impl Parser {
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings, kind: Kind::Start { octets: [0; PREFACE.len()], have: 0, seen: 0 }, looks: None }
    }

    /// Offset after the last octet that was taken or skipped.
    pub fn pos(&self) -> u64 {
        match &self.kind {
            Kind::Start { have, .. } => u64::from(*have),
            Kind::Http1(requests) => requests.pos(),
            Kind::Http2(requests) => requests.pos(),
            Kind::Foreign(foreign) => foreign.held().len() as u64,
            Kind::Done { pos, .. } => *pos,
        }
    }

    /// Nothing at or after this is a complete message.
    pub fn boundary(&self) -> u64 {
        match &self.kind {
            Kind::Start { .. } | Kind::Foreign(_) => 0,
            Kind::Http1(requests) => requests.boundary(),
            Kind::Http2(requests) => requests.boundary(),
            Kind::Done { boundary, .. } => *boundary,
        }
    }

    pub fn inside_message(&self) -> bool {
        match &self.kind {
            Kind::Start { have, .. } => *have > 0,
            Kind::Foreign(_) => true,
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
            Kind::Start { .. } | Kind::Foreign(_) | Kind::Done { .. } => 0,
        }
    }

    /// At most [`Self::indifferent`] octets that are not shown.
    pub fn skip(&mut self, n: u64, out: &mut Vec<Event>) {
        match &mut self.kind {
            Kind::Http1(requests) => requests.skip(n, out),
            Kind::Http2(requests) => requests.skip(n, out),
            Kind::Start { .. } | Kind::Foreign(_) | Kind::Done { .. } => {}
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
        match &mut self.kind {
            Kind::Http2(requests) => bytes = &bytes[requests.take(bytes, seen, now, out)?..],
            Kind::Foreign(foreign) => {
                foreign.take(bytes)?;
                bytes = &[];
            }
            Kind::Start { .. } | Kind::Http1(_) | Kind::Done { .. } => {}
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
            Kind::Foreign(foreign) => foreign.heap(),
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

    /// What this connection is instead of HTTP, and what to call it.
    pub fn foreign(&self, reason: Poison) -> Option<(Poison, Box<str>)> {
        match (&self.kind, reason) {
            (Kind::Foreign(foreign), _) => Some((foreign.poison(), foreign.name())),
            (_, Poison::Opaque(Opaque::NotHttp(Protocol::Unknown))) => Some((reason, self.looks?.into())),
            _ => None,
        }
    }

    /// The first octets decide. How many of `bytes` were taken.
    fn start(&mut self, bytes: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let Kind::Start { octets, have, seen: first } = &mut self.kind else { return Ok(0) };
        if *have == 0 {
            *first = seen;
        }
        let (known, first) = (usize::from(*have), *first);
        let taken = bytes.len().min(octets.len() - known);
        octets[known..known + taken].copy_from_slice(&bytes[..taken]);
        let (begun, octets) = (known + taken, *octets);
        let octets = &octets[..begun];
        let Some((text, start)) = STARTS.iter().find(|(text, _)| same(text, octets)) else {
            self.looks = foreign::known(octets);
            let mut requests = http1::Requests::new(Arc::clone(&self.settings));
            let before = requests.take(&octets[..known], first, now, out);
            self.kind = Kind::Http1(requests);
            return before.map(|_| 0);
        };
        if begun < text.len() {
            *have = begun as u8;
            return Ok(taken);
        }
        match *start {
            Start::Http2 => {
                let mut requests = http2::Requests::new(Arc::clone(&self.settings), 0);
                let read = requests.take(text, first, now, out);
                self.kind = Kind::Http2(Box::new(requests));
                read.map(|_| text.len() - known)
            }
            Start::Foreign(protocol) => {
                let mut foreign = Foreign::new(protocol);
                let said = foreign.take(&octets[..known]);
                self.kind = Kind::Foreign(foreign);
                said.map(|()| 0)
            }
        }
    }
}

/// Whether one is a beginning of the other.
fn same(a: &[u8], b: &[u8]) -> bool {
    let n = a.len().min(b.len());
    a[..n] == b[..n]
}
