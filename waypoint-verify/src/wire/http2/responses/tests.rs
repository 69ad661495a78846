//! An end is told with the last octet of the frame that ends a stream, and never before.

use std::sync::Arc;

use crate::wire::ResponseEvent::{Answered, Ended, Unknown};
use crate::wire::http2::fixture::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WHOLE, WINDOW_UPDATE, frame,
};
use crate::wire::{Asked, ResponseEvent, ResponseStream, Segment, Settings, Which};

const ISN: u32 = u32::MAX - 20;

struct Feed {
    stream: ResponseStream,
    events: Vec<ResponseEvent>,
    offset: u32,
}

impl Feed {
    fn new() -> Self {
        Self { stream: ResponseStream::new(ISN, &Arc::new(Settings::default())), events: Vec::new(), offset: 0 }
    }

    /// What was copied, and so many octets that were not.
    fn packet(&mut self, bytes: &[u8], uncopied: u32) -> &mut Self {
        let payload_len = u32::try_from(bytes.len()).unwrap() + uncopied;
        let segment = Segment { seq: self.seq(self.offset), payload_len, bytes, ..Segment::default() };
        self.stream.segment(segment, 5, &mut self.events);
        self.offset += payload_len;
        self
    }

    fn seq(&self, offset: u32) -> u32 {
        ISN.wrapping_add(1 + offset)
    }

    fn ended(&self) -> Vec<u32> {
        let stream =
            |event: &ResponseEvent| if let Ended { which: Which::Stream(id), .. } = event { Some(*id) } else { None };
        self.events.iter().filter_map(stream).collect()
    }
}

fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
}

#[test]
fn a_stream_ends_with_its_last_frame() {
    let rows: &[(&[Vec<u8>], &[u32])] = &[
        (&[frame(HEADERS, WHOLE, 1, b"\x88")], &[1]),
        (&[frame(HEADERS, END_HEADERS, 1, b"\x88"), frame(DATA, 0, 1, b"abc")], &[]),
        (&[frame(HEADERS, END_HEADERS, 1, b"\x88"), frame(DATA, END_STREAM, 1, b"abc")], &[1]),
        (&[frame(HEADERS, END_HEADERS, 1, b"\x88"), frame(DATA, END_STREAM, 1, b"")], &[1]),
        (&[frame(DATA, END_STREAM | PADDED, 1, b"\x02abc")], &[1]),
        // Interim responses and trailers.
        (&[frame(HEADERS, END_HEADERS, 1, b"\x08\x03100"), frame(HEADERS, WHOLE, 1, b"\x88")], &[1]),
        (&[frame(HEADERS, END_HEADERS, 1, b"\x88"), frame(HEADERS, WHOLE, 1, b"")], &[1]),
        // A block in pieces ends with the last one.
        (&[frame(HEADERS, END_STREAM, 1, b"\x88"), frame(CONTINUATION, 0, 1, b"")], &[]),
        (&[frame(HEADERS, END_STREAM, 1, b"\x88"), frame(CONTINUATION, END_HEADERS, 1, b"")], &[1]),
        (&[frame(HEADERS, 0, 1, b"\x88"), frame(CONTINUATION, END_HEADERS, 1, b""), frame(DATA, 1, 1, b"x")], &[1]),
        (&[frame(PUSH_PROMISE, 0, 1, b"\0\0\0\x02"), frame(CONTINUATION, WHOLE, 1, b"")], &[]),
        (&[frame(PUSH_PROMISE, WHOLE, 1, b"\0\0\0\x02"), frame(HEADERS, WHOLE, 3, b"")], &[3]),
        (&[frame(RST_STREAM, 0, 5, &[0; 4])], &[5]),
        // What is no answer.
        (&[frame(PING, 1, 0, &[0; 8]), frame(SETTINGS, 1, 0, b""), frame(WINDOW_UPDATE, 1, 1, &[0; 4])], &[]),
        (&[frame(GOAWAY, 1, 0, &[0; 8]), frame(0xee, 0xff, 1, b"x"), frame(HEADERS, WHOLE, 1, b"")], &[1]),
        // In any order.
        (&[frame(HEADERS, END_HEADERS, 1, b""), frame(HEADERS, WHOLE, 3, b""), frame(DATA, 1, 1, b"x")], &[3, 1]),
    ];
    for (frames, ended) in rows {
        let octets = [settings(), frames.concat()].concat();
        let mut whole = Feed::new();
        whole.packet(&octets, 0);
        assert_eq!((whole.ended(), whole.stream.known()), (ended.to_vec(), true), "{frames:?}");
        let mut single = Feed::new();
        for octet in &octets[..octets.len() - 1] {
            single.packet(&[*octet], 0);
        }
        let last = usize::from(!ended.is_empty());
        assert_eq!(single.ended(), ended[..ended.len() - last], "{frames:?}");
        single.packet(&octets[octets.len() - 1..], 0);
        assert_eq!(single.ended(), *ended, "{frames:?}");
    }
}

