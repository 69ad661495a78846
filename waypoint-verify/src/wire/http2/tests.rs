//! One row per rule; each also octet by octet, which must change nothing.

use super::fixture::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITIZED, PRIORITY, PUSH_PROMISE,
    RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE,
};
use super::fixture::{block, frame, get, opening, post, request};
use crate::wire::fixture::Feed;
use crate::wire::{Body, Bound, Event, Malformed, Opaque, Poison, Settings};

mod bounds;
mod fields;
mod streams;

/// Opening, a good request, and `frames`; in one segment, and octet by octet.
fn feeds(frames: &[Vec<u8>], settings: &Settings) -> [Feed; 2] {
    let octets = [opening(), get(1, "/1"), frames.concat()].concat();
    let (mut whole, mut single) = (Feed::with(settings), Feed::with(settings));
    whole.at(0, &octets);
    for (offset, octet) in (0..).zip(&octets) {
        single.at(offset, &[*octet]);
    }
    assert_eq!(without_order(&whole.events), without_order(&single.events), "{frames:?}");
    [whole, single]
}

fn without_order(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Event::Head { started_at, complete_at, .. } = event {
            (*started_at, *complete_at) = (0, 0);
        }
    }
    events
}

/// Where the frames after the good request start.
fn start() -> u64 {
    (opening().len() + get(1, "/1").len()) as u64
}

/// Every row is refused for its reason, where its last frame, or `before` frames earlier, starts.
fn refused(rows: &[(Vec<Vec<u8>>, Poison)], settings: &Settings) {
    for (frames, why) in rows {
        for feed in feeds(frames, settings) {
            let (offset, poison) = feed.poison().unwrap_or_else(|| panic!("not refused: {frames:?}"));
            assert_eq!(poison, *why, "{frames:?}");
            let starts: Vec<u64> = (0..frames.len()).map(|n| start() + frames[..n].concat().len() as u64).collect();
            assert!(starts.contains(&offset), "{frames:?} {offset} {starts:?}");
            assert_eq!(feed.heads()[0], "GET /1 a", "{frames:?}");
            assert!(feed.ends().iter().all(|(_, end, _)| *end <= offset), "{frames:?}");
        }
    }
}

#[test]
fn frames_that_are_no_message_change_nothing() {
    let rows: &[Vec<u8>] = &[
        frame(PRIORITY, 0, 7, &[0; 5]),
        frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100, 0, 5, 0, 0, 0x40, 0, 0xab, 0xcd, 1, 2, 3, 4]),
        // Each setting at the ends of what it may be (section 6.5.2).
        frame(
            SETTINGS,
            0,
            0,
            &[0, 2, 0, 0, 0, 1, 0, 8, 0, 0, 0, 1, 0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 5, 0, 0xff, 0xff, 0xff],
        ),
        frame(SETTINGS, 1, 0, b""),
        frame(PING, 0, 0, &[7; 8]),
        frame(PING, 1, 0, &[7; 8]),
        frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frame(WINDOW_UPDATE, 0, 1, &[1, 0, 0, 0]),
        // RFC 9218, and a type that nobody knows, with any flags.
        frame(0x10, 0, 0, b"\0\0\0\x01u=3"),
        frame(0xee, 0xff, 9, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        // The reserved bit of the identifier is ignored.
        frame(PRIORITY, 0, 0x8000_0007, &[0; 5]),
    ];
    for row in rows {
        for feed in feeds(&[row.clone(), get(3, "/2")], &Settings::default()) {
            assert_eq!(feed.poison(), None, "{row:?}");
            assert_eq!(feed.heads(), ["GET /1 a", "GET /2 a"], "{row:?}");
            assert!(!feed.stream.finished());
        }
    }
}

