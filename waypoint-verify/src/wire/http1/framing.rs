//! Which fields decide where a message ends (RFC 9112 section 6).

use crate::wire::{Body, Malformed};

/// What the framing fields of one head say.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::wire) struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    pub fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(value),
            _ => Ok(()),
        }
    }

    /// `None`: neither field is there.
    pub fn body(self) -> Result<Option<Body>, Malformed> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Malformed::LengthAndChunked),
            (Some(length), false) => Ok(Some(Body::Length(length))),
            (None, true) => Ok(Some(Body::Chunked)),
            (None, false) => Ok(None),
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if self.length.is_some() {
            return Err(Malformed::TwoLengths);
        }
        self.length = Some(content_length(value)?);
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }
}

/// `1*DIGIT` (RFC 9110 section 8.6).
pub(in crate::wire) fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    if value.contains(&b',') {
        return Err(Malformed::TwoLengths);
    }
    if value.is_empty() {
        return Err(Malformed::BadLength);
    }
    let mut length = 0u64;
    for octet in value {
        if !octet.is_ascii_digit() {
            return Err(Malformed::BadLength);
        }
        length =
            length.checked_mul(10).and_then(|n| n.checked_add(u64::from(octet - b'0'))).ok_or(Malformed::BadLength)?;
    }
    // Offsets must stay far from overflow whatever the stream claims.
    if length > 1 << 62 { Err(Malformed::BadLength) } else { Ok(length) }
}
