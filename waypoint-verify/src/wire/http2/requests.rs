//! The requests of one connection, from octets in order.

use std::sync::Arc;

use super::admit::{self, Plan, settings_ok};
use super::block::{self, Request};
use super::frame::{Frame, HEADER, Kind, PREFACE};
use super::held::{Held, ends_block, fragments};
use super::hpack::Decoder;
use super::streams::Streams;
use crate::wire::digest::digest;
use crate::wire::{Event, Malformed, Opaque, Poison, Settings};

/// Of the buffer for decoded fields, what is kept between heads.
const KEPT: usize = 4096;

#[derive(Debug)]
enum State {
    /// So many octets of the preface have come.
    Preface(u8),
    /// At the start of a frame, or in one that is gathered.
    Frame(Held),
    /// Before the length of the padding of a DATA frame.
    Padding(Frame),
    /// In octets that need not be seen, the last of which may end the message of a stream.
    Payload { left: u64, ends: Option<u32> },
}

#[derive(Debug)]
pub(in crate::wire) struct Requests {
    settings: Arc<Settings>,
    pos: u64,
    /// Start of the frame or header block that is not complete; else `pos`.
    frame: u64,
    started_at: u64,
    state: State,
    decoder: Decoder,
    /// Decoded fields of one head.
    list: Vec<u8>,
    streams: Streams,
    /// The client's first SETTINGS have come.
    settled: bool,
    /// The client has said that it goes away: some servers take up no stream after that, others do.
    leaving: bool,
}

impl Requests {
    /// A connection whose preface starts at `pos`.
    pub fn new(settings: Arc<Settings>, pos: u64) -> Self {
        let (decoder, streams) = (Decoder::new(settings.max_header_table), Streams::new(settings.max_streams));
        Self {
            settings,
            pos,
            frame: pos,
            started_at: 0,
            state: State::Preface(0),
            decoder,
            list: Vec::new(),
            streams,
            settled: false,
            leaving: false,
        }
    }

    /// As [`Self::new`], after the message at `offset` asked for it in HTTP/1.1: that one is stream 1, and complete.
    pub fn upgraded(settings: Arc<Settings>, pos: u64, offset: u64) -> Self {
        let mut requests = Self::new(settings, pos);
        requests.streams.start_ended(1, offset);
        requests
    }

    pub fn pos(&self) -> u64 {
        self.pos
    }

    /// Every message that is complete ends at or before this.
    pub fn boundary(&self) -> u64 {
        self.frame
    }

    pub fn inside_message(&self) -> bool {
        self.frame != self.pos || self.streams.any_open() || matches!(self.state, State::Preface(_))
    }

    pub fn indifferent(&self) -> u64 {
        if let State::Payload { left, .. } = self.state { left } else { 0 }
    }

    /// At most [`Self::indifferent`] octets that are not shown.
    pub fn skip(&mut self, n: u64, out: &mut Vec<Event>) {
        let State::Payload { left, ends } = &mut self.state else { return };
        *left -= n;
        self.pos += n;
        if *left == 0 {
            let ends = *ends;
            self.next_frame();
            if let Some(stream) = ends {
                self.end(stream, out);
            }
        }
    }

