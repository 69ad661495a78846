//! HTTP/2 as a client writes it: frames, and header blocks of literals that no table keeps (RFC 7541 section 6.2.2).

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What both ends begin with.
pub fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

pub fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(0, flags, stream, payload)
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(3, 0, stream, &8u32.to_be_bytes())
}

/// The request that `text` is in HTTP/1.1, without its body.
pub fn headers(stream: u32, flags: u8, text: &str) -> Vec<u8> {
    let mut lines = text.lines();
    let mut start = lines.next().unwrap().split(' ');
    let (method, path) = (start.next().unwrap(), start.next().unwrap());
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let authority = fields.iter().find(|(name, _)| name == "host").map_or("", |(_, value)| value);
    let mut block = Vec::new();
    for (name, value) in [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)] {
        literal(&mut block, name, value);
    }
    for (name, value) in fields.iter().filter(|(name, _)| name != "host" && name != "transfer-encoding") {
        literal(&mut block, name, value);
    }
    frame(1, flags | END_HEADERS, stream, &block)
}

/// The head of a response, and its end.
pub fn answer(stream: u32) -> Vec<u8> {
    // `:status: 200` of the static table.
    frame(1, END_STREAM | END_HEADERS, stream, &[0x88])
}

fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 127, "longer than one octet can say");
        block.push(len);
        block.extend_from_slice(text.as_bytes());
    }
}
