//! HTTP/2, read strictly (RFC 9113; HPACK is RFC 7541): frames as far as messages depend on them.
//!
//! A frame that does not matter, and content, need only be known to exist; header blocks and the few frames that change
//! what is a message are gathered whole. Where RFC 9113 knows an error of one stream this knows only the end of the whole
//! connection's readability: a proxy that forgives what this does not would be read in two ways.
//!
//! What the server's SETTINGS allow is not known in the request direction: frames up to the largest size that can be
//! announced are read, and header tables up to [`crate::wire::Settings::max_header_table`]. A client that exceeds what its
//! server allows is cut off by it (sections 4.2 and 4.3), so nothing behind that is a message there either.

mod admit;
mod block;
mod field;
#[cfg(test)]
pub(super) mod fixture;
mod frame;
pub mod fuzzing;
mod held;
mod hpack;
mod requests;
mod responses;
mod streams;

pub(super) use frame::PREFACE;
pub use hpack::Fault;
pub(super) use requests::Requests;
pub(super) use responses::Responses;

#[cfg(test)]
mod tests;
