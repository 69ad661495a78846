//! Which stream may be used when (RFC 9113 section 5.1), and what need not be seen.

use super::*;
use crate::wire::Segment;
use crate::wire::fixture::seq;

#[test]
fn streams_are_odd_grow_and_are_not_used_after_their_end() {
    use Malformed as M;
    let data = |stream: u32| frame(DATA, 0, stream, b"x");
    let reset = |stream: u32| frame(RST_STREAM, 0, stream, &[0; 4]);
    let rows: &[(Vec<Vec<u8>>, Poison)] = &[
        (vec![get(2, "/")], M::StreamId.into()),
        (vec![get(1, "/")], M::StreamClosed.into()),
        (vec![get(7, "/"), get(5, "/")], M::StreamClosed.into()),
        (vec![data(3)], M::StreamIdle.into()),
        (vec![data(1)], M::StreamClosed.into()),
        (vec![post(3, "/", &[]), frame(DATA, END_STREAM, 3, b""), data(3)], M::StreamClosed.into()),
        (vec![post(3, "/", &[]), frame(DATA, END_STREAM, 3, b""), get(3, "/")], M::StreamClosed.into()),
        (vec![post(3, "/", &[]), reset(3), data(3)], M::StreamClosed.into()),
        (vec![post(3, "/", &[]), reset(3), get(3, "/")], M::StreamClosed.into()),
        (vec![reset(3)], M::StreamIdle.into()),
        (vec![frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1])], M::StreamIdle.into()),
        // The server's, which nobody pushed.
        (vec![get(7, "/"), reset(2)], M::StreamIdle.into()),
        (vec![get(7, "/"), frame(WINDOW_UPDATE, 0, 6, &[0, 0, 0, 1])], M::StreamIdle.into()),
    ];
    refused(rows, &Settings::default());
}

#[test]
fn concurrent_streams_end_each_by_itself() {
    let frames = [
        post(3, "/3", &[]),
        post(5, "/5", &[]),
        frame(DATA, 0, 3, b"abc"),
        frame(DATA, END_STREAM, 5, b"de"),
        get(9, "/9"),
        frame(DATA, PADDED | END_STREAM, 3, b"\x02fXX"),
    ];
    let at = |n: usize| start() + frames[..n].concat().len() as u64;
    for feed in feeds(&frames, &Settings::default()) {
        assert_eq!(feed.poison(), None);
        assert_eq!(feed.heads()[1..], ["POST /3 a", "POST /5 a", "GET /9 a"]);
        assert_eq!(feed.ends()[1..], [(at(1), at(4), 2), (at(4), at(5), 0), (at(0), at(6), 4)]);
    }
}

#[test]
fn a_reset_is_told_once_whether_its_message_had_ended_or_not() {
    let reset = |stream: u32| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    let frames = [post(3, "/", &[]), reset(3), get(5, "/"), reset(5), reset(3), reset(5), reset(1)];
    let at = |n: usize| start() + frames[..n].concat().len() as u64;
    for feed in feeds(&frames, &Settings::default()) {
        assert_eq!(feed.poison(), None);
        let resets: Vec<_> = feed.events.iter().filter(|event| matches!(event, Event::Reset { .. })).collect();
        let of = |offset: u64, stream: u32, end: u64| Event::Reset { offset, stream, end };
        let first = opening().len() as u64;
        assert_eq!(resets, [&of(at(0), 3, at(2)), &of(at(2), 5, at(4)), &of(first, 1, at(7))]);
        assert_eq!(feed.ends().len(), 2, "a reset is no end");
    }
    let frames = [post(3, "/", &[]), frame(DATA, END_STREAM, 3, b"x"), reset(3)];
    for feed in feeds(&frames, &Settings::default()) {
        let told = feed.events.last();
        assert!(matches!(told, Some(Event::Reset { stream: 3, .. })), "after its content: {told:?}");
    }
    // The header table goes on over it.
    let indexed = [&[0x40, 1, b'x', 1, b'y'][..]].concat();
    let frames = [
        frame(HEADERS, END_HEADERS, 3, &[request("POST", "/", &[]), indexed].concat()),
        reset(3),
        frame(HEADERS, WHOLE, 5, &[request("GET", "/", &[]), vec![0x80 | 62]].concat()),
    ];
    let [feed, _] = feeds(&frames, &Settings::default());
    let Some(Event::Head { head, .. }) = feed.events.iter().rev().find(|event| matches!(event, Event::Head { .. }))
    else {
        panic!()
    };
    assert_eq!(head.values("x").collect::<Vec<_>>(), [b"y"]);
}

