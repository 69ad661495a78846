//! HTTP/2: frames, header blocks and their fields, as a proxy's connection carries them.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use httlib_hpack::Encoder;
use waypoint_verify::wire::{ResponseEvent, ResponseStream, Settings};

use super::{MESSAGES, follow, segment};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Indexed where it can be, else a literal that is indexed, with its value in Huffman code.
const INDEXED: u8 = Encoder::BEST_FORMAT | Encoder::WITH_INDEXING | Encoder::HUFFMAN_NAME | Encoder::HUFFMAN_VALUE;
/// As a proxy sends what changes with each request.
const LITERAL: u8 = Encoder::BEST_FORMAT | Encoder::HUFFMAN_NAME | Encoder::HUFFMAN_VALUE;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Segments of one connection: each holds `per_segment` requests, the first one the preface too.
fn requests_of(per_segment: u64, fresh: bool, content: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::default();
    let mut segments = vec![PREFACE.to_vec()];
    for n in 0..MESSAGES {
        let (path, id) = (format!("/api/v1/orders/{n}"), format!("{n:08x}-5a1b-4c2d-9e3f-0123456789ab"));
        let trace = format!("00-{n:032x}-{n:016x}-01");
        let changing = if fresh { INDEXED } else { LITERAL };
        let fields = [
            (":method", if content == 0 { "GET" } else { "POST" }, INDEXED),
            (":scheme", "http", INDEXED),
            (":authority", "orders.shop.svc:8080", INDEXED),
            (":path", if fresh { &path } else { "/api/v1/orders" }, if fresh { LITERAL } else { INDEXED }),
            ("user-agent", "grpc-java-netty/1.60.0", INDEXED),
            ("accept-encoding", "gzip", INDEXED),
            ("content-type", "application/json", INDEXED),
            ("x-forwarded-for", "10.244.1.17", INDEXED),
            ("x-request-id", if fresh { &id } else { "5a1b" }, changing),
            ("traceparent", if fresh { &trace } else { "00-1" }, if fresh { LITERAL } else { INDEXED }),
        ];
        let mut block = Vec::new();
        for (name, value, flags) in fields {
            let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags);
            encoder.encode(field, &mut block).unwrap_or_default();
        }
        let stream = u32::try_from(2 * n + 1).unwrap_or(1);
        let mut octets = frame(1, if content == 0 { 5 } else { 4 }, stream, &block);
        if content > 0 {
            octets.extend(frame(0, 1, stream, &vec![b'x'; content]));
        }
        match segments.last_mut() {
            Some(segment) if n % per_segment != 0 || n == 0 => segment.extend(octets),
            _ => segments.push(octets),
        }
    }
    segments
}

fn pieces(segments: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    segments.iter().map(Vec::as_slice)
}

pub fn requests(c: &mut Criterion) {
    let settings = Arc::new(Settings::default());
    let mut out = Vec::new();
    let mut group = c.benchmark_group("wire/http2 requests");
    group.throughput(Throughput::Elements(MESSAGES));
    let rows = [
        ("10 fields, all indexed", 1, false, 0),
        ("10 fields, 3 of them new", 1, true, 0),
        ("10 fields, 3 of them new, 16 per segment", 16, true, 0),
        ("10 fields, 3 of them new, 1 KiB of content", 1, true, 1024),
    ];
    for (name, per_segment, fresh, content) in rows {
        let segments = requests_of(per_segment, fresh, content);
        assert_eq!(follow(pieces(&segments), &settings, &mut out) as u64, 2 * MESSAGES);
        group.bench_function(name, |b| b.iter(|| follow(pieces(black_box(&segments)), &settings, &mut out)));
    }
    group.finish();
}

pub fn responses(c: &mut Criterion) {
    let settings = Arc::new(Settings::default());
    let mut out: Vec<ResponseEvent> = Vec::new();
    let mut group = c.benchmark_group("wire/http2 responses");
    group.throughput(Throughput::Elements(MESSAGES));
    let response = [frame(1, 4, 1, &[0x88, 0xbf, 0xbe]), frame(0, 1, 1, b"hello")].concat();
    group.bench_function("one per segment", |b| {
        b.iter(|| {
            let mut stream = ResponseStream::new(0, &settings);
            stream.segment(segment(1, &PREFACE[24..]), 0, &mut out);
            let mut seq = 10u32;
            for at in 0..MESSAGES {
                stream.segment(segment(seq, &response), at, &mut out);
                seq += u32::try_from(response.len()).unwrap_or(0);
                black_box(&out);
                out.clear();
            }
            stream.known()
        });
    });
    group.finish();
}
