//! The head of one HTTP request, whatever version carried it.

/// HTTP version as spoken on the connection that the head was seen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

/// A piece of a head, by where it lies in the head's octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Octets `start..end`; heads are far smaller than 4 GiB, what is larger saturates and fails [`Head::from_raw`].
    pub fn new(start: usize, end: usize) -> Self {
        let at = u32::try_from(start).unwrap_or(u32::MAX);
        Self { at, len: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX) }
    }

    /// The piece itself, if it lies inside `raw`.
    pub fn of(self, raw: &[u8]) -> Option<&[u8]> {
        let start = self.at as usize;
        raw.get(start..start.checked_add(self.len as usize)?)
    }

    fn fits(self, len: usize) -> bool {
        u64::from(self.at) + u64::from(self.len) <= len as u64
    }
}

/// Name and value of each field line. On the heap: a head is moved several times on its way into an event.
pub type FieldSpans = Vec<(Span, Span)>;

/// Fields that most heads have room for.
pub const USUAL_FIELDS: usize = 12;

/// Where the pieces of a head lie in its raw octets.
#[derive(Clone, Debug)]
pub struct HeadParts {
    pub method: Span,
    pub target: Span,
    pub authority: Option<Span>,
    pub fields: FieldSpans,
}

/// A request head: method, target, authority and fields, in one allocation.
///
/// Field values are trimmed of surrounding space and tab (RFC 9110 section 5.5); nothing else is normalised.
/// The target is in origin form with its query (`/a?b=1`), or `*`, or the authority for CONNECT; an
/// absolute-form target has been taken apart, and its authority wins over `Host` (RFC 9112 section 3.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    version: Version,
    bytes: Box<[u8]>,
    method: Span,
    target: Span,
    authority: Option<Span>,
    fields: FieldSpans,
}

impl Head {
    /// Keeps one copy of `raw` and looks the pieces up in it; `None` if one of them lies outside.
    pub fn from_raw(version: Version, raw: &[u8], parts: HeadParts) -> Option<Self> {
        let HeadParts { method, target, authority, fields } = parts;
        let fits = |span: Span| span.fits(raw.len());
        let inside = fits(method)
            && fits(target)
            && authority.is_none_or(fits)
            && fields.iter().all(|(name, value)| fits(*name) && fits(*value));
        inside.then(|| Self { version, bytes: raw.into(), method, target, authority, fields })
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn method(&self) -> &[u8] {
        self.get(self.method)
    }

    /// Path and query in origin form.
    pub fn target(&self) -> &[u8] {
        self.get(self.target)
    }

    /// `:authority`, the authority of an absolute-form target, or the one `Host` field.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|span| self.get(span))
    }

    /// Fields in order of arrival, names as they were spelt, `Host` included, pseudo-header fields not.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (self.get(*name), self.get(*value)))
    }

    /// Values of every field line called `name` (ASCII case-insensitive), in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.at as usize..(span.at + span.len) as usize]
    }
}

/// The pieces of a head add up to more than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request head larger than 4 GiB")]
pub struct HeadTooLarge;

/// Collects the pieces of a head.
#[derive(Debug)]
pub struct HeadBuilder {
    version: Version,
    bytes: Vec<u8>,
    method: Span,
    target: Span,
    authority: Option<Span>,
    fields: FieldSpans,
}

impl HeadBuilder {
    /// `size_hint`: octets that the pieces will need together.
    pub fn new(version: Version, method: &[u8], target: &[u8], size_hint: usize) -> Result<Self, HeadTooLarge> {
        let mut builder = Self {
            version,
            bytes: Vec::with_capacity(size_hint),
            method: Span { at: 0, len: 0 },
            target: Span { at: 0, len: 0 },
            authority: None,
            fields: Vec::with_capacity(USUAL_FIELDS),
        };
        builder.method = builder.put(method)?;
        builder.target = builder.put(target)?;
        Ok(builder)
    }

    pub fn authority(&mut self, value: &[u8]) -> Result<(), HeadTooLarge> {
        self.authority = Some(self.put(value)?);
        Ok(())
    }

    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadTooLarge> {
        let pair = (self.put(name)?, self.put(value.trim_ascii())?);
        self.fields.push(pair);
        Ok(())
    }

    pub fn build(self) -> Head {
        Head {
            version: self.version,
            bytes: self.bytes.into_boxed_slice(),
            method: self.method,
            target: self.target,
            authority: self.authority,
            fields: self.fields,
        }
    }

    fn put(&mut self, piece: &[u8]) -> Result<Span, HeadTooLarge> {
        let at = u32::try_from(self.bytes.len()).map_err(|_| HeadTooLarge)?;
        let len = u32::try_from(piece.len()).map_err(|_| HeadTooLarge)?;
        at.checked_add(len).ok_or(HeadTooLarge)?;
        self.bytes.extend_from_slice(piece);
        Ok(Span { at, len })
    }
}
