//! Octets that the probes saw -> streams -> messages. Pure: no I/O, no clock.
//!
//! [`RequestStream`] follows the client-to-server direction of one connection at one of its sockets: it puts
//! segments in order, checks what it can check of octets that come twice, and reads HTTP/1.1 (RFC 9112) or HTTP/2 (RFC 9113)
//! strictly, in place where a segment holds whole messages or frames. A message starts only where the one before it ended.
//! Whatever could be read in two ways poisons the stream from there on: [`Event::Poisoned`], never a guess.
//!
//! What is compared when octets come twice: out-of-order octets that are still held, and everything that decides where
//! messages begin and end (heads, chunk descriptions, frame headers) until an ACK covers it. Not compared: content (no
//! copy of it is ever kept), and everything that an ACK covers, because TCP discards it. What slips through there differs
//! from what the other end of the connection saw, whose head digests and lengths must agree (rule 4).
//!
//! Octets that a body of known length or a chunk of known size covers need only be known to exist: copied or not, in order
//! or not, they are never kept. Chunk descriptions must have been seen, so a chunked body whose chunks the probes left out
//! ahead of a grant ends in a gap.
//!
//! A parser takes octets strictly in order and says which ones it need not see (`parser::Parser`). The first octets choose
//! it: HTTP/2's preface, or anything else. An HTTP/1.1 request that asked for h2c may be followed by the preface.
//!
//! [`ResponseStream`] follows the other direction by its framing, to know when an exchange is over. It never says so too
//! early; what it cannot follow it calls unknown. A chunked response is followed only as fast as its chunks' descriptions
//! are copied: one that is written faster than the program reads, and longer than the probes' window, becomes unknown.

mod chars;
mod digest;
mod event;
#[cfg(test)]
mod fixture;
mod foreign;
mod http1;
mod http2;
mod parser;
mod pieces;
mod poison;
mod request;
mod response;
mod segment;
mod settings;
mod unacked;

pub use event::{Body, Event, ResponseEvent, Switch, Which};
pub use http2::Fault;
#[doc(hidden)]
pub use http2::fuzzing;
pub use poison::{Bound, Conflict, Gap, Malformed, Opaque, Poison, Protocol};
pub use request::RequestStream;
pub use response::{Asked, ResponseStream};
pub use segment::Segment;
pub use settings::Settings;
