//! What a fuzzer's octets mean: frames, most of them right.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::hpack::{integer, text};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Debug)]
pub struct Plan {
    frames: Vec<Vec<u8>>,
    /// How many octets a piece has, less one.
    pub step: u8,
}

impl Plan {
    pub fn octets(&self) -> Vec<u8> {
        [PREFACE, &self.frames.concat()].concat()
    }
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("inputs are small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

impl Arbitrary<'_> for Plan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let step = u.arbitrary()?;
        let mut frames = Vec::new();
        if u.ratio(31, 32)? {
            frames.push(frame(SETTINGS, 0, 0, &[]));
        }
        let mut next = 1;
        while !u.is_empty() && frames.len() < 48 {
            any(u, &mut next, &mut frames)?;
        }
        Ok(Self { frames, step })
    }
}

fn any(u: &mut Unstructured<'_>, next: &mut u32, frames: &mut Vec<Vec<u8>>) -> Result<()> {
    // The newest stream, an older one, or one that is none of the client's.
    let stream = match u.int_in_range(0..=15)? {
        0 => u.int_in_range(0..=*next + 3)?,
        1..=4 => next.saturating_sub(2 * u.int_in_range(1..=4)?),
        _ => next.saturating_sub(2),
    };
    let ends = if u.ratio(1, 3)? { END_STREAM } else { 0 };
    match u.int_in_range(0..=19)? {
        0..=7 => {
            let stream = if u.ratio(15, 16)? { *next } else { stream };
            *next = (*next).max(stream.saturating_add(2));
            let block = if u.ratio(15, 16)? { request(u)? } else { crate::hpack::block(u)? };
            headers(u, stream, ends, &block, frames)?;
        }
        8..=13 => {
            let content = vec![b'd'; u.int_in_range(0..=200)?];
            frames.push(padded(u, DATA, ends, stream, &content)?);
        }
        14 => headers(u, stream, END_STREAM, &[0, 1, b't', 1, b'u'], frames)?,
        15 => frames.push(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])),
        16 => {
            let kind = *u.choose(&[2, 4, 6, 7, 8, 10, 200])?;
            let flags = if kind == SETTINGS { 0 } else { u.arbitrary()? };
            let payload: &[u8] = match kind {
                2 => &[0, 0, 0, 0, 16],
                4 => &[0, 3, 0, 0, 0, 100],
                6 | 7 => &[0; 8],
                8 => &[0, 0, 0, 9],
                _ => b"anything",
            };
            let stream = if matches!(kind, 4 | 6 | 7) { 0 } else { stream };
            frames.push(frame(kind, flags, stream, payload));
        }
        17 => {
            let payload = u.arbitrary::<&[u8]>()?;
            frames.push(frame(u.int_in_range(0..=10)?, u.arbitrary()?, stream, &payload[..payload.len().min(100)]));
        }
        18 => {
            // One octet of the last frame is another one.
            if let Some(last) = frames.last_mut() {
                let at = u.choose_index(last.len())?;
                last[at] ^= u.int_in_range(1..=255)?;
            }
        }
        _ => {
            if let Some(last) = frames.last_mut() {
                last.truncate(u.choose_index(last.len())?);
            }
        }
    }
    Ok(())
}

fn padded(u: &mut Unstructured<'_>, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<Vec<u8>> {
    if !u.ratio(1, 6)? {
        return Ok(frame(kind, flags, stream, payload));
    }
    let padding: u8 = u.arbitrary()?;
    let payload = [&[padding], payload, &vec![0; padding.into()]].concat();
    Ok(frame(kind, flags | PADDED, stream, &payload))
}

/// HEADERS, and CONTINUATION as often as it is cut.
fn headers(u: &mut Unstructured<'_>, stream: u32, ends: u8, block: &[u8], frames: &mut Vec<Vec<u8>>) -> Result<()> {
    let mut parts = vec![block];
    while u.ratio(1, 6)? && parts.len() < 5 {
        let last = parts.pop().unwrap_or_default();
        let (now, later) = last.split_at(u.int_in_range(0..=last.len())?);
        parts.extend([now, later]);
    }
    let whole = |at: usize| if at + 1 == parts.len() { END_HEADERS } else { 0 };
    let (mut first, mut flags) = (parts[0].to_vec(), ends | whole(0));
    if u.ratio(1, 8)? {
        flags |= PRIORITY;
        first.splice(0..0, [0, 0, 0, 0, 15]);
    }
    frames.push(padded(u, HEADERS, flags, stream, &first)?);
    for (at, part) in parts.iter().enumerate().skip(1) {
        frames.push(frame(CONTINUATION, whole(at), stream, part));
    }
    Ok(())
}

/// Fields of a request, most of them as they should be.
fn request(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut block = Vec::new();
    let method = *u.choose(&[&b"GET"[..], b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"get it"])?;
    if u.ratio(31, 32)? {
        field(u, &mut block, 2, b":method", method)?;
    }
    if method != b"CONNECT" || u.ratio(1, 4)? {
        field(u, &mut block, 6, b":scheme", b"http")?;
        let path = *u.choose(&[&b"/"[..], b"/a?b=c", b"/a#b", b"*", b"", b"a", b"/\xe4", b"http://a/"])?;
        field(u, &mut block, 4, b":path", path)?;
    }
    let authority = *u.choose(&[&b"a:1"[..], b"a.example:80", b"", b"a b", b"u@a", b"[::1]:1"])?;
    if u.ratio(7, 8)? {
        field(u, &mut block, 1, b":authority", authority)?;
    }
    for _ in 0..u.int_in_range(0..=4)? {
        const FIELDS: [(&[u8], &[u8]); 16] = [
            (b"host", b"a:1"),
            (b"content-length", b"0"),
            (b"content-length", b"5"),
            (b"te", b"trailers"),
            (b"te", b"gzip"),
            (b"connection", b"close"),
            (b"expect", b"100-continue"),
            (b"cookie", b"a=b"),
            (b"x-order-id", b"7"),
            (b"Upper", b"1"),
            (b"transfer-encoding", b"chunked"),
            (b":protocol", b"websocket"),
            (b":status", b"200"),
            (b"x", b" y"),
            (b"x", b"\r\n"),
            (b"", b""),
        ];
        if u.ratio(7, 8)? {
            let (name, value) = *u.choose(&FIELDS)?;
            field(u, &mut block, 0, name, value)?;
        } else {
            // A field of this connection's table, or of none.
            integer(&mut block, 0x80, 7, u.int_in_range(1..=72)?);
        }
    }
    Ok(block)
}

fn field(u: &mut Unstructured<'_>, block: &mut Vec<u8>, index: u32, name: &[u8], value: &[u8]) -> Result<()> {
    let (pattern, prefix) = *u.choose(&[(0x40, 6), (0, 4), (0x10, 4)])?;
    let index = if u.arbitrary()? { index } else { 0 };
    integer(block, pattern, prefix, index);
    if index == 0 {
        text(block, name, u.arbitrary()?);
    }
    text(block, value, u.arbitrary()?);
    Ok(())
}
