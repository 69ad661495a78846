//! The FIN: one octet of sequence space, and nothing behind it.

use super::*;

/// Found by fuzzing: octets that only a grant covers were followed past the FIN.
#[test]
fn a_granted_skip_is_not_followed_beyond_the_fin() {
    let head = b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 100000\r\n\r\n";
    let len = head.len() as u64;
    let mut feed = Feed::of(head);
    assert!(feed.stream.grant().is_some());
    feed.fin(len + 10).ack(len + 2000);
    assert_eq!(feed.poison(), Some((0, Gap::AckBeyondFollowed.into())));
    assert_eq!(feed.stream.followed(), len + 10);
}

/// Found by fuzzing: octets that came before it were followed past the FIN, over what a grant covers.
#[test]
fn what_is_held_beyond_the_fin_contradicts_it() {
    let head = b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 100000\r\n\r\n";
    let len = head.len() as u64;
    for (held, conflicts) in [(len + 5, false), (len + 6, true), (len + 500, true)] {
        let mut feed = Feed::of(head);
        assert!(feed.stream.grant().is_some());
        feed.at(held, b"later").fin(len + 10);
        let expected = if conflicts { Conflict::AfterFin.into() } else { Poison::Incomplete };
        assert_eq!(feed.poison(), Some((0, expected)), "held at {held}");
    }
}

#[test]
fn a_fin_counts_one_and_ends_the_stream() {
    let mut feed = Feed::of(GET);
    feed.fin(LEN).ack(LEN + 1).close(Some(LEN + 1));
    assert_eq!((feed.poison(), feed.stream.finished(), feed.stream.acked()), (None, true, LEN));
    // A pure ACK behind the FIN, and the FIN again.
    feed.segment(Segment { seq: seq(LEN + 1), ..Segment::default() }).fin(LEN);
    assert_eq!(feed.poison(), None);
    for late in [LEN, LEN - 1] {
        let mut feed = Feed::of(GET);
        feed.fin(late).at(LEN, GET);
        assert_eq!(feed.poison().map(|(_, poison)| poison), Some(Conflict::AfterFin.into()));
    }
    let mut early = Feed::new();
    early.fin(LEN).at(0, &[GET, GET].concat());
    assert_eq!(early.poison(), Some((0, Conflict::AfterFin.into())));
    let mut torn = Feed::of(&GET[..9]);
    torn.fin(9);
    assert_eq!(torn.poison(), Some((0, Poison::Incomplete)));
}

#[test]
fn a_fin_comes_with_octets_or_late_or_twice() {
    let last = |from: u64| Segment {
        seq: seq(from),
        payload_len: u32::try_from(LEN - from).unwrap(),
        bytes: &GET[usize::try_from(from).unwrap()..],
        fin: true,
        ..Segment::default()
    };
    let mut with = Feed::of(&GET[..9]);
    with.segment(last(9)).segment(last(9)).segment(last(0)).at(0, GET).ack(LEN + 1);
    let mut late = Feed::of(GET);
    late.ack(LEN).fin(LEN).ack(LEN + 1);
    let mut before = Feed::new();
    before.segment(last(9)).ack(0).at(0, &GET[..9]).ack(LEN + 1);
    for mut feed in [with, late, before] {
        assert_eq!((feed.poison(), feed.stream.finished(), feed.ends().len()), (None, true, 1));
        feed.close(Some(LEN + 1));
        assert_eq!(feed.poison(), None);
    }
}

/// A request that the receiver's kernel never gives to anyone is none.
#[test]
fn what_was_held_behind_a_fin_is_no_message() {
    let mut feed = Feed::new();
    feed.at(LEN, GET).fin(LEN).at(0, GET);
    assert_eq!((feed.poison(), feed.ends().len()), (Some((0, Conflict::AfterFin.into())), 0));
}
