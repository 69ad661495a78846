//! Why a stream cannot be followed any further.

use std::fmt;

use super::http2::Fault;
use crate::model::Reason;

/// Closed, so that it can label a metric; the variant is the [`Reason`] of the verdicts that it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Poison {
    Gap(Gap),
    Malformed(Malformed),
    Opaque(Opaque),
    Conflict(Conflict),
    Bound(Bound),
    /// The connection ended in the middle of a message.
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// The receiver acknowledged octets that were not seen.
    AckBeyondFollowed,
    /// The kernel counted another number of octets than were followed.
    CloseMismatch,
    /// The connection closed while octets before later ones were missing.
    HoleAtClose,
}

/// RFC 9112 unless another one is named; the variants from `Preface` on speak of HTTP/2 (RFC 9113).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// LF without CR (section 2.2).
    BareLf,
    /// CR without LF (section 2.2).
    BareCr,
    /// More empty lines before a request than are tolerated (section 2.2).
    EmptyLines,
    /// Not `method SP target SP version` (section 3).
    RequestLine,
    /// None of the four forms of a request target (section 3.2), or one that this method must not use.
    Target,
    Version,
    /// A field name is not a token (RFC 9110 section 5.1), or there is no colon.
    FieldName,
    /// Whitespace between field name and colon (section 5.1).
    SpaceBeforeColon,
    /// A line that begins with whitespace (sections 2.2 and 5.2).
    ObsFold,
    /// A control character in a field value (RFC 9110 section 5.5).
    FieldValue,
    /// HTTP/1.1 without `Host` (section 3.2).
    HostMissing,
    /// More than one `Host` (section 3.2), or one that differs from `:authority` (RFC 9113 section 8.3.1).
    TwoHosts,
    /// `Host` or the target's authority is no `host[:port]` (section 3.2).
    Host,
    /// More than one `Content-Length`, as lines or as a list (section 6.3; equal ones too).
    TwoLengths,
    /// `Content-Length` is not `1*DIGIT` or too large (RFC 9110 section 8.6).
    BadLength,
    /// `Content-Length` beside `Transfer-Encoding` (section 6.3).
    LengthAndChunked,
    /// `Transfer-Encoding` other than exactly one `chunked` (section 6.1).
    TransferEncoding,
    /// `Transfer-Encoding` in HTTP/1.0 (section 6.1).
    TransferEncodingIn10,
    /// CONNECT with content (RFC 9110 section 9.3.6: not defined).
    ConnectWithBody,
    /// A chunk size is not `1*HEXDIG` or too large (section 7.1).
    ChunkSize,
    /// A control character in a chunk extension (section 7.1.1).
    ChunkExtension,
    /// A chunk's data are not followed by CRLF (section 7.1).
    ChunkEnd,
    /// A trailer field that would have changed the framing (RFC 9110 section 6.5.1).
    Trailer,
    /// A request after one that was the last of its connection (section 9.6). Whether it is served is not certain.
    AfterClose,
    /// HTTP/2: a stream that its client began after its own GOAWAY (RFC 9113 section 6.8: servers differ in what they make of it).
    AfterGoaway,
    /// Urgent data: what the application reads depends on a socket option (RFC 9293 section 3.8.5).
    Urgent,
    /// The preface is not followed by SETTINGS (section 3.4).
    Preface,
    /// A frame of a length that its type cannot have (section 4.2).
    FrameSize,
    /// A frame on stream 0 that needs a stream, or the other way round (section 6).
    FrameStream,
    /// More padding than payload (section 6.1).
    Padding,
    /// PUSH_PROMISE from a client (section 8.4).
    PushPromise,
    /// A header block that other frames interrupt, or CONTINUATION without one (section 6.10).
    Continuation,
    /// A setting with a value that it cannot have (section 6.5.2).
    Setting,
    /// WINDOW_UPDATE by 0 (section 6.9).
    WindowUpdate,
    /// An even stream identifier, or one that does not grow (section 5.1.1).
    StreamId,
    /// A frame on a stream that was never used (section 5.1).
    StreamIdle,
    /// DATA or HEADERS on a stream that the client has ended or reset, or that was forgotten (section 5.1).
    StreamClosed,
    /// A pseudo-header field that is missing, repeated, unknown, or stands behind other fields (section 8.3).
    PseudoField,
    /// `Connection`, `Transfer-Encoding` and the like, or `TE` with more than `trailers` (section 8.2.2).
    ConnectionField,
    /// Other octets of content than `content-length` says (section 8.1.1).
    LengthDiffers,
    /// A header block that cannot be decoded (RFC 7541).
    Hpack(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opaque {
    /// The stream begins as another protocol than HTTP/1.
    NotHttp(Protocol),
    /// Octets after a CONNECT or an upgrade that nobody has ruled out.
    AfterSwitch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tls,
    Http2,
    ProxyProtocol,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// Different octets at one place of the stream.
    OverlapDiffers,
    /// A second FIN at another place, or octets after the FIN.
    AfterFin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    HeadTooLarge,
    TooManyFields,
    ChunkLine,
    TrailersTooLarge,
    OutOfOrder,
    /// Octets came again of which no copy was kept, because the receiver left too many unacknowledged.
    Unacknowledged,
    /// HTTP/2: a header table larger than is kept.
    HeaderTable,
    /// HTTP/2: CONTINUATION frames of one header block.
    Continuations,
    /// HTTP/2: octets of one SETTINGS frame.
    Settings,
    /// The caller's own bound on all streams together ([`super::RequestStream::shed`]).
    Shed,
}

impl Poison {
    pub fn reason(self) -> Reason {
        match self {
            Self::Gap(_) => Reason::Gap,
            Self::Malformed(_) => Reason::Malformed,
            Self::Opaque(_) => Reason::Opaque,
            Self::Conflict(_) => Reason::Conflict,
            Self::Bound(_) => Reason::Bound,
            Self::Incomplete => Reason::Unacknowledged,
        }
    }
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap(detail) => write!(f, "gap: {detail:?}"),
            Self::Malformed(detail) => write!(f, "malformed: {detail:?}"),
            Self::Opaque(Opaque::NotHttp(protocol)) => write!(f, "opaque: {protocol:?}"),
            Self::Opaque(detail) => write!(f, "opaque: {detail:?}"),
            Self::Conflict(detail) => write!(f, "conflict: {detail:?}"),
            Self::Bound(detail) => write!(f, "bound: {detail:?}"),
            Self::Incomplete => f.write_str("the connection ended in the middle of a message"),
        }
    }
}

/// `?` from a function that fails with a detail alone.
macro_rules! into_poison {
    ($($detail:ident)*) => { $(impl From<$detail> for Poison {
        fn from(detail: $detail) -> Self {
            Self::$detail(detail)
        }
    })* };
}
into_poison!(Gap Malformed Opaque Conflict Bound);
