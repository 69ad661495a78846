//! What a header's name says about how it is compared (facts.md J).

use smallvec::SmallVec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// End to end: passed on as it is.
    Compared,
    Cookie,
    ContentType,
    ForwardedFor,
    Traceparent,
    RequestId,
    Connection,
    /// A proxy consumes, rewrites or adds it by itself: never compared, present or not.
    Never,
}

/// A name in lower case.
pub type Name = SmallVec<[u8; 32]>;

pub fn lower(name: &[u8]) -> Name {
    let mut lower = Name::from_slice(name);
    lower.make_ascii_lowercase();
    lower
}

/// The name itself, if it is in lower case as it is; else by way of `buffer`.
pub fn in_lower_case<'a>(name: &'a [u8], buffer: &'a mut Name) -> &'a [u8] {
    if !name.iter().any(u8::is_ascii_uppercase) {
        return name;
    }
    buffer.clear();
    buffer.extend_from_slice(name);
    buffer.make_ascii_lowercase();
    buffer
}

impl Rule {
    /// `name` in lower case.
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"x-forwarded-for" => Self::ForwardedFor,
            b"traceparent" => Self::Traceparent,
            b"x-request-id" => Self::RequestId,
            b"connection" => Self::Connection,
            b"cookie" => Self::Cookie,
            b"content-type" => Self::ContentType,
            // Hop by hop, or rewritten with the framing.
            b"keep-alive" | b"te" | b"trailer" | b"expect" | b"upgrade" | b"http2-settings" | b"host"
            | b"content-length" | b"transfer-encoding" => Self::Never,
            // Set, joined or replaced by one of the measured proxies.
            b"accept-encoding"
            | b"user-agent"
            | b"via"
            | b"forwarded"
            | b"x-real-ip"
            | b"x-original-forwarded-for"
            | b"grpc-timeout"
            | b"grpc-accept-encoding"
            | b"x-grpc-web" => Self::Never,
            // Tracers, where a proxy runs one.
            b"tracestate"
            | b"b3"
            | b"x-ot-span-context"
            | b"x-client-trace-id"
            | b"x-cloud-trace-context"
            | b"x-amzn-trace-id"
            | b"grpc-trace-bin"
            | b"sw8" => Self::Never,
            _ => match name.first() {
                Some(b'p') if name.starts_with(b"proxy-") => Self::Never,
                Some(b'x')
                    if [&b"x-envoy-"[..], b"x-forwarded-", b"x-b3-", b"x-datadog-"]
                        .iter()
                        .any(|p| name.starts_with(p)) =>
                {
                    Self::Never
                }
                _ => Self::Compared,
            },
        }
    }

    pub fn is_compared(self) -> bool {
        matches!(self, Self::Compared | Self::Cookie | Self::ContentType)
    }
}
