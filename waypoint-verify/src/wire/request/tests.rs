//! TCP: order, overlap, skips, acknowledgements, ends.

use std::sync::Arc;

use crate::wire::fixture::{Feed, GET, ISN, seq};
use crate::wire::{Conflict, Gap, Malformed, Poison, RequestStream, Segment, Settings};

mod bounds;
mod fin;

const LEN: u64 = GET.len() as u64;

#[test]
fn segments_in_any_order_give_the_messages_of_the_stream() {
    let two = [GET, GET].concat();
    let mut feed = Feed::new();
    feed.at(40, &two[40..]).at(3, &two[3..30]).at(20, &two[20..45]).at(0, &two[..5]);
    assert_eq!(feed.ends(), [(0, LEN, 0), (LEN, 2 * LEN, 0)]);
    assert_eq!(feed.poison(), None);
    assert_eq!(feed.stream.followed(), 2 * LEN);
}

#[test]
fn retransmissions_and_keep_alive_probes_change_nothing() {
    let mut feed = Feed::of(GET);
    feed.at(0, GET).at(5, &GET[5..]).at(LEN - 1, b"\n").ack(LEN).at(LEN - 1, b"?").at(LEN, GET);
    feed.segment(Segment { seq: ISN, payload_len: 1, bytes: b"?", ..Segment::default() });
    assert_eq!(feed.ends(), [(0, LEN, 0), (LEN, 2 * LEN, 0)]);
    assert_eq!(feed.poison(), None);
}

/// Whatever order they come in: the receiver has one or the other.
#[test]
fn octets_that_may_have_been_taken_dispute_others_in_their_place() {
    let evil = [&b"GET /b"[..], &GET[6..]].concat();
    let poison = |play: &dyn Fn(&mut Feed) -> &mut Feed| play(&mut Feed::new()).poison().map(|(_, reason)| reason);
    let conflict = Some(Conflict::OverlapDiffers.into());
    assert_eq!(poison(&|feed| feed.doubt(0, &evil).at(0, GET)), conflict);
    assert_eq!(poison(&|feed| feed.at(0, GET).doubt(0, &evil)), conflict);
    // Ahead of a hole, so that nothing of it is expected next.
    assert_eq!(poison(&|feed| feed.doubt(1, &evil[1..]).at(1, &GET[1..]).at(0, b"G")), conflict);
    assert_eq!(poison(&|feed| feed.at(1, &GET[1..]).doubt(1, &evil[1..]).at(0, b"G")), conflict);
    assert_eq!(poison(&|feed| feed.at(0, GET).ack(LEN).doubt(0, &evil).at(LEN, GET)), None);
    assert_eq!(poison(&|feed| feed.doubt(0, GET).at(0, GET).doubt(0, GET).ack(LEN).at(LEN, &evil)), None);
    assert_eq!(poison(&|feed| feed.doubt(0, &evil).ack(LEN)), Some(Gap::AckBeyondFollowed.into()));
    // Not all of it was copied.
    let mut feed = Feed::new();
    feed.stream.doubt(Segment { seq: seq(0), payload_len: 9, bytes: GET, ..Segment::default() }, &mut feed.events);
    assert_eq!(feed.poison(), None);
    feed.stream.doubt(Segment { seq: seq(0), payload_len: 99, bytes: GET, ..Segment::default() }, &mut feed.events);
    assert_eq!(feed.poison().map(|(_, reason)| reason), conflict);
}

#[test]
fn what_lies_before_the_stream_or_beyond_any_window_is_no_part_of_it() {
    let mut feed = Feed::new();
    let before = [b"??", GET].concat();
    feed.segment(Segment {
        seq: seq(0).wrapping_sub(2),
        payload_len: u32::try_from(before.len()).unwrap(),
        bytes: &before,
        ..Segment::default()
    });
    assert_eq!(feed.ends(), [(0, LEN, 0)]);
    let idle = feed.stream.memory();
    feed.at(LEN + (1 << 30) + 1, GET);
    assert_eq!(feed.stream.memory(), idle);
    feed.at(LEN + (1 << 30), b"x");
    assert!(feed.stream.memory() > idle, "the last octet of the largest window is held");
}

