//! What a stream tells.

use super::Poison;
use crate::model::Head;

/// How the content of a message is delimited (RFC 9112 section 6.3), by octets, by chunks or by its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// `Content-Length`, or 0 without any framing field.
    Length(u64),
    Chunked,
    /// HTTP/2: up to END_STREAM, of a length that is not known before.
    Stream,
}

/// What a request of HTTP/1.1 asks to change its connection to (RFC 9110 sections 7.8 and 9.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switch {
    WebSocket,
    /// HTTP/2 without TLS (RFC 7540 section 3.2).
    H2c,
    Connect,
    /// Anything else, or more than one protocol.
    Other,
}

/// Offsets count octets of the client-to-server stream; 0 is the first one after the SYN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Head {
        /// Where the message starts: after the one before it and after empty lines between the two (RFC 9112 section 2.2).
        /// HTTP/2: the header of its HEADERS frame.
        offset: u64,
        /// HTTP/2 stream identifier; 0 in HTTP/1.
        stream: u32,
        /// Octets up to and with the empty line; HTTP/2: up to the end of the last CONTINUATION.
        head_len: u32,
        head: Head,
        /// Keyed SipHash of the raw octets of the head.
        digest: u64,
        /// Order number of the record that held its first octet.
        started_at: u64,
        /// Order number of the record that completed the head.
        complete_at: u64,
        body: Body,
        /// CONNECT, or `Upgrade` is present: what follows the message may not be HTTP/1.1. Octets after it poison the
        /// stream unless [`super::RequestStream::no_switch`] or [`super::RequestStream::switched`] was called for it.
        /// `None` in HTTP/2, where a tunnel is one stream like any other.
        switch: Option<Switch>,
        /// `Expect` is present (RFC 9110 section 10.1.1): the body may wait for an interim response.
        expects: bool,
    },
    End {
        /// Of the message.
        offset: u64,
        stream: u32,
        /// Offset after its last octet, trailers included.
        end: u64,
        /// Octets of content, chunked framing and padding removed.
        body_len: u64,
    },
    /// HTTP/2: the client reset the stream of a message whose head was told, whether it had ended or not.
    Reset {
        /// Of the message.
        offset: u64,
        stream: u32,
        /// Offset after the RST_STREAM frame.
        end: u64,
    },
    /// At most once per stream. Nothing that starts at or after `offset`, or reaches beyond it, is a message, even if it
    /// was announced as one before (a contradiction may show late).
    Poisoned {
        offset: u64,
        reason: Poison,
        /// What it is, for people: the protocol and what it says of itself.
        named: Option<Box<str>>,
    },
}

/// A request of one connection, as its responses tell requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// HTTP/1: counted from 0.
    Nth(u64),
    /// HTTP/2: by its stream. After an upgrade to h2c stream 1 is the request that asked for it.
    Stream(u32),
}

/// What is known of the responses of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseEvent {
    /// The head of the final response was seen (1xx are passed over, 101 is not).
    /// In HTTP/1 only.
    Answered { which: Which, status: u16, switched: bool, at: u64 },
    /// The final response was written to its last octet, or its stream was reset by the server.
    Ended { which: Which, at: u64 },
    /// The responses from this one on (in HTTP/2: all that have not ended) cannot be followed: none of them is known to have
    /// ended until the connection closes. A safe answer: the entry stays a candidate for longer than it had to.
    Unknown { from: Which },
}
