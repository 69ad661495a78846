//! The request line and the whole request head (RFC 9112 sections 3 and 5).

use super::chars::{TARGET, TOKEN, end_of};
use super::fields::{Line, span};
use super::{Cursor, Framing, Parsed, target};
use crate::model::{FieldSpans, Head, HeadParts, USUAL_FIELDS, Version};
use crate::wire::{Body, Bound, Malformed, Settings, Switch};

/// A request head that is complete.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub len: usize,
    pub head: Head,
    pub body: Body,
    pub switch: Option<Switch>,
    /// No other request may follow (RFC 9112 section 9.3): `Connection: close`, or HTTP/1.0 without `keep-alive`.
    pub closes: bool,
    pub expects: bool,
}

struct RequestLine {
    method: (usize, usize),
    target: (usize, usize),
    version: Version,
}

/// What the fields of a request mean for its framing and target.
#[derive(Default)]
struct Notes {
    framing: Framing,
    host: Option<(usize, usize)>,
    coded: bool,
    upgrade: Option<Switch>,
    close: bool,
    keep_alive: bool,
    expects: bool,
}

pub(super) fn request_head(raw: &[u8], settings: &Settings) -> Parsed<RequestHead> {
    let mut cursor = Cursor { raw, at: 0, settings };
    let Some(line) = cursor.request_line()? else { return Ok(None) };
    let mut notes = Notes::default();
    let mut fields = FieldSpans::with_capacity(USUAL_FIELDS);
    loop {
        match cursor.field()? {
            None => return Ok(None),
            Some(Line::End) => break,
            Some(Line::Field { name, value }) => {
                if fields.len() == usize::from(cursor.settings.max_fields) {
                    return Err(Bound::TooManyFields.into());
                }
                notes.note(raw, name, value)?;
                fields.push((span(name), span(value)));
            }
        }
    }
    notes.finish(&raw[..cursor.at], &line, fields).map_err(Into::into).map(Some)
}

impl Notes {
    fn note(&mut self, raw: &[u8], name: (usize, usize), value: (usize, usize)) -> Result<(), Malformed> {
        let key = &raw[name.0..name.1];
        match key.len() {
            4 if key.eq_ignore_ascii_case(b"host") && self.host.replace(value).is_some() => {
                return Err(Malformed::TwoHosts);
            }
            6 => self.expects |= key.eq_ignore_ascii_case(b"expect"),
            7 if key.eq_ignore_ascii_case(b"upgrade") => self.upgrade(&raw[value.0..value.1]),
            10 if key.eq_ignore_ascii_case(b"connection") => self.connection(&raw[value.0..value.1]),
            14 => self.framing.note(key, &raw[value.0..value.1])?,
            17 => {
                self.framing.note(key, &raw[value.0..value.1])?;
                self.coded |= key.eq_ignore_ascii_case(b"transfer-encoding");
            }
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn upgrade(&mut self, value: &[u8]) {
        let asked = match value {
            _ if self.upgrade.is_some() => Switch::Other,
            _ if value.eq_ignore_ascii_case(b"websocket") => Switch::WebSocket,
            _ if value.eq_ignore_ascii_case(b"h2c") => Switch::H2c,
            _ => Switch::Other,
        };
        self.upgrade = Some(asked);
    }

    fn finish(self, raw: &[u8], line: &RequestLine, fields: FieldSpans) -> Result<RequestHead, Malformed> {
        if line.version == Version::Http10 && self.coded {
            return Err(Malformed::TransferEncodingIn10);
        }
        if line.version == Version::Http11 && self.host.is_none() {
            return Err(Malformed::HostMissing);
        }
        if let Some((start, end)) = self.host {
            target::check_host(&raw[start..end])?;
        }
        let framing = self.framing.body()?;
        let connect = raw[line.method.0..line.method.1] == *b"CONNECT";
        if connect && framing.is_some() {
            return Err(Malformed::ConnectWithBody);
        }
        let parts =
            HeadParts { method: span(line.method), target: span(line.target), authority: self.host.map(span), fields };
        let head = target::resolve(raw, line.version, line.method, line.target, parts)?;
        let body = framing.unwrap_or(Body::Length(0));
        let switch = if connect { Some(Switch::Connect) } else { self.upgrade };
        let closes = self.close || line.version == Version::Http10 && !self.keep_alive;
        Ok(RequestHead { len: raw.len(), head, body, switch, closes, expects: self.expects })
    }
}

impl Cursor<'_> {
    /// `method SP request-target SP HTTP-version CRLF`, single spaces only.
    fn request_line(&mut self) -> Parsed<RequestLine> {
        let start = self.at;
        let Some(method_end) = end_of(self.raw, start, TOKEN) else { return Ok(None) };
        if method_end == start || self.raw[method_end] != b' ' {
            return Err(broken(self.raw[method_end]).into());
        }
        let Some(target_end) = end_of(self.raw, method_end + 1, TARGET) else { return Ok(None) };
        if target_end == method_end + 1 || self.raw[target_end] != b' ' {
            return Err(broken(self.raw[target_end]).into());
        }
        let Some((version, next)) = self.version(target_end + 1)? else { return Ok(None) };
        self.at = next;
        Ok(Some(RequestLine { method: (start, method_end), target: (method_end + 1, target_end), version }))
    }

    fn version(&self, at: usize) -> Parsed<(Version, usize)> {
        const NAME: &[u8] = b"HTTP/1.";
        let rest = &self.raw[at..];
        let common = rest.len().min(NAME.len());
        if rest[..common] != NAME[..common] {
            return Err(Malformed::Version.into());
        }
        let version = match rest.get(NAME.len()) {
            None => return Ok(None),
            Some(b'0') => Version::Http10,
            Some(b'1') => Version::Http11,
            Some(_) => return Err(Malformed::Version.into()),
        };
        let end = at + NAME.len() + 1;
        if self.raw.get(end).is_some_and(|octet| !matches!(octet, b'\r' | b'\n')) {
            return Err(Malformed::Version.into());
        }
        Ok(self.line_end(end)?.map(|next| (version, next)))
    }
}

fn broken(octet: u8) -> Malformed {
    match octet {
        b'\n' => Malformed::BareLf,
        _ => Malformed::RequestLine,
    }
}
