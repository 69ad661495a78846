//! A header block -> a request head or trailers, by the rules of RFC 9113 section 8.

use super::field::{Class, Field};
use super::hpack::{Decoder, Fault, FieldText, Sink, TableTooLarge};
use crate::model::{FieldSpans, Head, HeadParts, Span, USUAL_FIELDS, Version};
use crate::wire::chars::{TARGET, TOKEN, all};
use crate::wire::http1::{check_host, content_length};
use crate::wire::{Body, Bound, Malformed, Poison, Settings};

/// What a field counts beside its octets, as for SETTINGS_MAX_HEADER_LIST_SIZE.
const OVERHEAD: usize = 32;

/// A request head that is complete.
#[derive(Debug)]
pub(super) struct Request {
    pub head: Head,
    pub body: Body,
    pub declared: Option<u64>,
    pub expects: bool,
}

impl From<Fault> for Poison {
    fn from(fault: Fault) -> Self {
        Malformed::Hpack(fault).into()
    }
}

impl From<TableTooLarge> for Poison {
    fn from(_: TableTooLarge) -> Self {
        Bound::HeaderTable.into()
    }
}

/// `list`: an empty buffer, returned as one.
pub(super) fn request(
    block: &[u8],
    ends: bool,
    decoder: &mut Decoder,
    list: &mut Vec<u8>,
    settings: &Settings,
) -> Result<Request, Poison> {
    let mut fields = Fields::new(list, settings);
    decoder.decode(block, &mut fields)?;
    fields.finish(ends)
}

pub(super) fn trailers(block: &[u8], decoder: &mut Decoder, settings: &Settings) -> Result<(), Poison> {
    decoder.decode(block, &mut Trailers { bounds: Bounds::default(), settings })
}

#[derive(Default)]
struct Bounds {
    size: usize,
    count: usize,
}

impl Bounds {
    fn count(&mut self, text: FieldText<'_>, settings: &Settings, too_large: Bound) -> Result<(), Poison> {
        self.size += text.name.len() + text.value.len() + OVERHEAD;
        self.count += 1;
        if self.size > settings.max_head as usize {
            return Err(too_large.into());
        }
        if self.count > usize::from(settings.max_fields) { Err(Bound::TooManyFields.into()) } else { Ok(()) }
    }
}

/// Pseudo-header fields of a request (section 8.3.1, RFC 8441 section 4).
#[derive(Clone, Copy, Default)]
struct Pseudo {
    method: Option<Span>,
    scheme: Option<Span>,
    authority: Option<Span>,
    path: Option<Span>,
    protocol: Option<Span>,
}

struct Fields<'a> {
    settings: &'a Settings,
    bounds: Bounds,
    octets: &'a mut Vec<u8>,
    pseudo: Pseudo,
    fields: FieldSpans,
    host: Option<Span>,
    declared: Option<u64>,
    expects: bool,
    /// A field that is no pseudo-header field was there.
    regular: bool,
}

impl Sink for Fields<'_> {
    type Error = Poison;

    fn field(&mut self, text: FieldText<'_>) -> Result<(), Poison> {
        let FieldText { field: Field { class, value_ok }, name, value } = text;
        self.bounds.count(text, self.settings, Bound::HeadTooLarge)?;
        if !value_ok {
            return Err(Malformed::FieldValue.into());
        }
        let once = match class {
            Class::Method => &mut self.pseudo.method,
            Class::Scheme => &mut self.pseudo.scheme,
            Class::Authority => &mut self.pseudo.authority,
            Class::Path => &mut self.pseudo.path,
            Class::Protocol => &mut self.pseudo.protocol,
            _ => return self.regular(class, name, value),
        };
        if self.regular || once.replace(put(self.octets, value)).is_some() {
            return Err(Malformed::PseudoField.into());
        }
        Ok(())
    }
}

impl<'a> Fields<'a> {
    fn new(octets: &'a mut Vec<u8>, settings: &'a Settings) -> Self {
        Self {
            settings,
            bounds: Bounds::default(),
            octets,
            pseudo: Pseudo::default(),
            fields: FieldSpans::with_capacity(USUAL_FIELDS),
            host: None,
            declared: None,
            expects: false,
            regular: false,
        }
    }

