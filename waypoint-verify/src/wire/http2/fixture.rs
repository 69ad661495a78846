//! Frames and header blocks for tests.

use super::frame::PREFACE;

pub(in crate::wire) const DATA: u8 = 0;
pub(in crate::wire) const HEADERS: u8 = 1;
pub(in crate::wire) const PRIORITY: u8 = 2;
pub(in crate::wire) const RST_STREAM: u8 = 3;
pub(in crate::wire) const SETTINGS: u8 = 4;
pub(in crate::wire) const PUSH_PROMISE: u8 = 5;
pub(in crate::wire) const PING: u8 = 6;
pub(in crate::wire) const GOAWAY: u8 = 7;
pub(in crate::wire) const WINDOW_UPDATE: u8 = 8;
pub(in crate::wire) const CONTINUATION: u8 = 9;

pub(in crate::wire) const END_STREAM: u8 = 0x1;
pub(in crate::wire) const END_HEADERS: u8 = 0x4;
pub(in crate::wire) const PADDED: u8 = 0x8;
pub(in crate::wire) const PRIORITIZED: u8 = 0x20;
/// Of a request without content, in one frame.
pub(in crate::wire) const WHOLE: u8 = END_STREAM | END_HEADERS;

pub(in crate::wire) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    octets.extend([kind, flags]);
    octets.extend(stream.to_be_bytes());
    octets.extend(payload);
    octets
}

/// Preface and empty SETTINGS.
pub(in crate::wire) fn opening() -> Vec<u8> {
    [PREFACE.to_vec(), frame(SETTINGS, 0, 0, b"")].concat()
}

/// Fields as literals that are not indexed, nothing in Huffman code.
pub(in crate::wire) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (name, value) in fields {
        octets.push(0);
        for text in [name, value] {
            let length = text.len();
            match u8::try_from(length).ok().filter(|length| *length < 127) {
                Some(length) => octets.push(length),
                // RFC 7541 section 5.1, in three octets.
                None => octets.extend([127, (length - 127) as u8 | 0x80, ((length - 127) >> 7) as u8]),
            }
            octets.extend(text.as_bytes());
        }
    }
    octets
}

/// The block of `method path` at `a`, with more fields.
pub(in crate::wire) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
    block(&[&pseudo[..], more].concat())
}

/// A GET of `path` on `stream`.
pub(in crate::wire) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &request("GET", path, &[]))
}

/// The head of a POST of `path`, whose content follows.
pub(in crate::wire) fn post(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", path, more))
}
