//! The responses of one connection, by their frames alone: which stream the server has ended.

use super::frame::{Frame, HEADER, Kind};
use crate::wire::response::Lost;
use crate::wire::{ResponseEvent, Which};

#[derive(Debug)]
enum State {
    /// So many octets of a frame header.
    Header { octets: [u8; HEADER], have: u8 },
    /// Octets of a payload, the last of which may end a stream. What they are does not matter.
    Payload { left: u64, ends: Option<u32> },
}

/// A header block that CONTINUATION frames go on with.
#[derive(Clone, Copy, Debug)]
struct Block {
    stream: u32,
    ends: bool,
}

#[derive(Debug)]
pub(in crate::wire) struct Responses {
    state: State,
    block: Option<Block>,
    /// The server's first SETTINGS have come (RFC 9113 section 3.4).
    settled: bool,
}

impl Default for Responses {
    fn default() -> Self {
        Self { state: State::START, block: None, settled: false }
    }
}

impl State {
    const START: Self = Self::Header { octets: [0; HEADER], have: 0 };
}

impl Responses {
    pub fn take(&mut self, mut bytes: &[u8], at: u64, out: &mut Vec<ResponseEvent>) -> Result<(), Lost> {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Header { octets, have } => {
                    let rest = &mut octets[usize::from(*have)..];
                    let n = rest.len().min(bytes.len());
                    rest[..n].copy_from_slice(&bytes[..n]);
                    *have += n as u8;
                    if let Some(frame) = Frame::read(&octets[..usize::from(*have)]) {
                        let ends = self.ends(frame)?;
                        self.state = State::Payload { left: u64::from(frame.len), ends };
                        self.skip(0, at, out);
                    }
                    n
                }
                State::Payload { left, .. } => {
                    let n = (*left).min(bytes.len() as u64);
                    self.skip(n, at, out);
                    usize::try_from(n).unwrap_or(usize::MAX)
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub fn indifferent(&self) -> u64 {
        if let State::Payload { left, .. } = self.state { left } else { 0 }
    }

    /// Whether the last of the [`Self::indifferent`] octets is the last one of a response.
    pub fn ends_with_content(&self) -> bool {
        matches!(self.state, State::Payload { ends: Some(_), .. })
    }

    pub fn skip(&mut self, n: u64, at: u64, out: &mut Vec<ResponseEvent>) {
        let State::Payload { left, ends } = &mut self.state else { return };
        *left -= n;
        if *left == 0 {
            if let Some(stream) = *ends {
                out.push(ResponseEvent::Ended { which: Which::Stream(stream), at });
            }
            self.state = State::START;
        }
    }

    /// The stream that ends with this frame. What a server must not send leaves the rest unclear.
    fn ends(&mut self, frame: Frame) -> Result<Option<u32>, Lost> {
        let Frame { kind, len, stream, .. } = frame;
        if !self.settled && (kind != Kind::Settings || frame.is_ack()) {
            return Err(Lost::Unclear);
        }
        self.settled = true;
        let ended = |ends: bool| Ok(ends.then_some(stream));
        match (kind, self.block) {
            (Kind::Continuation, Some(block)) if block.stream == stream => {
                if !frame.ends_headers() {
                    return Ok(None);
                }
                self.block = None;
                ended(block.ends)
            }
            (Kind::Continuation, _) | (_, Some(_)) => Err(Lost::Unclear),
            (Kind::Data | Kind::Headers | Kind::RstStream | Kind::PushPromise, None) if stream == 0 => {
                Err(Lost::Unclear)
            }
            (Kind::Data, None) => ended(frame.ends_stream()),
            (Kind::Headers, None) if frame.ends_headers() => ended(frame.ends_stream()),
            (Kind::Headers, None) => {
                self.block = Some(Block { stream, ends: frame.ends_stream() });
                Ok(None)
            }
            (Kind::PushPromise, None) => {
                self.block = (!frame.ends_headers()).then_some(Block { stream, ends: false });
                Ok(None)
            }
            (Kind::RstStream, None) if len != 4 => Err(Lost::Unclear),
            (Kind::RstStream, None) => ended(true),
            (Kind::Settings, None) if stream != 0 => Err(Lost::Unclear),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