    fn regular(&mut self, class: Class, name: &[u8], value: &[u8]) -> Result<(), Poison> {
        self.regular = true;
        let span = (put(self.octets, name), put(self.octets, value));
        match class {
            Class::BadName => return Err(Malformed::FieldName.into()),
            Class::Connection => return Err(Malformed::ConnectionField.into()),
            Class::Te if value != b"trailers" => return Err(Malformed::ConnectionField.into()),
            Class::Host if self.host.replace(span.1).is_some() => return Err(Malformed::TwoHosts.into()),
            Class::Length if self.declared.is_some() => return Err(Malformed::TwoLengths.into()),
            Class::Length => self.declared = Some(content_length(value)?),
            Class::Expect => self.expects = true,
            Class::Host | Class::Te | Class::Plain => {}
            _ => return Err(Malformed::PseudoField.into()),
        }
        self.fields.push(span);
        Ok(())
    }

    fn finish(self, ends: bool) -> Result<Request, Poison> {
        let octets: &[u8] = self.octets;
        let text = |span: Option<Span>| span.and_then(|span| span.of(octets));
        let Some(method) = self.pseudo.method else { return Err(Malformed::PseudoField.into()) };
        let connect = text(Some(method)) == Some(b"CONNECT");
        if !text(Some(method)).is_some_and(|method| all(method, TOKEN)) {
            return Err(Malformed::RequestLine.into());
        }
        self.authority(text(self.pseudo.authority), text(self.host))?;
        let target = match (connect, self.pseudo) {
            // Section 8.5.
            (true, Pseudo { protocol: None, scheme: None, path: None, authority: Some(authority), .. }) => {
                if !text(Some(authority)).is_some_and(|authority| authority.contains(&b':')) {
                    return Err(Malformed::Target.into());
                }
                authority
            }
            (false, Pseudo { protocol: None, scheme: Some(_), path: Some(path), .. })
            | (true, Pseudo { protocol: Some(_), scheme: Some(_), path: Some(path), authority: Some(_), .. }) => path,
            _ => return Err(Malformed::PseudoField.into()),
        };
        if !text(self.pseudo.protocol.or(Some(method))).is_some_and(|protocol| all(protocol, TOKEN))
            || text(self.pseudo.scheme).is_some_and(|scheme| !is_scheme(scheme))
        {
            return Err(Malformed::PseudoField.into());
        }
        if self.pseudo.path.is_some() && !text(Some(target)).is_some_and(|path| is_path(path, text(Some(method)))) {
            return Err(Malformed::Target.into());
        }
        if connect && self.declared.is_some() {
            return Err(Malformed::ConnectWithBody.into());
        }
        let body = match (ends, self.declared) {
            (true, Some(1..)) => return Err(Malformed::LengthDiffers.into()),
            (true, _) => Body::Length(0),
            (false, Some(length)) => Body::Length(length),
            (false, None) => Body::Stream,
        };
        let authority = self.pseudo.authority.or(self.host);
        let parts = HeadParts { method, target, authority, fields: self.fields };
        let head = Head::from_raw(Version::Http2, octets, parts).ok_or(Malformed::RequestLine)?;
        Ok(Request { head, body, declared: self.declared, expects: self.expects })
    }

    /// One of the two must be there, neither empty, and both the same (section 8.3.1).
    fn authority(&self, authority: Option<&[u8]>, host: Option<&[u8]>) -> Result<(), Malformed> {
        for value in [authority, host].into_iter().flatten() {
            check_host(value)?;
            if value.is_empty() {
                return Err(Malformed::Host);
            }
        }
        match (authority, host) {
            (None, None) => Err(Malformed::HostMissing),
            (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b) => Err(Malformed::TwoHosts),
            _ => Ok(()),
        }
    }
}

fn put(octets: &mut Vec<u8>, value: &[u8]) -> Span {
    let start = octets.len();
    octets.extend_from_slice(value);
    Span::new(start, octets.len())
}

/// RFC 3986 section 3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet))
}

/// Origin form, or `*` for OPTIONS.
fn is_path(path: &[u8], method: Option<&[u8]>) -> bool {
    match path {
        b"*" => method == Some(b"OPTIONS"),
        _ => path.first() == Some(&b'/') && all(path, TARGET),
    }
}

struct Trailers<'a> {
    bounds: Bounds,
    settings: &'a Settings,
}

impl Sink for Trailers<'_> {
    type Error = Poison;

    fn field(&mut self, text: FieldText<'_>) -> Result<(), Poison> {
        self.bounds.count(text, self.settings, Bound::TrailersTooLarge)?;
        let malformed = match text.field {
            Field { class: Class::BadName, .. } => Malformed::FieldName,
            Field { value_ok: false, .. } => Malformed::FieldValue,
            Field { class: Class::Host | Class::Te | Class::Expect | Class::Plain, .. } => return Ok(()),
            _ => Malformed::Trailer,
        };
        Err(malformed.into())
    }
}
