//! The chunked coding (RFC 9112 section 7.1), octet by octet where a chunk is described, by length where it is data.

use super::chars::{HEX, VALUE, is};
use super::fields::Line;
use super::{Cursor, Framing, Gather, Gathered};
use crate::wire::{Bound, Malformed, Poison, Settings};

#[derive(Debug)]
enum State {
    Size { value: u64, digits: u16 },
    Extension { value: u64, line: u16 },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers,
}

#[derive(Debug)]
pub(in crate::wire) struct Chunked {
    state: State,
    /// Octets of content so far.
    pub content: u64,
    trailers: Gather,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, content: 0, trailers: Gather::default() }
    }
}

impl Chunked {
    /// How many octets were taken, and whether the body ended with them.
    pub fn take(&mut self, bytes: &[u8], settings: &Settings) -> Result<(usize, bool), Poison> {
        let mut at = 0;
        while at < bytes.len() {
            let (n, ended) = self.describe(&bytes[at..], settings)?;
            at += n;
            if ended {
                return Ok((at, true));
            }
            let data = self.indifferent().min((bytes.len() - at) as u64);
            self.skip(data);
            at += usize::try_from(data).unwrap_or(usize::MAX);
        }
        Ok((at, false))
    }

    /// The same, up to the next data.
    pub fn describe(&mut self, bytes: &[u8], settings: &Settings) -> Result<(usize, bool), Poison> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Data { .. } => break,
                State::Trailers => {
                    match self.trailers.push(&bytes[at..], settings.max_head, Bound::TrailersTooLarge.into())? {
                        Gathered::More => return Ok((bytes.len(), false)),
                        Gathered::Complete(n) => {
                            check_trailers(self.trailers.bytes(), settings)?;
                            return Ok((at + n, true));
                        }
                    }
                }
                _ => {
                    self.octet(bytes[at], settings)?;
                    at += 1;
                }
            }
        }
        Ok((at, false))
    }

    /// Octets of data that come next, whatever they are.
    pub fn indifferent(&self) -> u64 {
        if let State::Data { left } = self.state { left } else { 0 }
    }

    /// At most [`Self::indifferent`].
    pub fn skip(&mut self, n: u64) {
        if let State::Data { left } = &mut self.state {
            *left -= n;
            self.content += n;
            if *left == 0 {
                self.state = State::DataCr;
            }
        }
    }

    pub fn heap(&self) -> usize {
        self.trailers.heap()
    }

    fn octet(&mut self, octet: u8, settings: &Settings) -> Result<(), Poison> {
        self.state = match (&self.state, octet) {
            (State::Size { value, digits }, _) if is(octet, HEX) => size_digit(*value, *digits, octet, settings)?,
            (State::Size { value, digits: 1.. }, b'\r') => State::SizeLf { value: *value },
            (State::Size { value, digits: digits @ 1.. }, b';') => State::Extension { value: *value, line: digits + 1 },
            (State::Size { .. } | State::Extension { .. }, b'\n') => return Err(Malformed::BareLf.into()),
            (State::Size { .. }, _) => return Err(Malformed::ChunkSize.into()),
            (State::Extension { value, .. }, b'\r') => State::SizeLf { value: *value },
            (State::Extension { value, line }, _) if is(octet, VALUE) => {
                if *line >= settings.max_chunk_line {
                    return Err(Bound::ChunkLine.into());
                }
                State::Extension { value: *value, line: line + 1 }
            }
            (State::Extension { .. }, _) => return Err(Malformed::ChunkExtension.into()),
            (State::SizeLf { value: 0 }, b'\n') => State::Trailers,
            (State::SizeLf { value }, b'\n') => State::Data { left: *value },
            (State::SizeLf { .. }, _) => return Err(Malformed::BareCr.into()),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
            (State::DataCr | State::DataLf | State::Data { .. } | State::Trailers, _) => {
                return Err(Malformed::ChunkEnd.into());
            }
        };
        Ok(())
    }
}

fn size_digit(value: u64, digits: u16, octet: u8, settings: &Settings) -> Result<State, Poison> {
    // Leading zeros are digits too (1*HEXDIG), but not without end.
    if digits >= settings.max_chunk_line {
        return Err(Bound::ChunkLine.into());
    }
    let digit = match octet {
        b'0'..=b'9' => octet - b'0',
        _ => (octet | 0x20) - b'a' + 10,
    };
    let value = value << 4 | u64::from(digit);
    if value >> 56 != 0 { Err(Malformed::ChunkSize.into()) } else { Ok(State::Size { value, digits: digits + 1 }) }
}

/// Field lines like those of a head, none of which may speak of the framing (RFC 9110 section 6.5.1).
fn check_trailers(raw: &[u8], settings: &Settings) -> Result<(), Poison> {
    let mut cursor = Cursor { raw, at: 0, settings };
    let mut count = 0;
    loop {
        match cursor.field()? {
            None | Some(Line::End) => return Ok(()),
            Some(Line::Field { name, value }) => {
                count += 1;
                if count > settings.max_fields {
                    return Err(Bound::TooManyFields.into());
                }
                let mut framing = Framing::default();
                let noted = framing.note(&raw[name.0..name.1], &raw[value.0..value.1]);
                if noted.is_err() || !matches!(framing.body(), Ok(None)) {
                    return Err(Malformed::Trailer.into());
                }
            }
        }
    }
}
