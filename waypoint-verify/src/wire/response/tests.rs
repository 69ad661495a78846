//! An end is told only where it is certain.

use std::sync::Arc;

use crate::wire::ResponseEvent::{Answered, Ended, Unknown};
use crate::wire::{Asked, ResponseEvent, ResponseStream, Segment, Settings, Which};

mod bounds;

struct Feed {
    stream: ResponseStream,
    events: Vec<ResponseEvent>,
    offset: u32,
}

impl Feed {
    fn asked(asked: &[Asked]) -> Self {
        Self::with(asked, Settings::default())
    }

    fn with(asked: &[Asked], settings: Settings) -> Self {
        let mut events = Vec::new();
        let mut stream = ResponseStream::new(u32::MAX - 40, &Arc::new(settings));
        asked.iter().for_each(|asked| stream.request(*asked, 0, &mut events));
        Self { stream, events, offset: 0 }
    }

    /// The next packet: what was copied, and so many octets that were not.
    fn packet(&mut self, bytes: &str, uncopied: u32) -> &mut Self {
        let seq = (u32::MAX - 40).wrapping_add(1 + self.offset);
        let payload_len = u32::try_from(bytes.len()).unwrap() + uncopied;
        self.offset += payload_len;
        self.stream.segment(
            Segment { seq, payload_len, bytes: bytes.as_bytes(), ..Segment::default() },
            5,
            &mut self.events,
        );
        self
    }

    /// As [`Self::packet`], of which the kernel left out so many octets at the start.
    fn skipped(&mut self, skipped: u32, bytes: &str) -> &mut Self {
        let seq = self.seq(self.offset);
        let payload_len = skipped + u32::try_from(bytes.len()).unwrap();
        self.offset += payload_len;
        let segment = Segment { seq, payload_len, skipped, bytes: bytes.as_bytes(), ..Segment::default() };
        self.stream.segment(segment, 5, &mut self.events);
        self
    }

    fn seq(&self, offset: u32) -> u32 {
        (u32::MAX - 40).wrapping_add(1 + offset)
    }