#[test]
fn octets_that_differ_at_one_place_poison_what_they_belong_to() {
    let other = b"GET /b HTTP/1.1\r\nHost: b\r\n\r\n";
    // A whole head that came again.
    let mut feed = Feed::of(&[GET, GET].concat());
    feed.at(LEN, other);
    assert_eq!(feed.poison(), Some((LEN + 5, Conflict::OverlapDiffers.into())));
    // Also when what came before it was acknowledged.
    let mut feed = Feed::of(&[GET, GET].concat());
    feed.ack(LEN).at(LEN, other);
    assert_eq!(feed.poison(), Some((LEN + 5, Conflict::OverlapDiffers.into())));
    // Part of a head that is not complete.
    let mut feed = Feed::of(&GET[..20]);
    feed.at(5, &other[5..10]);
    assert_eq!(feed.poison(), Some((5, Conflict::OverlapDiffers.into())));
    // Octets held out of order.
    let mut feed = Feed::new();
    feed.at(4, &GET[4..]).at(0, other);
    assert_eq!(feed.poison(), Some((0, Conflict::OverlapDiffers.into())));
    // After its acknowledgement TCP throws it away.
    let mut feed = Feed::of(GET);
    feed.ack(LEN).at(0, other);
    assert_eq!(feed.poison(), None);
    // The place of a chunk, but not its data.
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let size = chunked.len() as u64 - 15;
    for (at, octets, poison) in [
        (size, &b"3\r\nhel\r\n0\r\n\r\n"[..], Some(size)),
        (size + 3, b"HELLO", None),
        (size + 8, b"\r\n1", Some(size + 10)),
    ] {
        let mut feed = Feed::of(chunked);
        feed.at(at, octets);
        assert_eq!(feed.poison(), poison.map(|at| (at, Conflict::OverlapDiffers.into())));
    }
    // So is the octet that a keep-alive probe may carry in the middle of a head.
    let mut feed = Feed::of(&GET[..9]);
    feed.ack(9).at(8, b"?").at(9, &GET[9..]);
    assert_eq!((feed.poison(), feed.ends().len()), (None, 1));
}

#[test]
fn an_ack_beyond_what_was_followed_is_a_gap() {
    let mut feed = Feed::of(GET);
    feed.ack(LEN);
    assert_eq!((feed.poison(), feed.stream.acked()), (None, LEN));
    feed.ack(LEN + 1);
    assert_eq!(feed.poison(), Some((LEN, Gap::AckBeyondFollowed.into())));
    assert_eq!(feed.stream.acked(), LEN);
    feed.at(LEN + 1, GET).at(LEN, GET);
    assert_eq!(feed.ends().len(), 1, "nothing is read after poison");

    let mut hole = Feed::new();
    hole.at(10, &GET[10..]).ack(0);
    assert_eq!(hole.poison(), None, "a hole is pending until an ACK passes it");
    hole.ack(LEN);
    assert_eq!(hole.poison(), Some((0, Gap::AckBeyondFollowed.into())));
}

#[test]
fn the_kernels_count_at_close_is_the_second_net() {
    // (FIN seen, ACK before, kernel's count, poison)
    type Row = (bool, u64, Option<u64>, Option<(u64, Poison)>);
    let rows: &[Row] = &[
        (true, 0, Some(LEN + 1), None),
        (true, 0, Some(LEN), None),
        (false, 0, Some(LEN), None),
        (false, 0, None, None),
        (false, 0, Some(LEN + 1), Some((LEN, Gap::CloseMismatch.into()))),
        (true, 0, Some(LEN + 2), Some((LEN, Gap::CloseMismatch.into()))),
        (false, 0, Some(10), Some((10, Poison::Incomplete))),
        (false, 10, Some(10), Some((10, Poison::Incomplete))),
        (false, LEN, Some(0), Some((0, Gap::CloseMismatch.into()))),
    ];
    for (fin, ack, received, poison) in rows {
        let mut feed = Feed::of(GET);
        feed.ack(*ack);
        if *fin {
            feed.fin(LEN);
        }
        feed.close(*received);
        assert_eq!(feed.poison(), *poison, "{fin} {ack} {received:?}");
    }
    // It may cover what was granted and not seen; what lies behind that is read, and is refused once.
    let head = b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 20000\r\n\r\n";
    let end = head.len() as u64 + 20_000;
    let mut granted = Feed::of(head);
    assert!(granted.stream.grant().is_some());
    granted.close(Some(end));
    assert_eq!((granted.poison(), granted.ends()), (None, vec![(0, end, 20_000)]));
    let mut behind = Feed::of(head);
    behind.at(end, b"\n");
    assert!(behind.stream.grant().is_some() && behind.ends().is_empty());
    behind.close(Some(end + 1));
    assert_eq!((behind.poison(), behind.events.len()), (Some((end, Malformed::BareLf.into())), 3));
    let mut hole = Feed::new();
    hole.at(1, b"x").close(None);
    assert_eq!(hole.poison(), Some((0, Gap::HoleAtClose.into())));
    let mut torn = Feed::of(&GET[..5]);
    torn.close(Some(5));
    assert_eq!(torn.poison(), Some((0, Poison::Incomplete)));
}

