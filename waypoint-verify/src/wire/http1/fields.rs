//! Field lines (RFC 9112 section 5), of heads and of trailer sections.

use super::chars::{TOKEN, VALUE, end_of};
use super::{Cursor, Parsed};
use crate::model::Span;
use crate::wire::Malformed;

pub(super) enum Line {
    Field {
        name: (usize, usize),
        value: (usize, usize),
    },
    /// The empty line; the cursor stands after it.
    End,
}

impl Cursor<'_> {
    /// CRLF at `at`, strictly; the index after it.
    pub(super) fn line_end(&self, at: usize) -> Parsed<usize> {
        match (self.raw.get(at), self.raw.get(at + 1)) {
            (Some(b'\n'), _) => Err(Malformed::BareLf.into()),
            (Some(b'\r'), Some(b'\n')) => Ok(Some(at + 2)),
            (Some(b'\r'), Some(_)) => Err(Malformed::BareCr.into()),
            _ => Ok(None),
        }
    }

    pub(super) fn field(&mut self) -> Parsed<Line> {
        let start = self.at;
        match self.raw.get(start) {
            None => return Ok(None),
            Some(b'\r' | b'\n') => {
                let Some(next) = self.line_end(start)? else { return Ok(None) };
                self.at = next;
                return Ok(Some(Line::End));
            }
            Some(b' ' | b'\t') => return Err(Malformed::ObsFold.into()),
            Some(_) => {}
        }
        let Some(colon) = end_of(self.raw, start, TOKEN) else { return Ok(None) };
        match self.raw[colon] {
            b':' if colon > start => {}
            b' ' | b'\t' => return Err(Malformed::SpaceBeforeColon.into()),
            b'\n' => return Err(Malformed::BareLf.into()),
            _ => return Err(Malformed::FieldName.into()),
        }
        let Some(end) = end_of(self.raw, colon + 1, VALUE) else { return Ok(None) };
        if !matches!(self.raw[end], b'\r' | b'\n') {
            return Err(Malformed::FieldValue.into());
        }
        let Some(next) = self.line_end(end)? else { return Ok(None) };
        self.at = next;
        Ok(Some(Line::Field { name: (start, colon), value: trim(self.raw, colon + 1, end) }))
    }
}

/// Without the optional whitespace around it (RFC 9110 section 5.6.3).
fn trim(raw: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    let blank = |octet: u8| octet == b' ' || octet == b'\t';
    while start < end && blank(raw[start]) {
        start += 1;
    }
    while end > start && blank(raw[end - 1]) {
        end -= 1;
    }
    (start, end)
}

pub(super) fn span((start, end): (usize, usize)) -> Span {
    Span::new(start, end)
}
