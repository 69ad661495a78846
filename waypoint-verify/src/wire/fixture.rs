//! Streams for tests: octets go in, what was told comes out in short.

use std::sync::Arc;

use super::{Event, Poison, RequestStream, Segment, Settings};

pub(super) const ISN: u32 = 1000;

pub(super) struct Feed {
    pub stream: RequestStream,
    pub events: Vec<Event>,
    at: u64,
}

impl Feed {
    pub fn new() -> Self {
        Self::with(&Settings::default())
    }

    pub fn with(settings: &Settings) -> Self {
        Self { stream: RequestStream::new(ISN, &Arc::new(settings.clone())), events: Vec::new(), at: 0 }
    }

    pub fn of(bytes: &[u8]) -> Self {
        let mut feed = Self::new();
        feed.at(0, bytes);
        feed
    }

    /// All of `bytes`, at this offset.
    pub fn at(&mut self, offset: u64, bytes: &[u8]) -> &mut Self {
        self.segment(Segment {
            seq: seq(offset),
            payload_len: u32::try_from(bytes.len()).unwrap(),
            bytes,
            ..Segment::default()
        })
    }

    pub fn fin(&mut self, offset: u64) -> &mut Self {
        self.segment(Segment { seq: seq(offset), fin: true, ..Segment::default() })
    }

    pub fn segment(&mut self, segment: Segment<'_>) -> &mut Self {
        self.at += 1;
        self.stream.segment(segment, self.at, &mut self.events);
        self
    }

    /// All of `bytes`, at this offset, which the receiver may have thrown away.
    pub fn doubt(&mut self, offset: u64, bytes: &[u8]) -> &mut Self {
        let payload_len = u32::try_from(bytes.len()).unwrap();
        self.stream.doubt(Segment { seq: seq(offset), payload_len, bytes, ..Segment::default() }, &mut self.events);
        self
    }

    pub fn ack(&mut self, offset: u64) -> &mut Self {
        self.at += 1;
        self.stream.ack(seq(offset), self.at, &mut self.events);
        self
    }

    pub fn close(&mut self, received: Option<u64>) -> &mut Self {
        self.at += 1;
        self.stream.close(received, self.at, &mut self.events);
        self
    }

    /// `(offset, end, body_len)` of each message that ended.
    pub fn ends(&self) -> Vec<(u64, u64, u64)> {
        let end = |event: &Event| match event {
            Event::End { offset, end, body_len, .. } => Some((*offset, *end, *body_len)),
            _ => None,
        };
        self.events.iter().filter_map(end).collect()
    }

    /// Method and target of each head.
    pub fn heads(&self) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Head { head, .. } => Some(format!(
                "{} {} {}",
                String::from_utf8_lossy(head.method()),
                String::from_utf8_lossy(head.target()),
                head.authority().map_or("-".into(), String::from_utf8_lossy),
            )),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    pub fn poison(&self) -> Option<(u64, Poison)> {
        self.events.iter().find_map(|event| match event {
            Event::Poisoned { offset, reason, .. } => Some((*offset, *reason)),
            _ => None,
        })
    }
}

pub(super) fn seq(offset: u64) -> u32 {
    super::segment::sequence(ISN, offset)
}

pub(super) const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
