//! HTTP/1.1, read strictly (RFC 9112). Own tokeniser instead of `httparse`: that one takes bare LF and leading LF for
//! line ends and does not say which rule was broken, so a second pass over the same octets would be needed anyway.

mod chunked;
mod fields;
mod framing;
mod gather;
mod requests;
mod responses;
mod sniff;
mod start;
mod status;
mod target;

pub(super) use framing::content_length;
pub(super) use requests::Requests;
pub(super) use responses::Responses;
pub(super) use target::check_host;

use chunked::Chunked;
use framing::Framing;
use gather::{Gather, Gathered};
use status::{StatusHead, response_head};

use crate::wire::{Poison, Settings, chars};

/// `Ok(None)`: the octets so far are right, the rest is missing.
type Parsed<T> = Result<Option<T>, Poison>;

/// Octets of a head in front of the next line, and the bounds that apply to it.
struct Cursor<'a> {
    raw: &'a [u8],
    at: usize,
    settings: &'a Settings,
}

#[cfg(test)]
mod tests;
