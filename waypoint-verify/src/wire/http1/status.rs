//! The head of a response (RFC 9112 section 4), as far as its end depends on it.

use super::chars::{VALUE, end_of};
use super::fields::Line;
use super::{Cursor, Framing, Parsed};
use crate::wire::{Body, Bound, Malformed, Settings};

#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct StatusHead {
    pub len: usize,
    pub status: u16,
    /// As the fields say; status and request method may overrule it.
    pub framing: Option<Body>,
    /// `Upgrade: h2c`.
    pub h2c: bool,
}

pub(in crate::wire) fn response_head(raw: &[u8], settings: &Settings) -> Parsed<StatusHead> {
    let mut cursor = Cursor { raw, at: 0, settings };
    let Some((status, http10)) = cursor.status_line()? else { return Ok(None) };
    let mut framing = Framing::default();
    let (mut count, mut h2c) = (0, false);
    loop {
        match cursor.field()? {
            None => return Ok(None),
            Some(Line::End) => break,
            Some(Line::Field { name, value }) => {
                count += 1;
                if count > settings.max_fields {
                    return Err(Bound::TooManyFields.into());
                }
                let (name, value) = (&raw[name.0..name.1], &raw[value.0..value.1]);
                h2c |= name.eq_ignore_ascii_case(b"upgrade") && value.eq_ignore_ascii_case(b"h2c");
                framing.note(name, value)?;
            }
        }
    }
    let framing = framing.body()?;
    if http10 && framing == Some(Body::Chunked) {
        return Err(Malformed::TransferEncodingIn10.into());
    }
    Ok(Some(StatusHead { len: cursor.at, status, framing, h2c }))
}

impl Cursor<'_> {
    /// `HTTP/1.x SP 3DIGIT [SP reason] CRLF`; whether it is HTTP/1.0.
    fn status_line(&mut self) -> Parsed<(u16, bool)> {
        let Some(line) = self.raw.get(..12) else { return Ok(None) };
        let http10 = match &line[..9] {
            b"HTTP/1.1 " => false,
            b"HTTP/1.0 " => true,
            _ => return Err(Malformed::Version.into()),
        };
        let mut status = 0;
        for octet in &line[9..] {
            if !octet.is_ascii_digit() {
                return Err(Malformed::RequestLine.into());
            }
            status = status * 10 + u16::from(octet - b'0');
        }
        let Some(end) = end_of(self.raw, 12, VALUE) else { return Ok(None) };
        if end > 12 && self.raw[12] != b' ' {
            return Err(Malformed::RequestLine.into());
        }
        let Some(next) = self.line_end(end)? else { return Ok(None) };
        if status < 100 {
            return Err(Malformed::RequestLine.into());
        }
        self.at = next;
        Ok(Some((status, http10)))
    }
}
