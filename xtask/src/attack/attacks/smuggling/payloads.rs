//! Octets that two parsers may read in two ways. In the templates `{P}` is `POST OUTER HTTP/1.1` and a Host line, `{G}` the same with
//! GET, `{o}` the outer target, `{I}` a whole inner request, `{n}` and `{x}` its length (decimal, hexadecimal), `{Z}` a last chunk.

/// What becomes of a payload at the front door, measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Envoy answers 400, 426 or 501, and nothing arrives.
    Refused,
    /// The same, but it finds out only in the body: the head may have gone on, and its body never ends.
    RefusedLate,
    /// Envoy reads it as the verifier does: so many requests, each Verified.
    Clear(u64),
    /// Envoy takes what the verifier's strict rules do not, as so many requests: the entry is a suspect while its connection lives.
    Doubtful(u64, &'static str),
}

const NONE: Front = Front::Refused;
const LATE: Front = Front::RefusedLate;
const ONE: Front = Front::Clear(1);
const TWO: Front = Front::Clear(2);
const DOUBT: Front = Front::Doubtful(1, "Unverified(malformed)");
const DOUBT_TWICE: Front = Front::Doubtful(2, "Unverified(malformed)");
/// It does not even begin like HTTP.
const UNKNOWN: Front = Front::Doubtful(1, "Unverified(opaque)");

