//! How fast octets become messages: `cargo bench -p waypoint-verify --bench wire`.

mod http2;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use waypoint_verify::wire::{Asked, Event, RequestStream, ResponseEvent, ResponseStream, Segment, Settings};

const REQUEST: &[u8] =
    b"GET /api/1 HTTP/1.1\r\nHost: hello\r\nUser-Agent: wrk\r\nAccept: */*\r\nX-Order: 1\r\nX-B: 2\r\n\r\n";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: Caddy\r\nDate: Mon, 23 Nov 2026 18:37:37 GMT\r\nContent-Length: 5\r\n\r\nhello";
const MESSAGES: u64 = 1000;

fn segment(seq: u32, bytes: &[u8]) -> Segment<'_> {
    Segment { seq, payload_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), bytes, ..Segment::default() }
}

/// Segments of one stream, each acknowledged; how many events.
fn follow<'a>(segments: impl Iterator<Item = &'a [u8]>, settings: &Arc<Settings>, out: &mut Vec<Event>) -> usize {
    let mut stream = RequestStream::new(0, settings);
    let (mut seq, mut events) = (1, 0);
    for (at, bytes) in (1..).zip(segments) {
        stream.segment(segment(seq, bytes), at, out);
        seq = seq.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
        stream.ack(seq, at, out);
        events += out.len();
        black_box(&out);
        out.clear();
        black_box(stream.grant());
    }
    events
}

fn request_direction(c: &mut Criterion) {
    let settings = Arc::new(Settings::default());
    let octets = REQUEST.repeat(usize::try_from(MESSAGES).unwrap_or(1));
    let mut out = Vec::new();
    let mut group = c.benchmark_group("wire/requests");
    group.throughput(Throughput::Elements(MESSAGES));
    let rows =
        [("one per segment", REQUEST.len()), ("16 per segment", 16 * REQUEST.len()), ("segments of 50 octets", 50)];
    for (name, size) in rows {
        assert_eq!(follow(octets.chunks(size), &settings, &mut out) as u64, 2 * MESSAGES);
        group.bench_function(name, |b| b.iter(|| follow(black_box(&octets).chunks(size), &settings, &mut out)));
    }
    group.bench_function("pairs of segments swapped", |b| {
        b.iter(|| {
            let mut stream = RequestStream::new(0, &settings);
            for pair in 0..MESSAGES / 2 {
                let at = u32::try_from(pair * 2 * REQUEST.len() as u64).unwrap_or(0) + 1;
                let len = u32::try_from(REQUEST.len()).unwrap_or(0);
                stream.segment(segment(at + len, REQUEST), pair, &mut out);
                stream.segment(segment(at, REQUEST), pair, &mut out);
                black_box(&out);
                out.clear();
            }
            stream.followed()
        });
    });
    group.finish();
}

fn response_direction(c: &mut Criterion) {
    let settings = Arc::new(Settings::default());
    let mut out: Vec<ResponseEvent> = Vec::new();
    let mut group = c.benchmark_group("wire/responses");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("one per segment", |b| {
        b.iter(|| {
            let mut stream = ResponseStream::new(0, &settings);
            let mut seq = 1u32;
            for at in 0..MESSAGES {
                stream.request(Asked::Other, 0, &mut out);
                stream.segment(segment(seq, RESPONSE), at, &mut out);
                seq += u32::try_from(RESPONSE.len()).unwrap_or(0);
                black_box(&out);
                out.clear();
            }
            stream.known()
        });
    });
    group.finish();
}

criterion_group!(benches, request_direction, response_direction, http2::requests, http2::responses);
criterion_main!(benches);
