//! Bounds that are just reached, and what memory counts.

use crate::model::Reason;
use crate::wire::fixture::{Feed, GET, seq};
use crate::wire::{Bound, Conflict, Malformed, Poison, Segment, Settings};

/// More than a stream that has read the same and waits for nothing.
fn grown(play: &dyn Fn(&mut Feed) -> &mut Feed) -> usize {
    let idle = Feed::new().stream.memory();
    let mut feed = Feed::new();
    play(&mut feed);
    assert_eq!(feed.poison(), None);
    feed.stream.memory() - idle
}

#[test]
fn memory_counts_whatever_a_client_may_make_it_hold() {
    let text = "x".repeat(1000);
    let head = format!("GET /{text} HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, half) = (head.as_bytes(), &head.as_bytes()[..1000]);
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let trailer = [b"X: ", text.as_bytes()].concat();
    let acked = |feed: &mut Feed| {
        let followed = feed.stream.followed();
        feed.ack(followed);
    };
    // A head and a trailer section of which the end is missing, also when all of it was acknowledged.
    let torn = grown(&|feed| {
        feed.at(0, half);
        acked(feed);
        feed
    });
    assert!((1000..2100).contains(&torn), "{torn}");
    let trailers = grown(&|feed| {
        feed.at(0, chunked).at(chunked.len() as u64, &trailer);
        acked(feed);
        feed
    });
    assert!((1000..2100).contains(&trailers), "{trailers}");
    // What is not acknowledged, what is doubted, what is ahead of a hole.
    let unacked = grown(&|feed| feed.at(0, head));
    assert!((1000..2100).contains(&unacked), "{unacked}");
    let doubted = grown(&|feed| feed.doubt(1, &head[1..]));
    assert!((1000..2100).contains(&doubted), "{doubted}");
    let ahead = grown(&|feed| feed.at(1, &head[1..]));
    assert!((1000..2100).contains(&ahead), "{ahead}");
    // Many small ones cost more than their octets.
    let many = grown(&|feed| (0..100).fold(feed, |feed, n| feed.at(2 * n + 1, b"x")));
    assert!((100 * 24..100 * 100).contains(&many), "{many}");
    let unseen = |feed: &mut Feed, n: u64| {
        feed.segment(Segment { seq: seq(2 * n + 1), payload_len: 1, ..Segment::default() });
    };
    let unseen = grown(&|feed| {
        (0..100).for_each(|n| unseen(feed, n));
        feed
    });
    assert!((100 * 24..100 * 100).contains(&unseen), "{unseen}");
    // And nothing of it once it was told and acknowledged.
    let gone = grown(&|feed| {
        feed.doubt(0, head).at(1, &head[1..]).at(0, b"G");
        acked(feed);
        feed
    });
    assert!(gone < 100, "{gone}");
    // The start of another protocol.
    let hello = grown(&|feed| {
        feed.at(0, &[&b"\x16\x03\x01\x10\x00"[..], &[1; 1000]].concat());
        acked(feed);
        feed
    });
    assert!(hello >= 1000, "{hello}");
}

#[test]
fn a_connection_without_any_octet_holds_no_message() {
    let mut feed = Feed::new();
    feed.fin(0).ack(1).close(Some(1));
    assert_eq!((feed.poison(), feed.stream.finished()), (None, true));
    let mut one = Feed::of(b"P");
    one.fin(1);
    assert_eq!(one.poison(), Some((0, Poison::Incomplete)));
}

#[test]
fn after_poison_nothing_is_kept_but_the_count_of_a_tunnel() {
    let idle = Feed::new().stream.memory();
    let text = "x".repeat(20_000);
    let mut torn = Feed::of(format!("GET /{text}").as_bytes());
    let urgent = Segment { seq: seq(5000), payload_len: 1, bytes: b"x", urg: true, ..Segment::default() };
    torn.doubt(30_000, b"x").at(31_000, text.as_bytes()).segment(urgent);
    assert!(torn.poison().is_some());
    assert!(torn.stream.memory() <= idle, "{} {idle}", torn.stream.memory());
    // Whatever comes then.
    torn.at(50_000, text.as_bytes())
        .doubt(40_000, text.as_bytes())
        .doubt(0, b"PUT /")
        .segment(urgent)
        .ack(95_000)
        .fin(6);
    torn.stream.doubt(urgent, &mut torn.events);
    torn.stream.shed(&mut torn.events);
    torn.close(Some(77));
    assert_eq!((torn.events.len(), torn.stream.grant(), torn.stream.followed()), (1, None, 20_005));
    assert!(torn.stream.memory() <= idle, "{} {idle}", torn.stream.memory());

    let head = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut tunnel = Feed::of(head);
    tunnel.stream.switched(0);
    let end = head.len() as u64;
    tunnel.at(end, b"hello");
    assert!(tunnel.stream.grant().is_some());
    tunnel.segment(Segment { seq: seq(end + 5), urg: true, ..Segment::default() });
    assert!(tunnel.poison().is_some());
    tunnel.ack(end + 1000).close(Some(end + 1000));
    assert_eq!((tunnel.stream.tunnelled(), tunnel.events.len()), (5, 3));
}

/// Content that came before its head is of no use, and is no hole.
#[test]
fn what_was_held_and_is_passed_over_is_gone() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";
    let start = head.len() as u64;
    let mut feed = Feed::new();
    feed.at(start + 5, b"xyz").at(0, head).at(start, b"abcdexyz").close(None);
    assert_eq!((feed.poison(), feed.ends()), (None, vec![(0, start + 8, 8)]));
    // Holes that are filled leave nothing behind, though another one stays.
    let mut feed = Feed::new();
    let large = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000));
    let (large, len) = (large.as_bytes(), large.len() as u64);
    feed.at(200 * len, b"G").at(1, &large[1..]);
    let one = feed.stream.memory();
    feed.at(0, &large[..1]).ack(len);
    for n in 1..100 {
        let at = n * len;
        if n % 2 == 0 {
            // A part of the content before its head, which is then passed over.
            feed.at(at + 500, &large[500..600]).at(at, &large[..100]).at(at + 100, &large[100..]).ack(at + len);
            continue;
        }
        // Out of order, the content before its head; and the end of it once more.
        feed.at(at + 100, &large[100..]).at(at + len - 10, &large[large.len() - 10..]).at(at + 1, &large[1..100]);
        feed.at(at, &large[..1]).ack(at + len);
    }
    assert_eq!((feed.poison(), feed.ends().len()), (None, 100));
    assert!(feed.stream.memory() < one, "{} {one}", feed.stream.memory());
}