#[test]
fn a_body_of_known_length_is_skipped_by_grant_and_never_held() {
    let head = b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 1000000\r\n\r\n";
    let (start, end) = (head.len() as u64, head.len() as u64 + 1_000_000);
    let mut feed = Feed::new();
    assert_eq!(feed.stream.grant(), None);
    feed.segment(Segment { seq: seq(0), payload_len: 60_000, bytes: head, ..Segment::default() });
    assert_eq!(feed.stream.followed(), 60_000, "octets of a known body may be left uncopied");
    assert_eq!(feed.stream.grant(), Some(seq(end)));
    assert_eq!(feed.stream.grant(), None);
    // One part skipped, one unseen but acknowledged, the last one together with the next request, out of order.
    feed.segment(Segment { seq: seq(60_000), payload_len: 100_000, skipped: 100_000, ..Segment::default() });
    feed.ack(400_000);
    assert_eq!((feed.poison(), feed.stream.followed()), (None, 400_000));
    let payload_len = u32::try_from(end - 900_000 + LEN).unwrap();
    let skipped = u32::try_from(end - 900_000).unwrap();
    feed.segment(Segment { seq: seq(900_000), payload_len, skipped, bytes: GET, ..Segment::default() });
    assert_eq!(feed.ends(), [(0, end, 1_000_000), (end, end + LEN, 0)]);
    assert!(feed.stream.memory() < 600);
    assert!(start < 100);
}

#[test]
fn octets_that_were_not_copied_and_matter_are_a_hole() {
    let mut feed = Feed::new();
    feed.segment(Segment { seq: seq(0), payload_len: 100, bytes: &GET[..20], ..Segment::default() });
    assert_eq!((feed.poison(), feed.stream.followed()), (None, 20));
    feed.ack(100);
    assert_eq!(feed.poison(), Some((0, Gap::AckBeyondFollowed.into())));

    let mut skipped = Feed::new();
    skipped.segment(Segment { seq: seq(0), payload_len: 50, skipped: 22, bytes: GET, ..Segment::default() }).ack(50);
    assert_eq!(skipped.poison(), Some((0, Gap::AckBeyondFollowed.into())));
}

#[test]
fn a_body_that_is_not_granted_is_a_gap_where_it_was_not_seen() {
    let mut feed = Feed::of(b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 1000000\r\n\r\n");
    feed.ack(5000);
    assert_eq!(feed.poison(), Some((0, Gap::AckBeyondFollowed.into())));
}

#[test]
fn a_grant_goes_at_most_a_gibibyte_ahead_and_is_renewed() {
    let mut feed = Feed::of(b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4000000000\r\n\r\n");
    let first = feed.stream.followed();
    assert_eq!(feed.stream.grant(), Some(seq(first + (1 << 30))));
    let mut grants = 0;
    while feed.ends().is_empty() {
        let offset = feed.stream.followed();
        let n = u32::try_from((first + 4_000_000_000 - offset).min(50_000_000)).unwrap();
        feed.segment(Segment { seq: seq(offset), payload_len: n, skipped: n, ..Segment::default() });
        grants += u64::from(feed.stream.grant().is_some());
    }
    assert_eq!(feed.poison(), None);
    assert!((5..=8).contains(&grants), "{grants}");
    assert_eq!(feed.ends()[0].2, 4_000_000_000);
}

#[test]
fn without_bodies_a_grant_follows_what_was_parsed() {
    let mut feed = Feed::new();
    let mut granted = 0;
    for n in 0..2000 {
        feed.at(n * LEN, GET);
        granted += u32::from(feed.stream.grant().is_some());
    }
    assert_eq!(u64::from(granted), 2000 * LEN / (16 * 1024));
}

#[test]
fn urgent_data_poison_and_a_foreign_syn_is_ignored() {
    let mut feed = Feed::new();
    feed.segment(Segment { seq: 77, syn: true, payload_len: 3, bytes: b"abc", ..Segment::default() });
    assert_eq!(feed.stream.followed(), 0);
    // Data on the SYN (TCP Fast Open).
    let payload_len = u32::try_from(GET.len()).unwrap();
    feed.segment(Segment { seq: ISN, syn: true, payload_len, bytes: GET, ..Segment::default() });
    assert_eq!(feed.ends(), [(0, LEN, 0)]);
    feed.segment(Segment { seq: seq(LEN), payload_len: 1, bytes: b"x", urg: true, ..Segment::default() });
    assert_eq!(feed.poison(), Some((LEN, Malformed::Urgent.into())));
}

#[test]
fn sequence_numbers_wrap_anywhere() {
    let two = [GET, GET].concat();
    for before in 0..=two.len() as u32 + 2 {
        let isn = u32::MAX - before;
        for cut in [1, 7, two.len()] {
            let mut stream = RequestStream::new(isn, &Arc::new(Settings::default()));
            let mut out = Vec::new();
            for (n, bytes) in two.chunks(cut).enumerate().collect::<Vec<_>>().into_iter().rev() {
                let seq = isn.wrapping_add(1 + u32::try_from(n * cut).unwrap());
                let payload_len = u32::try_from(bytes.len()).unwrap();
                stream.segment(Segment { seq, payload_len, bytes, ..Segment::default() }, 1, &mut out);
            }
            stream.ack(isn.wrapping_add(1 + two.len() as u32), 2, &mut out);
            assert_eq!(
                (stream.followed(), stream.acked(), stream.poisoned()),
                (2 * LEN, 2 * LEN, None),
                "{before} {cut}"
            );
            assert_eq!(out.len(), 4);
        }
    }
}
