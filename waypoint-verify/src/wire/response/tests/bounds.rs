//! Bounds, what memory counts, and what need not be seen of a response.

use super::*;
use crate::wire::Event;
use crate::wire::fixture;

#[test]
fn what_is_just_as_large_as_its_bound_is_read_and_one_more_is_not() {
    let response = "HTTP/1.1 200 OK\r\nA:\r\nContent-Length: 0\r\n\r\n";
    let max_head = |octets: usize| Settings { max_head: u32::try_from(octets).unwrap(), ..Settings::default() };
    let max_fields = |max_fields: u16| Settings { max_fields, ..Settings::default() };
    let rows = [(max_head(response.len()), max_head(response.len() - 1)), (max_fields(2), max_fields(1))];
    for (allows, refuses) in rows {
        for (settings, reads) in [(allows, true), (refuses, false)] {
            let mut feed = Feed::with(&[Asked::Other], settings);
            for n in 0..response.len() {
                feed.packet(&response[n..=n], 0);
            }
            assert_eq!((feed.stream.known(), feed.ended().len()), (reads, usize::from(reads)));
        }
    }
    // Requests that wait for their response.
    let max_pipelined = 3;
    for (asked, known) in [(3, true), (4, false)] {
        let feed = Feed::with(&vec![Asked::Other; asked], Settings { max_pipelined, ..Settings::default() });
        assert_eq!(feed.stream.known(), known);
    }
}

#[test]
fn memory_counts_what_a_server_may_make_it_hold() {
    let text = "x".repeat(1000);
    let idle = Feed::asked(&[Asked::Other]).stream.memory();
    let grown = |packets: &[(&str, u32)]| {
        let mut feed = Feed::asked(&[Asked::Other]);
        for (bytes, uncopied) in packets {
            feed.packet(bytes, *uncopied);
        }
        assert!(feed.stream.known());
        feed.stream.memory() - idle
    };
    // A head and a trailer section without end, and what lies behind a hole.
    for held in [
        grown(&[("HTTP/1.1 200 OK\r\nX: ", 0), (&text, 0)]),
        grown(&[(CHUNKED, 0), ("0\r\nX: ", 0), (&text, 0)]),
        grown(&[("HTTP/1.1", 5), (&text, 0)]),
    ] {
        assert!((1000..2200).contains(&held), "{held}");
    }
    assert!(Feed::asked(&[Asked::Other; 1000]).stream.memory() >= idle + 900, "what was asked is remembered");
}

#[test]
fn what_is_given_up_is_unknown_once_and_holds_nothing() {
    let mut feed = Feed::asked(&[Asked::Other; 100]);
    feed.packet("HTTP/1.1", 5).packet(&"x".repeat(1000), 0);
    for _ in 0..2 {
        feed.stream.shed(&mut feed.events);
        feed.packet(CHUNKED, 0);
        assert_eq!(feed.events, [Unknown { from: Which::Nth(0) }]);
    }
    assert!(!feed.stream.known() && feed.stream.grant().is_none());
    assert!(feed.stream.memory() <= Feed::asked(&[]).stream.memory());
}

#[test]
fn what_a_socket_wrote_before_an_octet_that_was_seen_has_been_written() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    const NONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    let end = u32::try_from(HEAD.len()).unwrap() + 100_000;
    // The content was not shown at all, or left out in front of its last octet, which came with the next response.
    let (mut unseen, mut skipped) = (Feed::asked(&[Asked::Other; 2]), Feed::asked(&[Asked::Other; 2]));
    unseen.packet(HEAD, 0).offset = end;
    unseen.packet(NONE, 0);
    skipped.packet(HEAD, 0).offset = end - 50_000;
    skipped.skipped(49_999, &format!("x{NONE}"));
    // The end of the head was not copied, nor what follows it; the head came again.
    let mut again = Feed::asked(&[Asked::Other; 2]);
    again.packet(&HEAD[..20], 50_000).packet("", end - 50_020).packet(NONE, 0);
    assert!(again.ended().is_empty());
    again.offset = 0;
    again.packet(HEAD, 0);
    // So did the content, of which a part had come before.
    let mut part = Feed::asked(&[Asked::Other; 2]);
    part.offset = end - 10;
    part.packet("0123456789", 0).offset = 0;
    part.packet(HEAD, 100_000).packet(NONE, 0);
    // The start of the next head came last.
    let mut torn = Feed::asked(&[Asked::Other; 2]);
    torn.packet(HEAD, 0).offset = end + 5;
    torn.packet(&NONE[5..], 0).offset = end;
    torn.packet(&NONE[..5], 0);
    let idle = Feed::asked(&[Asked::Other; 2]).stream.memory();
    for feed in [unseen, skipped, again, part, torn] {
        assert_eq!((feed.ended(), feed.stream.known()), (vec![0, 1], true), "{:?}", feed.events);
        assert!(feed.stream.memory() <= idle + 8, "nothing is held any more");
    }
}

#[test]
fn what_was_asked_decides_how_an_answer_ends() {
    let rows = [
        ("HEAD / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", Asked::Head),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", Asked::Connect),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: H2C\r\n\r\n", Asked::H2c),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", Asked::Other),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Asked::Other),
    ];
    for (octets, asked) in rows {
        let feed = fixture::Feed::of(octets.as_bytes());
        let Some(Event::Head { head, .. }) = feed.events.first() else { panic!("{octets:?}") };
        assert_eq!(Asked::of(head), asked, "{octets:?}");
    }
}
