//! What the peer says, stream by stream.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::frames::{ACK, END_HEADERS, END_STREAM, Frame, PADDED, PRIORITY, kind};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub local: Option<SocketAddr>,
    pub streams: BTreeMap<u32, Answer>,
    /// Error code of a GOAWAY.
    pub go_away: Option<u32>,
    pub closed: bool,
    /// What came before HTTP/2 did.
    pub text: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// 0 if there was none.
    pub status: u16,
    /// Of the head and the trailers, by name.
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub ended: bool,
    /// Error code of a RST_STREAM.
    pub reset: Option<u32>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(super) struct Peer {
    stream: TcpStream,
    patience: Duration,
    out: Vec<u8>,
    input: Vec<u8>,
    decoder: httlib_hpack::Decoder<'static>,
    /// Stream, whether it ends, and the fragments of a block that is not whole yet.
    block: Option<(u32, bool, Vec<u8>)>,
    report: Report,
}

impl Peer {
    pub(super) fn connect(to: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&to, patience).with_context(|| to.to_string())?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(patience))?;
        let report = Report { local: Some(stream.local_addr()?), ..Report::default() };
        let decoder = httlib_hpack::Decoder::default();
        Ok(Self { stream, patience, out: Vec::new(), input: Vec::new(), decoder, block: None, report })
    }

    pub(super) fn put(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let out = std::mem::take(&mut self.out);
        match self.stream.write_all(&out) {
            // The answer says why, if there is one.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.report.closed = true;
                Ok(())
            }
            outcome => outcome.context("sending"),
        }
    }

    /// The head of the answer to an upgrade.
    pub(super) fn switched(&mut self) -> Result<()> {
        self.flush()?;
        let deadline = Instant::now() + self.patience;
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(self.read(deadline)?, "no answer to the upgrade");
        };
        self.report.text = String::from_utf8_lossy(&self.input.drain(..end).collect::<Vec<_>>()).into_owned();
        ensure!(self.report.text.starts_with("HTTP/1.1 101"), "the peer does not switch: {}", self.report.text);
        Ok(())
    }

    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        self.flush()?;
        let deadline = Instant::now() + self.patience;
        loop {
            self.take()?;
            if holds(self) {
                return Ok(());
            }
            if !self.read(deadline)? {
                bail!("{what} does not come");
            }
        }
    }

    pub(super) fn listen(&mut self, time: Duration) -> Result<()> {
        self.flush()?;
        let deadline = Instant::now() + time;
        while self.read(deadline)? {
            self.take()?;
        }
        self.take()
    }

    pub(super) fn have_ended(&self, streams: &[u32]) -> bool {
        let over = |answer: &Answer| answer.ended || answer.reset.is_some();
        streams.iter().all(|stream| self.report.streams.get(stream).is_some_and(over))
    }

    pub(super) fn is_over(&self) -> bool {
        self.report.closed
    }

    pub(super) fn report(&self) -> Report {
        self.report.clone()
    }

    /// False at the deadline and at the end.
    fn read(&mut self, deadline: Instant) -> Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.report.closed {
            return Ok(false);
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.report.closed = true,
            Ok(length) => self.input.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.report.closed = true,
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// All whole frames that are there.
    fn take(&mut self) -> Result<()> {
        while let Some(header) = self.input.first_chunk::<9>() {
            let [a, b, c, kind, flags, rest @ ..] = *header;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if self.input.len() < 9 + length {
                break;
            }
            let stream = u32::from_be_bytes(rest) & 0x7fff_ffff;
            let payload: Vec<u8> = self.input.drain(..9 + length).skip(9).collect();
            self.frame(kind, flags, stream, &payload)?;
        }
        self.flush()
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<()> {
        match kind {
            kind::SETTINGS if flags & ACK == 0 => self.put(&Frame::new(kind::SETTINGS, ACK, 0, []).octets()),
            kind::PING if flags & ACK == 0 => self.put(&Frame::new(kind::PING, ACK, 0, payload).octets()),
            kind::HEADERS => {
                let fragment = unpadded(payload, flags);
                let fragment = if flags & PRIORITY == 0 { fragment } else { &fragment[5..] };
                self.block = Some((stream, flags & END_STREAM != 0, fragment.to_owned()));
                self.block_ends(flags)?;
            }
            kind::CONTINUATION => {
                if let Some((_, _, block)) = &mut self.block {
                    block.extend_from_slice(payload);
                }
                self.block_ends(flags)?;
            }
            kind::DATA => {
                let data = unpadded(payload, flags).to_owned();
                if !payload.is_empty() {
                    let more = (payload.len() as u32).to_be_bytes();
                    self.put(&Frame::new(kind::WINDOW_UPDATE, 0, 0, more).octets());
                    self.put(&Frame::new(kind::WINDOW_UPDATE, 0, stream, more).octets());
                }
                let answer = self.report.streams.entry(stream).or_default();
                answer.body.push_str(&String::from_utf8_lossy(&data));
                answer.ended |= flags & END_STREAM != 0;
            }
            kind::RST_STREAM => self.report.streams.entry(stream).or_default().reset = last_u32(payload),
            kind::GOAWAY => self.report.go_away = payload.get(4..8).and_then(last_u32),
            _ => {}
        }
        Ok(())
    }

    fn block_ends(&mut self, flags: u8) -> Result<()> {
        if flags & END_HEADERS == 0 {
            return Ok(());
        }
        let Some((stream, end, mut block)) = self.block.take() else { return Ok(()) };
        let mut fields = Vec::new();
        self.decoder.decode(&mut block, &mut fields).context("the peer's header block")?;
        let answer = self.report.streams.entry(stream).or_default();
        answer.ended |= end;
        for (name, value, _) in fields {
            let [name, value] = [name, value].map(|octets| String::from_utf8_lossy(&octets).into_owned());
            if name == ":status" {
                answer.status = value.parse()?;
            }
            answer.headers.push((name, value));
        }
        Ok(())
    }
}

fn unpadded(payload: &[u8], flags: u8) -> &[u8] {
    match payload {
        [padding, content @ ..] if flags & PADDED != 0 => &content[..content.len() - usize::from(*padding)],
        all => all,
    }
}

fn last_u32(octets: &[u8]) -> Option<u32> {
    octets.last_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}