#[test]
fn what_a_server_must_not_send_leaves_the_rest_unknown() {
    let after = |frames: &[Vec<u8>]| [settings(), frames.concat()].concat();
    let rows = [
        frame(HEADERS, WHOLE, 1, b""),
        frame(SETTINGS, 1, 0, b""),
        frame(SETTINGS, 0, 1, b""),
        after(&[frame(DATA, 0, 0, b"x")]),
        after(&[frame(HEADERS, WHOLE, 0, b"")]),
        after(&[frame(RST_STREAM, 0, 0, &[0; 4])]),
        after(&[frame(RST_STREAM, 0, 1, &[0; 5])]),
        after(&[frame(PUSH_PROMISE, 4, 0, &[0; 4])]),
        after(&[frame(SETTINGS, 0, 1, b"")]),
        after(&[frame(CONTINUATION, END_HEADERS, 1, b"")]),
        after(&[frame(HEADERS, END_STREAM, 1, b""), frame(CONTINUATION, END_HEADERS, 3, b"")]),
        after(&[frame(HEADERS, END_STREAM, 1, b""), frame(DATA, END_STREAM, 1, b"")]),
    ];
    for octets in rows {
        let mut feed = Feed::new();
        feed.packet(&octets, 0).packet(&frame(HEADERS, WHOLE, 7, b""), 0);
        assert_eq!(feed.events, [Unknown { from: Which::Stream(0) }], "{octets:?}");
    }
    // HTTP/1.1 is not answered in HTTP/2.
    let mut feed = Feed::new();
    feed.stream.request(Asked::Other, 0, &mut feed.events);
    feed.packet(&settings(), 0);
    assert_eq!(feed.events, [Unknown { from: Which::Nth(0) }]);
}

/// Of HTTP/2 all may be left out, gigabyte by gigabyte; an answer in HTTP/1.1 is read as ever.
#[test]
fn where_no_end_matters_nothing_of_http2_need_be_seen() {
    const GIB: u32 = 1 << 30;
    let mut feed = Feed::new();
    feed.stream = feed.stream.without_ends();
    feed.packet(&settings(), 0);
    let seen = feed.offset;
    assert_eq!(feed.stream.grant(), Some(feed.seq(seen + GIB)));
    // What no server may send, and what ends a stream.
    feed.packet(&[frame(DATA, 0, 0, b"x"), frame(HEADERS, WHOLE, 1, b"\x88")].concat(), 0);
    assert_eq!((feed.stream.grant(), feed.stream.known(), feed.events.len()), (None, true, 0));
    feed.offset = seen + GIB;
    feed.packet(b"", 0).packet(b"abc", 100);
    assert_eq!(feed.stream.grant(), Some(feed.seq(feed.offset + GIB)));
    assert_eq!((feed.stream.known(), feed.events.len()), (true, 0));

    let mut switched = Feed::new();
    switched.stream = switched.stream.without_ends();
    switched.stream.request(Asked::H2c, 0, &mut switched.events);
    switched.packet(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 0);
    assert!(matches!(switched.events[..], [Answered { switched: true, .. }, ..]), "{:?}", switched.events);
    let events = switched.events.len();
    switched.packet(&[settings(), frame(HEADERS, WHOLE, 1, b"\x88")].concat(), 0);
    assert_eq!((switched.stream.grant(), switched.events.len()), (Some(switched.seq(switched.offset + GIB)), events));
}

#[test]
fn content_is_granted_but_for_the_octet_that_ends_a_stream() {
    for (flags, kept) in [(0, 0), (END_STREAM, 1)] {
        let mut feed = Feed::new();
        feed.stream.request(Asked::Other, 1, &mut feed.events);
        let opening = [settings(), frame(HEADERS, END_HEADERS, 1, b"\x88")].concat();
        let header = &frame(DATA, flags, 1, &vec![0; 100_000])[..9];
        feed.packet(&opening, 0).packet(header, 40_000);
        let end = u32::try_from(opening.len()).unwrap() + 9 + 100_000;
        assert_eq!(feed.stream.grant(), Some(feed.seq(end - kept)));
        assert!(feed.ended().is_empty());
        feed.offset = end - 1;
        feed.packet(b"x", 0).packet(&frame(HEADERS, WHOLE, 3, b""), 0);
        let ended: &[u32] = if flags == 0 { &[3] } else { &[1, 3] };
        assert_eq!((feed.ended(), feed.stream.known()), (ended.to_vec(), true));
    }
}

#[test]
fn an_upgrade_is_answered_on_stream_1() {
    const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: H2C\r\n\r\n";
    let http2 = [settings(), frame(HEADERS, END_HEADERS, 1, b"\x88"), frame(DATA, END_STREAM, 1, b"x")].concat();
    let octets = [SWITCH, &http2].concat();
    for cut in [octets.len(), SWITCH.len(), SWITCH.len() + 3, 10] {
        let mut feed = Feed::new();
        feed.stream.request(Asked::H2c, 0, &mut feed.events);
        feed.packet(&octets[..cut], 0).packet(&octets[cut..], 0);
        assert!(matches!(feed.events[0], Answered { which: Which::Nth(0), status: 101, switched: true, .. }));
        assert_eq!(feed.events[1..], [Ended { which: Which::Stream(1), at: 5 }], "{cut}");
    }
    // Only where both sides say so.
    let websocket = [&SWITCH.to_ascii_lowercase()[..], &http2].concat();
    let other = [&SWITCH[..SWITCH.len() - 7], b"foo\r\n\r\n", &http2].concat();
    for (asked, octets) in [(Asked::Other, &octets), (Asked::Head, &octets), (Asked::H2c, &other)] {
        let mut feed = Feed::new();
        feed.stream.request(asked, 0, &mut feed.events);
        feed.packet(octets, 0);
        assert_eq!(feed.events[1..], [Unknown { from: Which::Nth(0) }], "{asked:?}");
    }
    let mut malformed = Feed::new();
    malformed.stream.request(Asked::H2c, 0, &mut malformed.events);
    malformed.packet(&websocket, 0);
    assert_eq!(malformed.events, [Unknown { from: Which::Nth(0) }]);
    // A refusal is an answer like any other.
    let mut refused = Feed::new();
    refused.stream.request(Asked::H2c, 0, &mut refused.events);
    refused.packet(b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", 0);
    assert_eq!(refused.events[1..], [Ended { which: Which::Nth(0), at: 5 }]);
}