#[test]
fn after_its_goaway_a_client_ends_what_it_began_and_begins_nothing() {
    let goaway = frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0why not");
    let ends = frame(DATA, END_STREAM, 3, b"x");
    for feed in feeds(&[post(3, "/", &[]), goaway.clone(), ends], &Settings::default()) {
        assert_eq!((feed.poison(), feed.ends().len()), (None, 2));
    }
    let (shortest, trailers) = (frame(GOAWAY, 0, 0, &[0; 8]), frame(HEADERS, WHOLE, 3, &block(&[("x", "y")])));
    for feed in feeds(&[post(3, "/", &[]), shortest, trailers], &Settings::default()) {
        assert_eq!((feed.poison(), feed.ends().len()), (None, 2));
    }
    for feed in feeds(&[goaway.clone(), goaway, get(3, "/2")], &Settings::default()) {
        assert!(matches!(feed.poison(), Some((_, Poison::Malformed(Malformed::AfterGoaway)))));
        assert_eq!(feed.heads(), ["GET /1 a"]);
    }
}

#[test]
fn a_frame_that_cannot_be_there_poisons_the_connection() {
    use Malformed as M;
    let settings = |id: u8, value: [u8; 4]| frame(SETTINGS, 0, 0, &[&[0, id][..], &value].concat());
    let rows: &[(Vec<Vec<u8>>, Poison)] = &[
        (vec![frame(DATA, 0, 0, b"x")], M::FrameStream.into()),
        (vec![frame(HEADERS, WHOLE, 0, &request("GET", "/", &[]))], M::FrameStream.into()),
        (vec![frame(PRIORITY, 0, 0, &[0; 5])], M::FrameStream.into()),
        (vec![frame(RST_STREAM, 0, 0, &[0; 4])], M::FrameStream.into()),
        (vec![frame(CONTINUATION, 0, 0, b"")], M::FrameStream.into()),
        (vec![frame(SETTINGS, 0, 1, b"")], M::FrameStream.into()),
        (vec![frame(PING, 0, 1, &[0; 8])], M::FrameStream.into()),
        (vec![frame(GOAWAY, 0, 1, &[0; 8])], M::FrameStream.into()),
        (vec![frame(PRIORITY, 0, 1, &[0; 4])], M::FrameSize.into()),
        (vec![frame(RST_STREAM, 0, 1, &[0; 5])], M::FrameSize.into()),
        (vec![frame(WINDOW_UPDATE, 0, 0, &[1; 3])], M::FrameSize.into()),
        (vec![frame(SETTINGS, 0, 0, &[0; 7])], M::FrameSize.into()),
        (vec![frame(SETTINGS, 1, 0, &[0; 6])], M::FrameSize.into()),
        (vec![frame(PING, 0, 0, &[0; 7])], M::FrameSize.into()),
        (vec![frame(GOAWAY, 0, 0, &[0; 7])], M::FrameSize.into()),
        (vec![settings(2, [0, 0, 0, 2])], M::Setting.into()),
        (vec![settings(8, [0, 0, 0, 2])], M::Setting.into()),
        (vec![settings(4, [0x80, 0, 0, 0])], M::Setting.into()),
        (vec![settings(5, [0, 0, 0x3f, 0xff])], M::Setting.into()),
        (vec![settings(5, [1, 0, 0, 0])], M::Setting.into()),
        (vec![frame(WINDOW_UPDATE, 0, 0, &[0x80, 0, 0, 0])], M::WindowUpdate.into()),
        (vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], M::PushPromise.into()),
        (vec![frame(CONTINUATION, END_HEADERS, 1, b"")], M::Continuation.into()),
        // Padding that leaves no room (section 6.1, 6.2).
        (vec![post(3, "/", &[]), frame(DATA, PADDED, 3, b"")], M::FrameSize.into()),
        (vec![post(3, "/", &[]), frame(DATA, PADDED, 3, b"\x03ab")], M::Padding.into()),
        (vec![frame(HEADERS, WHOLE | PADDED, 3, b"")], M::FrameSize.into()),
        (vec![frame(HEADERS, WHOLE | PADDED, 3, b"\x05\x82\x84\x86")], M::Padding.into()),
        (vec![frame(HEADERS, WHOLE | PRIORITIZED, 3, &[0; 4])], M::FrameSize.into()),
        (vec![frame(HEADERS, WHOLE | PRIORITIZED | PADDED, 3, b"\x01\0\0\0\0\x01")], M::Padding.into()),
        // Nothing comes between the frames of a header block (section 6.10).
        (vec![frame(HEADERS, END_STREAM, 3, b"\x82"), frame(PING, 0, 0, &[0; 8])], M::Continuation.into()),
        (vec![frame(HEADERS, END_STREAM, 3, b"\x82"), frame(0xee, 0, 0, b"")], M::Continuation.into()),
        (vec![frame(HEADERS, END_STREAM, 3, b"\x82"), frame(CONTINUATION, 4, 5, b"")], M::Continuation.into()),
        (vec![frame(HEADERS, END_STREAM, 3, b"\x82"), get(5, "/")], M::Continuation.into()),
    ];
    refused(rows, &Settings::default());
}