/// Rule 5 asks whether an entry began before its departure.
#[test]
fn a_head_says_in_which_records_it_began_and_was_complete() {
    let before = [opening(), get(1, "/1")].concat();
    let head = [frame(HEADERS, 0, 3, &request("GET", "/2", &[])), frame(CONTINUATION, END_HEADERS, 3, b"")].concat();
    let mut feed = Feed::of(&before);
    let at = before.len() as u64;
    let mut from = 0;
    for to in [3, 20, head.len() - 2, head.len()] {
        feed.at(at + from as u64, &head[from..to]);
        from = to;
    }
    feed.at(at + from as u64, &get(5, "/3"));
    let records: Vec<_> = feed
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Head { started_at, complete_at, .. } => Some((*started_at, *complete_at)),
            _ => None,
        })
        .collect();
    assert_eq!(records, [(1, 1), (2, 5), (6, 6)]);
}

#[test]
fn content_need_not_be_seen() {
    let size = 1 << 20;
    let octets = [opening(), post(1, "/", &[])].concat();
    let from = octets.len() as u64;
    let header = &frame(DATA, END_STREAM | PADDED, 1, &vec![0; size])[..10];
    let mut feed = Feed::of(&[&octets[..], &header[..9], &[9]].concat());
    assert_eq!(feed.stream.grant(), Some(seq(from + 9 + size as u64)));
    feed.ack(from + 500_000);
    assert_eq!((feed.poison(), feed.stream.followed()), (None, from + 500_000));
    let skipped = u32::try_from(from + 9 + size as u64 - 600_000).unwrap();
    let next = get(3, "/2");
    feed.segment(Segment {
        seq: seq(600_000),
        payload_len: skipped + u32::try_from(next.len()).unwrap(),
        skipped,
        bytes: &next,
        ..Segment::default()
    });
    assert_eq!(feed.ends()[0], (opening().len() as u64, from + 9 + size as u64, size as u64 - 10));
    assert_eq!(feed.heads(), ["POST / a", "GET /2 a"]);
    // A header block matters, and the length of padding.
    let mut hole = Feed::of(&[&octets[..], &header[..9]].concat());
    hole.ack(from + 10);
    assert!(matches!(hole.poison(), Some((at, Poison::Gap(_))) if at == from));
}

#[test]
fn an_unfinished_stream_is_an_incomplete_message() {
    let octets = [opening(), get(1, "/1"), post(3, "/", &[])].concat();
    let all = octets.len() as u64;
    let mut feed = Feed::of(&octets);
    feed.fin(all);
    assert_eq!(feed.poison(), Some((all, Poison::Incomplete)));
    let mut feed = Feed::of(&octets);
    feed.at(all, &frame(RST_STREAM, 0, 3, &[0; 4])).fin(all + 13).close(Some(all + 14));
    assert_eq!(feed.poison(), None);
    let mut torn = Feed::of(&octets[..start() as usize + 5]);
    torn.close(None);
    assert_eq!(torn.poison(), Some((start(), Poison::Incomplete)));
}

#[test]
fn open_streams_are_bounded_and_the_idle_one_is_forgotten() {
    let small = Settings { max_streams: 2, ..Settings::default() };
    let data = |stream: u32| frame(DATA, 0, stream, b"x");
    let forgotten = vec![post(3, "/", &[]), post(5, "/", &[]), data(3), post(7, "/", &[])];
    let mut refused_now = forgotten.clone();
    refused_now.push(data(5));
    refused(&[(refused_now, Malformed::StreamClosed.into())], &small);
    let mut kept = forgotten;
    kept.extend([data(3), data(7), frame(DATA, END_STREAM, 3, b"")]);
    for feed in feeds(&kept, &small) {
        assert_eq!((feed.poison(), feed.ends().len()), (None, 2));
    }
}

#[test]
fn memory_is_that_of_its_bounds() {
    let mut feed = Feed::of(&opening());
    let mut at = opening().len() as u64;
    for n in 0..3000u32 {
        let octets = match n % 2 {
            0 => post(1 + 2 * n, "/", &[("x", &"y".repeat(100))]),
            _ => get(1 + 2 * n, "/"),
        };
        feed.at(at, &octets);
        at += octets.len() as u64;
        feed.ack(at);
        feed.events.clear();
    }
    assert_eq!(feed.poison(), None);
    assert!(feed.stream.memory() < 60_000, "{}", feed.stream.memory());
    let mut idle = Feed::of(&[opening(), get(1, "/")].concat());
    assert!(idle.stream.memory() < 2500, "{}", idle.stream.memory());
    idle.stream.shed(&mut idle.events);
    assert!(idle.stream.memory() < 600);
}
