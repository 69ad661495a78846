//! Frames that came in pieces, and header blocks of several frames.

use super::frame::{Frame, HEADER, Kind};
use crate::wire::Malformed;

/// A frame, or a header block of several frames, that came in pieces.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub octets: Vec<u8>,
    /// Where the last of its frames starts.
    pub frame: usize,
    /// Whether that frame's header has been looked at.
    pub known: bool,
    pub continuations: u16,
}

impl Held {
    /// Octets up to the end of the frame header, or of the frame, that is not complete.
    pub fn need(&self) -> usize {
        let header = self.frame + HEADER;
        match Frame::read(&self.octets[self.frame..]).filter(|_| self.known) {
            Some(frame) => header + frame.len as usize,
            None => header,
        }
    }
}

/// Whether a frame that is gathered stands alone, or ends its header block.
pub(super) fn ends_block(frame: Frame) -> bool {
    !matches!(frame.kind, Kind::Headers | Kind::Continuation) || frame.ends_headers()
}

/// The header block in HEADERS and its CONTINUATION frames, without padding and priority (RFC 9113 section 6.2).
pub(super) fn fragments<'a>(frame: Frame, raw: &'a [u8], joined: &'a mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    let (payload, mut rest) = raw[HEADER..].split_at(frame.len as usize);
    let (padding, payload) = match payload.split_first() {
        Some((padding, payload)) if frame.is_padded() => (usize::from(*padding), payload),
        None if frame.is_padded() => return Err(Malformed::FrameSize),
        _ => (0, payload),
    };
    let fragment = payload.get(frame.priority()..).ok_or(Malformed::FrameSize)?;
    let fragment = &fragment[..fragment.len().checked_sub(padding).ok_or(Malformed::Padding)?];
    if rest.is_empty() {
        return Ok(fragment);
    }
    joined.extend_from_slice(fragment);
    while let Some(next) = Frame::read(rest) {
        joined.extend_from_slice(&rest[HEADER..next.octets()]);
        rest = &rest[next.octets()..];
    }
    Ok(joined)
}