#[test]
fn content_that_was_not_copied_may_come_in_any_order() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    let start = head.len() as u64;
    let pieces = [(50, 60), (60, 70), (40, 50), (30, 75), (90, 100), (31, 32), (0, 30), (80, 92), (75, 80)];
    // Also before the head itself.
    for first in 0..pieces.len() {
        let mut feed = Feed::new();
        for (n, (from, to)) in pieces.into_iter().enumerate() {
            if n == first {
                feed.at(0, head);
            }
            assert!(feed.ends().is_empty());
            let payload_len = to - from;
            feed.segment(Segment { seq: seq(start + u64::from(from)), payload_len, ..Segment::default() });
        }
        assert_eq!((feed.poison(), feed.ends()), (None, vec![(0, start + 100, 100)]), "{first}");
        feed.ack(start + 100).close(None);
        assert_eq!(feed.poison(), None, "{first}");
    }
    // What was copied behind the payload of a segment is none of it.
    let mut feed = Feed::of(head);
    feed.segment(Segment { seq: seq(start), payload_len: 100, skipped: 90, bytes: &[b'x'; 99], ..Segment::default() });
    assert_eq!((feed.poison(), feed.stream.followed()), (None, start + 100));
}

#[test]
fn doubts_are_kept_until_they_are_acknowledged_and_within_the_window() {
    let len = GET.len() as u64;
    let evil = [&b"GET /b"[..], &GET[6..]].concat();
    let mut feed = Feed::of(GET);
    feed.doubt(len, &evil).ack(len).at(len, GET);
    assert_eq!(feed.poison(), Some((len + 5, Conflict::OverlapDiffers.into())));
    // Beyond it nothing is part of the stream.
    let mut feed = Feed::of(GET);
    let idle = feed.stream.memory();
    feed.doubt(len + (1 << 30) + 1, GET);
    assert_eq!(feed.stream.memory(), idle);
    feed.doubt(len + (1 << 30), GET);
    assert!(feed.stream.memory() > idle);
    let urgent = Segment { seq: seq(len), payload_len: 1, bytes: b"x", urg: true, ..Segment::default() };
    feed.stream.doubt(urgent, &mut feed.events);
    assert_eq!(feed.poison(), Some((len, Malformed::Urgent.into())));
}

#[test]
fn what_is_held_out_of_order_is_bounded() {
    let settings = Settings { max_out_of_order: 4096, ..Settings::default() };
    for (step, size) in [(2u64, 1usize), (1000, 999)] {
        let mut feed = Feed::with(&settings);
        let mut n = 0;
        while feed.poison().is_none() {
            feed.at(1 + n * step, &b"x".repeat(size));
            assert!(feed.stream.memory() < 4096 + 1500);
            n += 1;
            assert!(n < 100);
        }
        assert_eq!(feed.poison(), Some((0, Bound::OutOfOrder.into())));
    }
    let mut shed = Feed::of(&GET[..9]);
    shed.stream.shed(&mut shed.events);
    assert_eq!(shed.stream.poisoned().map(Poison::reason), Some(Reason::Bound));
}

#[test]
fn an_idle_stream_is_small() {
    let feed = Feed::of(GET);
    assert!(feed.stream.memory() < 400);
}