#[test]
fn the_preface_is_followed_by_settings() {
    let preface = super::PREFACE.to_vec();
    for first in [get(1, "/"), frame(SETTINGS, 1, 0, b""), frame(PING, 0, 0, &[0; 8]), frame(0xee, 0, 0, b"")] {
        let feed = Feed::of(&[&preface[..], &first].concat());
        assert_eq!(feed.poison(), Some((24, Malformed::Preface.into())), "{first:?}");
    }
    let mut torn = Feed::of(&preface[..20]);
    torn.fin(20);
    assert_eq!(torn.poison(), Some((0, Poison::Incomplete)));
    // What only begins like it is HTTP/1.1, and none.
    for n in 1..24 {
        let mut octets = preface.clone();
        octets[n] ^= 1;
        for feed in [Feed::of(&octets), {
            let mut feed = Feed::of(&octets[..n]);
            feed.at(n as u64, &octets[n..]);
            feed
        }] {
            assert!(matches!(feed.poison(), Some((0, Poison::Malformed(_) | Poison::Opaque(_)))), "{n}");
            assert_eq!(feed.events.len(), 1);
        }
    }
    let mut other = Feed::of(b"P");
    other.at(1, b"RI /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((other.poison(), other.heads()), (None, vec!["PRI /x a".into()]));
    assert!(matches!(other.events[0], Event::Head { started_at: 1, complete_at: 2, .. }));
    let mut differs = Feed::of(b"PRI * ");
    differs.at(2, b"J * ");
    assert!(matches!(differs.poison(), Some((2, Poison::Conflict(_)))));
}

#[test]
fn header_blocks_may_come_in_pieces_with_padding_and_priority() {
    let of = request("GET", "/2", &[("x", "y")]);
    let (a, rest) = of.split_at(7);
    let (b, c) = rest.split_at(1);
    let padded = [&[3][..], &of, &[0; 3]].concat();
    let prioritized = [&[2, 0x80, 0, 0, 1, 5][..], a, &[0; 2]].concat();
    let rows: &[Vec<Vec<u8>>] = &[
        vec![frame(HEADERS, WHOLE | PADDED, 3, &padded)],
        vec![
            frame(HEADERS, END_STREAM, 3, a),
            frame(CONTINUATION, 0, 3, b""),
            frame(CONTINUATION, 0, 3, b),
            frame(CONTINUATION, END_HEADERS, 3, c),
        ],
        vec![frame(HEADERS, END_STREAM, 3, b""), frame(CONTINUATION, END_HEADERS, 3, &of)],
        vec![frame(HEADERS, END_STREAM, 3, &of), frame(CONTINUATION, END_HEADERS, 3, b"")],
        vec![
            frame(HEADERS, END_STREAM | PADDED | PRIORITIZED, 3, &prioritized),
            frame(CONTINUATION, END_HEADERS, 3, rest),
        ],
    ];
    for frames in rows {
        let len = frames.concat().len() as u64;
        for mut feed in feeds(frames, &Settings::default()) {
            assert_eq!(feed.poison(), None, "{frames:?}");
            assert_eq!(feed.heads(), ["GET /1 a", "GET /2 a"], "{frames:?}");
            assert_eq!(feed.ends()[1], (start(), start() + len, 0), "{frames:?}");
            let Some(Event::Head { offset, head_len, stream: 3, body: Body::Length(0), switch: None, .. }) =
                feed.events.get(2)
            else {
                panic!("{:?}", feed.events)
            };
            assert_eq!((*offset, u64::from(*head_len)), (start(), len), "{frames:?}");
            feed.fin(start() + len);
            assert_eq!(feed.poison(), None, "nothing of it is left open: {frames:?}");
        }
    }
}

#[test]
fn a_head_that_came_again_with_other_octets_is_a_conflict() {
    let octets = [opening(), get(1, "/1"), get(3, "/2"), post(5, "/3", &[])].concat();
    let mut feed = Feed::of(&octets);
    let at = start();
    feed.at(at, &get(3, "/X"));
    assert!(feed.poison().is_some_and(|(offset, _)| (at..at + get(3, "/X").len() as u64).contains(&offset)));
    // Part of a head that is not complete.
    let mut feed = Feed::of(&octets[..octets.len() - 3]);
    feed.at(octets.len() as u64 - 10, b"/");
    assert!(matches!(feed.poison(), Some((_, Poison::Conflict(_)))));
    // The header of a DATA frame, but not its content.
    let octets = [octets, frame(DATA, 0, 5, b"hello")].concat();
    let header = octets.len() as u64 - 14;
    for (again, conflict) in [(frame(DATA, 1, 5, b"hello"), true), (frame(DATA, 0, 5, b"HELLO"), false)] {
        let mut feed = Feed::of(&octets);
        feed.at(header, &again);
        assert_eq!(matches!(feed.poison(), Some((_, Poison::Conflict(_)))), conflict);
    }
    // The same octets, or others that TCP throws away, change nothing.
    let mut feed = Feed::of(&octets[..octets.len() - 3]);
    feed.at(5, &octets[5..]).ack(octets.len() as u64).at(at, &get(3, "/X"));
    assert_eq!((feed.poison(), feed.heads().len()), (None, 3));
}

#[test]
fn http2_follows_an_upgrade_only_if_it_was_asked_for() {
    let ask = |what: &str| {
        format!(
            "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {what}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        )
    };
    let asked = ask("h2c");
    let end = asked.len() as u64;
    for switched in [true, false] {
        for cut in [0, 1, 10, 24, 30] {
            let octets = [opening(), frame(RST_STREAM, 0, 1, &[0; 4]), get(3, "/2")].concat();
            let mut feed = Feed::of(&[asked.as_bytes(), &octets[..cut]].concat());
            if switched {
                feed.stream.switched(0);
            }
            feed.at(end + cut as u64, &octets[cut..]);
            assert_eq!((feed.poison(), feed.heads()), (None, vec!["GET /up a".into(), "GET /2 a".into()]), "{cut}");
            assert!(feed.events.iter().any(|event| matches!(event, Event::Reset { offset: 0, stream: 1, .. })));
        }
    }
    // Stream 1 is the request that asked.
    let mut again = Feed::of(&[asked.as_bytes(), &opening(), &get(1, "/2")].concat());
    assert_eq!(again.poison().map(|(_, why)| why), Some(Malformed::StreamClosed.into()));
    again = Feed::of(&[asked.as_bytes(), b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    assert_eq!(again.poison(), Some((end, Opaque::AfterSwitch.into())));
    again = Feed::of(&[ask("websocket").as_bytes(), &opening()].concat());
    assert!(matches!(again.poison(), Some((_, Poison::Opaque(Opaque::AfterSwitch)))));
    again = Feed::of(asked.as_bytes());
    again.stream.no_switch(0);
    again.at(end, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((again.poison(), again.heads().len()), (None, 2));
}
