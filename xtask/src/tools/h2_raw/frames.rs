//! Frames of HTTP/2 (RFC 9113), and header blocks by a crate's HPACK encoder. Pure.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

pub(super) const END_STREAM: u8 = 1;
/// Of SETTINGS and PING.
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 0x20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
    /// What the frame's header says, where that is not the payload's length.
    pub length: Option<u32>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Self {
        Self { kind, flags, stream, payload: payload.as_ref().to_owned(), length: None }
    }

    pub fn data(stream: u32, data: &[u8], end: bool, padding: Option<u8>) -> Self {
        let flags = if end { END_STREAM } else { 0 };
        Self::new(kind::DATA, flags | padded(padding), stream, pad(data, padding))
    }

    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    pub fn go_away(last: u32, code: u32) -> Self {
        Self::new(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    pub fn settings(values: &[(u16, u32)]) -> Self {
        let octets = values.iter().flat_map(|(id, value)| {
            let mut setting = id.to_be_bytes().to_vec();
            setting.extend(value.to_be_bytes());
            setting
        });
        Self::new(kind::SETTINGS, 0, 0, octets.collect::<Vec<_>>())
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let length = self.length.unwrap_or(self.payload.len() as u32);
        let [_, a, b, c] = length.to_be_bytes();
        let mut octets = vec![a, b, c, self.kind, self.flags];
        octets.extend(self.stream.to_be_bytes());
        octets.extend(&self.payload);
        octets
    }
}

fn padded(padding: Option<u8>) -> u8 {
    if padding.is_some() { PADDED } else { 0 }
}

fn pad(content: &[u8], padding: Option<u8>) -> Vec<u8> {
    match padding {
        None => content.to_owned(),
        Some(length) => [&[length][..], content, &vec![0; length.into()]].concat(),
    }
}

/// A header block and the frames that carry it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    pub stream: u32,
    pub fields: Vec<Field>,
    pub end_stream: bool,
    pub padding: Option<u8>,
    pub priority: bool,
    /// Octets of the block in each frame: HEADERS, then CONTINUATION. All in one if 0.
    pub split: usize,
    /// The last frame does not end the block.
    pub unfinished: bool,
    /// Changes of the dynamic table's size, in front of the fields.
    pub table_sizes: Vec<u32>,
    /// Octets in front of the block, as they are: for what no encoder would make.
    pub prefix: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub value: String,
    pub how: How,
}

/// A field's representation (RFC 7541, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// The shortest: from a table where it is there, and put into the dynamic one where it is not; with Huffman codes.
    Shortest,
    /// The same without Huffman codes.
    Indexed,
    Literal,
    NeverIndexed,
}

/// The encoder's side of one connection.
#[derive(Default)]
pub struct Encoder(httlib_hpack::Encoder<'static>);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

impl Headers {
    /// A request with the four pseudo headers.
    pub fn request(stream: u32, method: &str, path: &str) -> Self {
        let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "hello.example")];
        Self { stream, end_stream: true, ..Self::default() }.fields(&pseudo)
    }

    /// What gRPC makes of a call; the message follows as DATA.
    pub fn grpc(stream: u32, method: &str) -> Self {
        let mut headers = Self::request(stream, "POST", method);
        headers.end_stream = false;
        headers.fields(&[("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "grpc-raw/1.0")])
    }

    #[must_use]
    pub fn fields(mut self, fields: &[(&str, &str)]) -> Self {
        for (name, value) in fields {
            self.fields.push(Field { name: (*name).to_owned(), value: (*value).to_owned(), how: How::Shortest });
        }
        self
    }

    #[must_use]
    pub fn how(mut self, how: How) -> Self {
        self.fields.iter_mut().for_each(|field| field.how = how);
        self
    }

    #[must_use]
    pub fn open(mut self) -> Self {
        self.end_stream = false;
        self
    }

    #[must_use]
    pub fn split(mut self, octets: usize) -> Self {
        self.split = octets;
        self
    }

    /// The block, with the encoder's table moved on.
    pub fn block(&self, encoder: &mut Encoder) -> Result<Vec<u8>> {
        use httlib_hpack::Encoder as E;
        let mut block = self.prefix.clone();
        for size in &self.table_sizes {
            encoder.0.update_max_dynamic_size(*size, &mut block).context("a size of the dynamic table")?;
        }
        for field in &self.fields {
            let flags = match field.how {
                How::Shortest => E::BEST_FORMAT | E::WITH_INDEXING | E::HUFFMAN_NAME | E::HUFFMAN_VALUE,
                How::Indexed => E::BEST_FORMAT | E::WITH_INDEXING,
                How::Literal => 0,
                How::NeverIndexed => E::NEVER_INDEXED,
            };
            let field = (field.name.clone().into_bytes(), field.value.clone().into_bytes(), flags);
            encoder.0.encode(field, &mut block).context("a field")?;
        }
        Ok(block)
    }

    pub(super) fn frames(&self, encoder: &mut Encoder) -> Result<Vec<Frame>> {
        let block = self.block(encoder)?;
        let size = if self.split == 0 { block.len().max(1) } else { self.split };
        let mut pieces: Vec<&[u8]> = block.chunks(size).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let last = pieces.len() - 1;
        let frame = |(number, piece): (usize, &&[u8])| {
            let end = if number == last && !self.unfinished { END_HEADERS } else { 0 };
            if number > 0 {
                return Frame::new(kind::CONTINUATION, end, self.stream, piece);
            }
            let priority: &[u8] = if self.priority { &[0, 0, 0, 0, 15] } else { &[] };
            let flags = end
                | padded(self.padding)
                | if self.end_stream { END_STREAM } else { 0 }
                | if self.priority { PRIORITY } else { 0 };
            Frame::new(kind::HEADERS, flags, self.stream, pad(&[priority, piece].concat(), self.padding))
        };
        Ok(pieces.iter().enumerate().map(frame).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_same_however_it_is_split() {
        let headers = Headers::request(1, "GET", "/some/path").fields(&[("x-one", "1"), ("x-two", "2")]);
        let whole = headers.block(&mut Encoder::default()).unwrap();
        for split in [1, 7, 0] {
            let frames = headers.clone().split(split).frames(&mut Encoder::default()).unwrap();
            let together: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
            assert_eq!(together, whole);
            assert_eq!(frames.iter().filter(|frame| frame.flags & END_HEADERS != 0).count(), 1);
            assert_eq!(frames[0].kind, kind::HEADERS);
            assert!(frames[1..].iter().all(|frame| frame.kind == kind::CONTINUATION));
        }
    }

    #[test]
    fn the_second_request_of_a_connection_is_taken_from_the_dynamic_table() {
        let mut encoder = Encoder::default();
        let headers = Headers::request(1, "GET", "/some/path");
        let first = headers.block(&mut encoder).unwrap().len();
        assert!(headers.block(&mut encoder).unwrap().len() < first);
    }

    #[test]
    fn padding_and_priority_stand_where_rfc_9113_puts_them() {
        let mut headers = Headers::request(3, "GET", "/");
        headers.padding = Some(2);
        headers.priority = true;
        let frame = headers.frames(&mut Encoder::default()).unwrap().remove(0);
        assert_eq!(frame.flags, END_HEADERS | END_STREAM | PADDED | PRIORITY);
        assert_eq!((frame.payload[0], &frame.payload[1..6]), (2, &[0, 0, 0, 0, 15][..]));
        assert!(frame.payload.ends_with(&[0, 0]));
    }
}
