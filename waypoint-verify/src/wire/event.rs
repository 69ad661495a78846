//! What a stream tells.

use super::Poison;
use crate::model::Head;

/// How the content of a message is delimited (RFC 9112 section 6.3), by octets or by chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// `Content-Length`, or 0 without any framing field.
    Length(u64),
    Chunked,
}

/// Offsets count octets of the client-to-server stream; 0 is the first one after the SYN.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "heads are most of the events; a box would cost each an allocation")]
pub enum Event {
    Head {
        /// Where the message starts: after the one before it and after empty lines between the two (RFC 9112 section 2.2).
        offset: u64,
        /// Octets up to and with the empty line.
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
        /// stream unless [`super::RequestStream::no_switch`] was called for it.
        switch: bool,
        /// `Expect` is present (RFC 9110 section 10.1.1): the body may wait for an interim response.
        expects: bool,
    },
    End {
        /// Of the message.
        offset: u64,
        /// Offset after its last octet, trailers included.
        end: u64,
        /// Octets of content, chunked framing removed.
        body_len: u64,
    },
    /// At most once per stream. Nothing that starts at or after `offset`, or reaches beyond it, is a message, even if it
    /// was announced as one before (a contradiction may show late).
    Poisoned { offset: u64, reason: Poison },
}

/// What is known of the responses of one connection. `index` counts its requests from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseEvent {
    /// The head of the final response was seen (1xx are passed over, 101 is not).
    Answered { index: u64, status: u16, switched: bool, at: u64 },
    /// The final response was written to its last octet.
    Ended { index: u64, at: u64 },
    /// The responses from this one on cannot be followed: none of them is known to have ended until the connection closes.
    /// A safe answer: the entry stays a candidate for longer than it had to.
    Unknown { index: u64 },
}
