//! The response direction of one connection at the socket that writes it: just when an exchange is over.

use std::sync::Arc;

use super::pieces::Pieces;
use super::segment::{Cut, Segment, next_grant, place, sequence};
use super::{Conflict, Poison, ResponseEvent, Settings, Which, http1, http2};
use crate::model::Head;

/// What a request says about the end of its response (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Head,
    Connect,
    /// It may be answered on stream 1 of HTTP/2.
    H2c,
    Other,
}

impl Asked {
    pub fn of(head: &Head) -> Self {
        match head.method() {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ if head.values("upgrade").any(|value| value.eq_ignore_ascii_case(b"h2c")) => Self::H2c,
            _ => Self::Other,
        }
    }
}

/// What is read of them.
#[derive(Debug)]
enum Answers {
    Http1(http1::Responses),
    Http2(http2::Responses),
    /// HTTP/2, where nobody asks when a response ends: whatever comes, no octet of it matters.
    Indifferent,
    Unknown,
}

impl Answers {
    /// Nothing has come before. What was asked in HTTP/1.1 is not answered in HTTP/2.
    fn begin_http2(&mut self, ends_matter: bool) -> Result<(), Lost> {
        match self {
            Self::Http1(answers) if answers.waiting() => Err(Lost::Unclear),
            _ => {
                *self = Self::http2(ends_matter);
                Ok(())
            }
        }
    }

    fn http2(ends_matter: bool) -> Self {
        if ends_matter { Self::Http2(http2::Responses::default()) } else { Self::Indifferent }
    }
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
    answers: Answers,
    ends_matter: bool,
    server_isn: u32,
}

/// Why following stops; the caller only learns that it did.
pub(super) enum Lost {
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
        let answers = Answers::Http1(http1::Responses::default());
        let settings = Arc::clone(settings);
        Self { settings, pos: 0, granted: 0, pieces: None, answers, ends_matter: true, server_isn }
    }

    /// For one who only asks whether the connection goes on with another protocol: HTTP/2 does not.
    pub fn without_ends(self) -> Self {
        Self { ends_matter: false, ..self }
    }

    /// Whether the end of an HTTP/2 stream is told.
    pub fn tells_ends(&self) -> bool {
        self.ends_matter
    }

    /// To be called for every request head of the connection, in order, before its response is shown. `stream`: as its
    /// event says; what an HTTP/2 stream asked need not be known.
    pub fn request(&mut self, asked: Asked, stream: u32, out: &mut Vec<ResponseEvent>) {
        if let Answers::Http1(answers) = &mut self.answers
            && stream == 0
            && !answers.asked(asked, self.settings.max_pipelined)
        {
            self.lose(out);
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
    /// octet of a response is never granted: a packet with it must show, or nobody would learn that the response has ended.
    pub fn grant(&mut self) -> Option<u32> {
        let ends = match &self.answers {
            Answers::Http1(answers) => answers.ends_with_content(),
            Answers::Http2(answers) => answers.ends_with_content(),
            Answers::Indifferent => false,
            Answers::Unknown => return None,
        };
        let ahead = self.indifferent().saturating_sub(u64::from(ends));
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
        !matches!(self.answers, Answers::Unknown)
    }

    /// Octets that this stream occupies, about.
    pub fn memory(&self) -> usize {
        let held = if let Answers::Http1(answers) = &self.answers { answers.heap() } else { 0 };
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.memory());
        size_of::<Self>() + held + pieces
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
        if let (0, Some(0)) = (self.pos, bytes.first()) {
            // HTTP/1 begins with "HTTP/", HTTP/2 with the length of a SETTINGS frame, which is never of 64 KiB.
            self.answers.begin_http2(self.ends_matter)?;
        }
        if let Answers::Http1(answers) = &mut self.answers {
            let taken = answers.take(bytes, at, &self.settings, out)?;
            self.pos += taken as u64;
            bytes = &bytes[taken..];
            if answers.upgraded() {
                self.answers = Answers::http2(self.ends_matter);
            }
        }
        match &mut self.answers {
            Answers::Http2(answers) => answers.take(bytes, at, out)?,
            Answers::Indifferent => {}
            Answers::Http1(_) | Answers::Unknown => return Ok(()),
        }
        self.pos += bytes.len() as u64;
        Ok(())
    }

    /// Octets of content that come next, whatever they are.
    fn indifferent(&self) -> u64 {
        match &self.answers {
            Answers::Http1(answers) => answers.indifferent(),
            Answers::Http2(answers) => answers.indifferent(),
            Answers::Indifferent => u64::MAX - self.pos,
            Answers::Unknown => 0,
        }
    }

    /// At most [`Self::indifferent`] octets, seen or not.
    fn skip(&mut self, n: u64, at: u64, out: &mut Vec<ResponseEvent>) {
        if n == 0 {
            return;
        }
        self.pos += n;
        match &mut self.answers {
            Answers::Http1(answers) => answers.skip(n, at, out),
            Answers::Http2(answers) => answers.skip(n, at, out),
            Answers::Indifferent | Answers::Unknown => {}
        }
    }

    fn lose(&mut self, out: &mut Vec<ResponseEvent>) {
        let from = match std::mem::replace(&mut self.answers, Answers::Unknown) {
            Answers::Http1(answers) => Which::Nth(answers.index()),
            Answers::Http2(_) | Answers::Indifferent => Which::Stream(0),
            Answers::Unknown => return,
        };
        self.pieces = None;
        out.push(ResponseEvent::Unknown { from });
    }
}

#[cfg(test)]
mod tests;