    /// How many were taken: all, unless [`Self::indifferent`] ones stand before the rest.
    pub fn take(&mut self, octets: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let mut bytes = octets;
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Preface(matched) => {
                    let rest = &PREFACE[usize::from(*matched)..];
                    let n = rest.len().min(bytes.len());
                    if rest[..n] != bytes[..n] {
                        return Err(Opaque::AfterSwitch.into());
                    }
                    *matched += n as u8;
                    self.pos += n as u64;
                    if usize::from(*matched) == PREFACE.len() {
                        self.next_frame();
                    }
                    n
                }
                State::Frame(held) if held.octets.is_empty() => self.begin(bytes, seen, now, out)?,
                State::Frame(_) => self.gather(bytes, now, out)?,
                State::Padding(frame) => {
                    let frame = *frame;
                    self.pos += 1;
                    self.padded(frame, bytes[0], out)?;
                    1
                }
                State::Payload { .. } => break,
            };
            bytes = &bytes[taken..];
        }
        Ok(octets.len() - bytes.len())
    }

    pub fn heap(&self) -> usize {
        let held = if let State::Frame(held) = &self.state { held.octets.capacity() } else { 0 };
        size_of::<Self>() + held + self.decoder.heap() + self.list.capacity() + self.streams.heap()
    }

    /// A frame starts at the first of `bytes`.
    fn begin(&mut self, bytes: &[u8], seen: u64, now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        self.frame = self.pos;
        self.started_at = seen;
        let Some(frame) = Frame::read(bytes) else {
            self.hold(bytes, false);
            self.pos += bytes.len() as u64;
            return Ok(bytes.len());
        };
        let plan = self.admit(frame)?;
        if matches!(plan, Plan::Whole) && ends_block(frame) && bytes.len() >= frame.octets() {
            let raw = &bytes[..frame.octets()];
            self.pos += raw.len() as u64;
            self.complete(frame, raw, now, out)?;
            self.frame = self.pos;
            return Ok(raw.len());
        }
        self.pos += HEADER as u64;
        match plan {
            Plan::Data => self.content(frame, out)?,
            Plan::Pass => self.pass(u64::from(frame.len), None, out),
            Plan::Whole => self.hold(&bytes[..HEADER], true),
        }
        Ok(HEADER)
    }

    fn hold(&mut self, bytes: &[u8], known: bool) {
        self.state = State::Frame(Held { octets: bytes.to_vec(), frame: 0, known, continuations: 0 });
    }

    /// More of what is held, up to the end of a frame header or of a frame.
    fn gather(&mut self, bytes: &[u8], now: u64, out: &mut Vec<Event>) -> Result<usize, Poison> {
        let State::Frame(held) = &mut self.state else { return Ok(0) };
        let n = bytes.len().min(held.need() - held.octets.len());
        held.octets.extend_from_slice(&bytes[..n]);
        self.pos += n as u64;
        if held.octets.len() == held.need() {
            let held = std::mem::take(held);
            self.advance(held, now, out)?;
        }
        Ok(n)
    }

    /// A frame header, or a frame, is complete.
    fn advance(&mut self, mut held: Held, now: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        let (Some(first), Some(last)) = (Frame::read(&held.octets), Frame::read(&held.octets[held.frame..])) else {
            return Ok(());
        };
        if !held.known {
            match if held.frame == 0 {
                self.admit(first)?
            } else {
                admit::continuation(&mut held, first, last, &self.settings)?
            } {
                Plan::Data => return self.content(first, out),
                Plan::Pass => {
                    self.pass(u64::from(first.len), None, out);
                    return Ok(());
                }
                Plan::Whole => held.known = true,
            }
            if last.len > 0 {
                self.state = State::Frame(held);
                return Ok(());
            }
        }
        if !ends_block(last) {
            (held.frame, held.known) = (held.octets.len(), false);
            self.state = State::Frame(held);
            return Ok(());
        }
        self.complete(first, &held.octets, now, out)?;
        self.next_frame();
        Ok(())
    }

    fn admit(&mut self, frame: Frame) -> Result<Plan, Poison> {
        if !self.settled && (frame.kind != Kind::Settings || frame.is_ack()) {
            return Err(Malformed::Preface.into());
        }
        let plan = admit::frame(frame, &self.streams, &self.settings)?;
        if self.leaving && frame.kind == Kind::Headers && self.streams.is_idle(frame.stream) {
            return Err(Malformed::AfterGoaway.into());
        }
        self.leaving |= frame.kind == Kind::Goaway;
        Ok(plan)
    }

    /// A frame that was gathered, with its CONTINUATION frames.
    fn complete(&mut self, frame: Frame, raw: &[u8], now: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        self.settled = true;
        match frame.kind {
            Kind::Headers => self.headers(frame, raw, now, out),
            Kind::RstStream => {
                if let Some(offset) = self.streams.reset(frame.stream) {
                    out.push(Event::Reset { offset, stream: frame.stream, end: self.pos });
                }
                Ok(())
            }
            Kind::WindowUpdate if raw[HEADER] & 0x7f == 0 && raw[HEADER + 1..] == [0; 3] => {
                Err(Malformed::WindowUpdate.into())
            }
            Kind::Settings if !settings_ok(&raw[HEADER..]) => Err(Malformed::Setting.into()),
            _ => Ok(()),
        }
    }

    fn headers(&mut self, frame: Frame, raw: &[u8], now: u64, out: &mut Vec<Event>) -> Result<(), Poison> {
        let mut joined = Vec::new();
        let block = fragments(frame, raw, &mut joined)?;
        let (stream, ends, settings) = (frame.stream, frame.ends_stream(), &*self.settings);
        if let Some(open) = self.streams.open(stream) {
            let whole = open.declared.is_none_or(|declared| declared == open.body);
            block::trailers(block, &mut self.decoder, settings)?;
            if !ends {
                return Err(Malformed::Trailer.into());
            }
            if !whole {
                return Err(Malformed::LengthDiffers.into());
            }
            self.end(stream, out);
            return Ok(());
        }
        let Request { head, body, declared, expects } =
            block::request(block, ends, &mut self.decoder, &mut self.list, settings)?;
        self.list.clear();
        self.list.shrink_to(KEPT);
        let (offset, started_at) = (self.frame, self.started_at);
        let head_len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let digest = digest(&settings.digest_key, raw);
        let complete_at = now;
        out.push(Event::Head {
            offset,
            stream,
            head_len,
            head,
            digest,
            started_at,
            complete_at,
            body,
            switch: None,
            expects,
        });
        if ends {
            self.streams.start_ended(stream, offset);
            out.push(Event::End { offset, stream, end: self.pos, body_len: 0 });
        } else {
            self.streams.start(stream, offset, declared);
        }
        Ok(())
    }

    /// After the header of a DATA frame.
    fn content(&mut self, frame: Frame, out: &mut Vec<Event>) -> Result<(), Poison> {
        match (frame.is_padded(), frame.len) {
            (false, len) => self.data(frame, len, len, out),
            (true, 0) => Err(Malformed::FrameSize.into()),
            (true, _) => {
                self.state = State::Padding(frame);
                Ok(())
            }
        }
    }

    /// Of a DATA frame, so many octets are still to come, and so many of them are content.
    fn data(&mut self, frame: Frame, left: u32, content: u32, out: &mut Vec<Event>) -> Result<(), Poison> {
        let open = self.streams.open(frame.stream).ok_or(Malformed::StreamClosed)?;
        open.body += u64::from(content);
        let body = open.body;
        if open.declared.is_some_and(|declared| body > declared || frame.ends_stream() && body < declared) {
            return Err(Malformed::LengthDiffers.into());
        }
        self.pass(u64::from(left), frame.ends_stream().then_some(frame.stream), out);
        Ok(())
    }

    fn padded(&mut self, frame: Frame, padding: u8, out: &mut Vec<Event>) -> Result<(), Poison> {
        let left = frame.len - 1;
        let content = left.checked_sub(u32::from(padding)).ok_or(Malformed::Padding)?;
        self.data(frame, left, content, out)
    }

    fn pass(&mut self, left: u64, ends: Option<u32>, out: &mut Vec<Event>) {
        self.state = State::Payload { left, ends };
        if left == 0 {
            self.skip(0, out);
        }
    }

    fn next_frame(&mut self) {
        self.frame = self.pos;
        self.state = State::Frame(Held::default());
    }

    fn end(&mut self, stream: u32, out: &mut Vec<Event>) {
        if let Some((offset, body_len)) = self.streams.end(stream) {
            out.push(Event::End { offset, stream, end: self.pos, body_len });
        }
    }
}