/// Name, what is expected at the front, template.
pub const ALL: &[(&str, Front, &str)] = &[
    // Two lengths.
    ("cl-te", NONE, "{P}Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n\r\n{Z}{I}"),
    ("te-cl", NONE, "{P}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{x}\r\n{I}\r\n{Z}"),
    ("two-cl", NONE, "{P}Content-Length: 0\r\nContent-Length: {n}\r\n\r\n{I}"),
    ("two-cl-same", NONE, "{P}Content-Length: {n}\r\nContent-Length: {n}\r\n\r\n{I}"),
    ("cl-list", NONE, "{P}Content-Length: 0, {n}\r\n\r\n{I}"),
    ("te-lines", NONE, "{P}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{Z}{I}"),
    // Odd lengths.
    ("cl-plus", NONE, "{P}Content-Length: +{n}\r\n\r\n{I}"),
    ("cl-minus", NONE, "{P}Content-Length: -1\r\n\r\n{I}"),
    ("cl-hex", NONE, "{P}Content-Length: 0x{x}\r\n\r\n{I}"),
    ("cl-space", NONE, "{P}Content-Length: 0 {n}\r\n\r\n{I}"),
    ("cl-empty", NONE, "{P}Content-Length: \r\n\r\n{I}"),
    ("cl-huge", NONE, "{P}Content-Length: 18446744073709551616\r\n\r\n{I}"),
    ("cl-underscore", NONE, "{P}Content-Length: {n}_0\r\n\r\n{I}"),
    ("cl-vt", NONE, "{P}Content-Length: \u{b}{n}\r\n\r\n{I}"),
    ("cl-quoted", NONE, "{P}Content-Length: \"{n}\"\r\n\r\n{I}"),
    ("cl-zeros", ONE, "{P}Content-Length: 000{n}\r\n\r\n{I}"),
    // CL.0: a body that a server may forget to read.
    ("get-with-body", ONE, "{G}Content-Length: {n}\r\n\r\n{I}"),
    ("get-cl-0", TWO, "{G}Content-Length: 0\r\n\r\n{I}"),
    // Odd codings.
    ("te-unknown", NONE, "{P}Transfer-Encoding: xchunked\r\n\r\n{Z}{I}"),
    ("te-list", NONE, "{P}Transfer-Encoding: gzip, chunked\r\n\r\n{Z}{I}"),
    ("te-identity", NONE, "{P}Transfer-Encoding: identity\r\n\r\n{Z}{I}"),
    ("te-quoted", NONE, "{P}Transfer-Encoding: \"chunked\"\r\n\r\n{Z}{I}"),
    ("te-parameter", NONE, "{P}Transfer-Encoding: chunked;q=1\r\n\r\n{Z}{I}"),
    ("te-vt", NONE, "{P}Transfer-Encoding: \u{b}chunked\r\n\r\n{Z}{I}"),
    ("te-comma", NONE, "{P}Transfer-Encoding: chunked,\r\n\r\n{Z}{I}"),
    ("te-twice", NONE, "{P}Transfer-Encoding: chunked, chunked\r\n\r\n{Z}{I}"),
    ("te-space-colon", NONE, "{P}Transfer-Encoding : chunked\r\n\r\n{Z}{I}"),
    ("te-http10", NONE, "POST {o} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{Z}{I}"),
    ("te-case", TWO, "{P}Transfer-Encoding: CHUNKED\r\n\r\n{Z}{I}"),
    ("te-tab", TWO, "{P}Transfer-Encoding:\tchunked\r\n\r\n{Z}{I}"),
    // Line ends and folds.
    ("te-after-lf", DOUBT_TWICE, "{P}X: a\nTransfer-Encoding: chunked\r\n\r\n{Z}{I}"),
    ("te-fold", DOUBT_TWICE, "{P}Transfer-Encoding:\r\n chunked\r\n\r\n{Z}{I}"),
    ("fold-te", DOUBT, "{P}X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n\r\n{I}"),
    ("fold", DOUBT, "{G}X-Long: a\r\n b\r\n\r\n"),
    ("fold-first", NONE, "GET {o} HTTP/1.1\r\n X: a\r\nHost: hello.example\r\n\r\n"),
    ("lf-only", DOUBT, "GET {o} HTTP/1.1\nHost: hello.example\n\n"),
    ("lf-only-length", DOUBT, "POST {o} HTTP/1.1\nHost: hello.example\nContent-Length: {n}\n\n{I}"),
    ("lf-in-head", DOUBT, "{G}X: a\n\r\n"),
    ("cr-in-value", DOUBT, "{G}X: a\rContent-Length: 5\r\n\r\n"),
    ("lf-before", DOUBT, "\n\n{G}\r\n"),
    ("crlf-before", ONE, "\r\n\r\n{G}\r\n"),
    ("nul-in-value", NONE, "{G}X: a\0b\r\n\r\n"),
    ("nul-in-target", NONE, "GET {o}/\0 HTTP/1.1\r\nHost: hello.example\r\n\r\n"),
    // Chunks.
    ("chunk-0x", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n0x{x}\r\n{I}\r\n{Z}"),
    ("chunk-plus", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n+{x}\r\n{I}\r\n{Z}"),
    ("chunk-space-before", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n {x}\r\n{I}\r\n{Z}"),
    ("chunk-space-after", DOUBT, "{P}Transfer-Encoding: chunked\r\n\r\n{x} \r\n{I}\r\n{Z}"),
    ("chunk-huge", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n1000000000000000{x}\r\n{I}\r\n{Z}"),
    ("chunk-extension", ONE, "{P}Transfer-Encoding: chunked\r\n\r\n{x};a=\"b\"\r\n{I}\r\n{Z}"),
    ("chunk-extension-lf", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n{x};a\n{I}\r\n{Z}"),
    ("chunk-extension-cr", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n{x};a\rb\r\n{I}\r\n{Z}"),
    ("chunk-lf", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n{x}\n{I}\n0\n\n"),
    ("chunk-without-end", LATE, "{P}Transfer-Encoding: chunked\r\n\r\n{x}\r\n{I}XX{Z}"),
    ("trailer", ONE, "{P}Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\n\r\n"),
    ("trailer-length", DOUBT_TWICE, "{P}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {n}\r\n\r\n{I}"),
    // Heads.
    ("two-hosts", DOUBT, "{G}Host: other.example\r\n\r\n"),
    ("no-host", NONE, "GET {o} HTTP/1.1\r\n\r\n"),
    ("http-0.9", NONE, "GET {o}\r\n\r\n"),
    ("http-1.0", NONE, "GET {o} HTTP/1.0\r\n\r\n"),
    ("http-1.2", NONE, "GET {o} HTTP/1.2\r\nHost: hello.example\r\n\r\n"),
    ("http-2.0", NONE, "GET {o} HTTP/2.0\r\nHost: hello.example\r\n\r\n"),
    ("http-lower-case", NONE, "GET {o} http/1.1\r\nHost: hello.example\r\n\r\n"),
    ("space-in-target", NONE, "GET {o} x HTTP/1.1\r\nHost: hello.example\r\n\r\n"),
    ("two-spaces", DOUBT, "GET  {o} HTTP/1.1\r\nHost: hello.example\r\n\r\n"),
    ("tabs", UNKNOWN, "GET\t{o}\tHTTP/1.1\r\nHost: hello.example\r\n\r\n"),
    ("absolute-form", ONE, "GET http://hello.example{o} HTTP/1.1\r\nHost: other.example\r\n\r\n"),
    ("expect", ONE, "{P}Expect: 100-continue\r\nContent-Length: {n}\r\n\r\n{I}"),
    // Other protocols before the head.
    ("proxy-v1", NONE, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n{G}\r\n"),
    ("proxy-v2", NONE, "\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}\n\0\0\u{1}\n\0\0\u{2}\0\u{1}\0\u{2}{G}\r\n"),
];

/// The octets of a template, with targets below `label`.
pub fn octets(template: &str, label: &str) -> Vec<u8> {
    let outer = format!("{label}/outer");
    let inner = format!("GET {label}/inner HTTP/1.1\r\nHost: hello.example\r\n\r\n");
    template
        .replace("{P}", "POST {o} HTTP/1.1\r\nHost: hello.example\r\n")
        .replace("{G}", "GET {o} HTTP/1.1\r\nHost: hello.example\r\n")
        .replace("{o}", &outer)
        .replace("{n}", &inner.len().to_string())
        .replace("{x}", &format!("{:x}", inner.len()))
        .replace("{Z}", "0\r\n\r\n")
        .replace("{I}", &inner)
        .into_bytes()
}