    fn ended(&self) -> Vec<u64> {
        let index = |event: &ResponseEvent| {
            if let Ended { which: Which::Nth(index), .. } = event { Some(*index) } else { None }
        };
        self.events.iter().filter_map(index).collect()
    }
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_response_ends_where_its_framing_says() {
    type Row<'a> = (Asked, &'a [(&'a str, u32)], bool);
    let rows: &[Row<'_>] = &[
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 0)], true),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 0)], false),
        (Asked::Other, &[("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 50_000), ("", 50_000)], true),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 50_000), ("", 49_999)], false),
        (Asked::Other, &[("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 0)], true),
        (Asked::Head, &[("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 2", 0), ("00 OK\r\nContent-Length: 0\r\n\r", 0), ("\n", 0)], true),
        (Asked::Other, &[(CHUNKED, 0), ("5\r\nabcde\r\n0\r\n\r\n", 0)], true),
        (Asked::Other, &[(CHUNKED, 0), ("2000\r\n", 8192), ("\r\n0\r\n\r\n", 0)], true),
        (Asked::Other, &[(CHUNKED, 0), ("2000\r\n", 8193), ("\n0\r\n\r\n", 0)], false),
        (Asked::Other, &[(CHUNKED, 0), ("5\r\nabcde\r\n0\r\n", 0)], false),
        (Asked::Connect, &[("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0)], false),
        (Asked::Connect, &[("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 101 Switching Protocols\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 200 OK\nContent-Length: 0\n\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0)], false),
        (Asked::Other, &[("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 199 Odd\r\n\r\nHTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", 0)], true),
        (Asked::Other, &[("HTTP/1.1 200 OK\r\nX: ", 9), ("Content-Length: 0\r\n\r\n", 0)], false),
    ];
    for (asked, packets, ends) in rows {
        let mut feed = Feed::asked(&[*asked]);
        for (bytes, uncopied) in *packets {
            feed.packet(bytes, *uncopied);
        }
        assert_eq!(feed.ended().len(), usize::from(*ends), "{asked:?} {packets:?} {:?}", feed.events);
    }
}

#[test]
fn pipelined_responses_are_counted_in_order() {
    let mut feed = Feed::asked(&[Asked::Other, Asked::Head, Asked::Other]);
    feed.packet("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", 0);
    assert_eq!(feed.ended(), [0, 1]);
    feed.packet("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0);
    assert_eq!(feed.ended(), [0, 1, 2]);
    assert!(matches!(feed.events[4], Answered { which: Which::Nth(2), status: 404, switched: false, at: 5 }));
}

#[test]
fn what_was_sent_again_is_older_than_what_was_followed() {
    let mut feed = Feed::asked(&[Asked::Other, Asked::Other]);
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    feed.packet(response, 0);
    feed.offset = 0;
    feed.packet(response, 0);
    assert_eq!(feed.ended(), [0]);
    // Again, together with what follows.
    feed.offset = 0;
    feed.packet(&response.repeat(2), 0);
    assert_eq!(feed.ended(), [0, 1]);
}

#[test]
fn a_packet_without_payload_says_nothing() {
    let mut feed = Feed::asked(&[Asked::Other]);
    feed.packet("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", 0);
    feed.offset += 2;
    feed.packet("", 0);
    assert!(feed.ended().is_empty());
    feed.offset -= 2;
    feed.packet("cd", 0);
    assert_eq!(feed.ended(), [0]);
}

#[test]
fn an_unasked_response_makes_the_rest_unknown() {
    let mut feed = Feed::asked(&[]);
    feed.packet("HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", 0);
    assert_eq!(feed.events, [Unknown { from: Which::Nth(0) }]);
}

#[test]
fn a_packet_that_was_not_seen_holds_up_what_follows_until_it_is_sent_again_or_too_much_waits() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let missing = || {
        let mut feed = Feed::asked(&[Asked::Other; 4]);
        feed.packet(response, 0);
        // Of the second one the end was not copied.
        feed.packet(&response[..10], u32::try_from(response.len() - 10).unwrap()).packet(response, 0);
        assert_eq!(feed.ended(), [0]);
        feed
    };
    let mut again = missing();
    again.offset = u32::try_from(response.len()).unwrap();
    again.packet(response, 0);
    assert_eq!(again.ended(), [0, 1, 2]);
    again.offset = u32::try_from(3 * response.len()).unwrap();
    again.packet(response, 0);
    assert_eq!(again.ended(), [0, 1, 2, 3]);

    let mut too_much = missing();
    too_much.packet(&"x".repeat(100_000), 0);
    assert_eq!(too_much.events.last(), Some(&Unknown { from: Which::Nth(1) }));
    assert!(!too_much.stream.known() && too_much.stream.memory() < 300);
}

#[test]
fn a_body_of_known_length_is_granted_but_for_its_last_octet() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let head = u32::try_from(HEAD.len()).unwrap();
    let mut feed = Feed::asked(&[Asked::Other, Asked::Other]);
    feed.packet(HEAD, 0);
    assert_eq!(feed.stream.grant(), Some(feed.seq(head + 999_999)));
    assert_eq!(feed.stream.grant(), None);
    feed.skipped(400_000, "");
    assert_eq!((feed.ended().len(), feed.stream.grant()), (0, None));
    // The packets between were not shown at all.
    feed.offset = head + 900_000;
    feed.skipped(99_999, "x");
    assert_eq!(feed.ended(), [0]);
    feed.packet("HTTP/1.1 204 No Content\r\n\r\n", 0);
    assert_eq!(feed.ended(), [0, 1]);
}

#[test]
fn chunks_are_granted_one_by_one_and_the_window_moves_with_small_ones() {
    let mut feed = Feed::asked(&[Asked::Other]);
    feed.packet(CHUNKED, 0).packet("8000\r\n", 100);
    let start = u32::try_from(CHUNKED.len()).unwrap() + 6;
    assert_eq!(feed.stream.grant(), Some(feed.seq(start + 0x8000)));
    // What was written before the grant landed, and the first octets after it.
    feed.skipped(0x8000 - 100, "\r\n");
    assert_eq!(feed.stream.grant(), None);
    let small = format!("40\r\n{}\r\n", "0\r\n\r\n".repeat(16)).replace("40", "50");
    for _ in 0..400 {
        feed.packet(&small, 0);
    }
    assert_eq!(feed.stream.grant(), Some(feed.seq(feed.offset)));
    feed.packet("0\r\n\r\n", 0);
    assert_eq!(feed.ended(), [0]);
}

#[test]
fn an_idle_stream_is_small() {
    assert!(Feed::asked(&[]).stream.memory() < 200);
}
