//! An independent implementation of HTTP/2 talks to itself; what its octets say must be what it was asked to send, however
//! they are cut up, repeated, shuffled and left out.

mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use talk::{Ask, Ending, Talk, asks, talk};
use waypoint_verify::wire::{Body, Event, RequestStream, ResponseEvent, ResponseStream, Segment, Settings, Which};

const ISN: u32 = u32::MAX - 700;

fn request_stream() -> RequestStream {
    RequestStream::new(ISN, &Arc::new(Settings::default()))
}

fn seq(offset: usize) -> u32 {
    ISN.wrapping_add(1).wrapping_add(u32::try_from(offset).unwrap())
}

fn segment(octets: &[u8], from: usize, to: usize) -> Segment<'_> {
    Segment {
        seq: seq(from),
        payload_len: u32::try_from(to - from).unwrap(),
        bytes: &octets[from..to],
        ..Segment::default()
    }
}

fn in_order(octets: &[u8]) -> Vec<Event> {
    let mut out = Vec::new();
    request_stream().segment(segment(octets, 0, octets.len()), 1, &mut out);
    without_order(out)
}

/// What must not depend on how the octets came: everything but the order numbers of records.
fn without_order(mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        if let Event::Head { started_at, complete_at, .. } = event {
            (*started_at, *complete_at) = (0, 0);
        }
    }
    events
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Heads by stream, each in short, and what is known of their ends.
fn check_against(asks: &[Ask], events: &[Event]) {
    let mut heads = BTreeMap::new();
    let mut ends = BTreeMap::new();
    let mut resets = BTreeSet::new();
    for event in events {
        match event {
            Event::Head { stream, head, body, .. } => {
                let fields: Vec<_> = head.fields().map(|(name, value)| (text(name), text(value))).collect();
                let line = (text(head.method()), text(head.target()), text(head.authority().unwrap_or_default()));
                assert!(heads.insert(*stream, (line, fields, *body)).is_none());
            }
            Event::End { stream, body_len, .. } => assert!(ends.insert(*stream, *body_len).is_none()),
            Event::Reset { stream, .. } => assert!(resets.insert(*stream)),
            Event::Poisoned { .. } => panic!("{event:?}"),
        }
    }
    assert_eq!(heads.len(), asks.len());
    for (stream, ask) in (1..).step_by(2).zip(asks) {
        let (line, mut fields, body) = heads.remove(&stream).unwrap();
        assert_eq!(line, (ask.method.clone(), ask.path.clone(), "a.example:80".to_owned()));
        let mut sent = ask.fields.clone();
        if let Some(length) = ask.declared() {
            sent.push(("content-length".to_owned(), length.to_string()));
        }
        // The other side keeps its fields by name.
        fields.sort();
        sent.sort();
        assert_eq!(fields, sent);
        let expected = match (ask.declared(), ask.content.is_empty(), ask.ending) {
            (Some(length), ..) => Body::Length(length),
            (None, true, Ending::Data) => Body::Length(0),
            _ => Body::Stream,
        };
        assert_eq!(body, expected);
        let length: usize = ask.content.iter().map(Vec::len).sum();
        assert_eq!(resets.contains(&stream), ask.ending == Ending::Reset);
        match ask.ending {
            Ending::Reset => assert_eq!(ends.get(&stream), None),
            Ending::Data | Ending::Trailers => assert_eq!(ends.get(&stream), Some(&(length as u64))),
        }
    }
}

/// A few conversations for the properties that are about octets only.
static TALKS: LazyLock<Vec<Talk>> = LazyLock::new(|| {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..12).map(|_| talk(&asks().new_tree(&mut runner).unwrap().current())).collect()
});

fn some_talk() -> impl Strategy<Value = &'static Talk> {
    any::<Index>().prop_map(|index| index.get(&TALKS))
}

/// Cuts of `0..len` that cover it, and extra ones anywhere, shuffled.
fn cuts(len: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let range = move |(a, b): (usize, usize)| (a.min(b), a.max(b) + 1);
    (vec(0..len, 0..40), vec((0..len, 0..len), 0..12)).prop_flat_map(move |(mut at, extra)| {
        at.extend([0, len]);
        at.sort_unstable();
        at.dedup();
        let mut all: Vec<_> = at.windows(2).map(|w| (w[0], w[1])).collect();
        all.extend(extra.into_iter().map(range));
        Just(all).prop_shuffle()
    })
}

fn talk_and_cuts() -> impl Strategy<Value = (&'static Talk, Vec<(usize, usize)>)> {
    some_talk().prop_flat_map(|talk| (Just(talk), cuts(talk.to_server.len())))
}

/// Where the server ends streams, by a walk over whole frames.
fn ends_of(octets: &[u8]) -> Vec<(u32, usize)> {
    let (mut at, mut ends) = (0, Vec::new());
    while let Some([a, b, c, kind, flags, stream @ ..]) = octets[at..].first_chunk::<9>() {
        at += 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let stream = u32::from_be_bytes(*stream);
        // This server sends no CONTINUATION.
        assert!(*kind != 9 && (*kind != 1 || flags & 4 != 0));
        if *kind == 3 || *kind < 2 && flags & 1 != 0 {
            ends.push((stream, at));
        }
    }
    assert_eq!(at, octets.len());
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_was_asked_is_what_is_read(asks in asks()) {
        let talk = talk(&asks);
        let events = in_order(&talk.to_server);
        check_against(&asks, &events);
        let mut single = request_stream();
        let mut out = Vec::new();
        for n in 0..talk.to_server.len() {
            single.segment(segment(&talk.to_server, n, n + 1), n as u64 + 1, &mut out);
        }
        prop_assert_eq!(without_order(out), events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_order_of_segments_gives_the_same_events((talk, cuts) in talk_and_cuts()) {
        let octets = &talk.to_server;
        let mut stream = request_stream();
        let mut out = Vec::new();
        for (at, (from, to)) in (1..).zip(cuts) {
            stream.segment(segment(octets, from, to), at, &mut out);
            stream.ack(seq(usize::try_from(stream.followed()).unwrap()), at, &mut out);
        }
        stream.close(Some(octets.len() as u64), 9999, &mut out);
        prop_assert_eq!(stream.followed(), octets.len() as u64);
        prop_assert_eq!(without_order(out), in_order(octets));
    }

    #[test]
    fn what_is_granted_need_not_be_seen(
        talk in some_talk(),
        steps in vec((1..3000usize, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let octets = &talk.to_server;
        let mut stream = request_stream();
        let (mut out, mut from, mut until) = (Vec::new(), 0, 0usize);
        for (at, (size, lost, acknowledged)) in (1..).zip(steps.into_iter().cycle()) {
            let to = octets.len().min(from + size);
            let skipped = until.clamp(from, to) - from;
            if !(lost && to <= until) {
                let (skipped, bytes) = (u32::try_from(skipped).unwrap(), &octets[from + skipped..to]);
                stream.segment(Segment { skipped, bytes, ..segment(octets, from, to) }, at, &mut out);
            }
            if acknowledged {
                stream.ack(seq(to), at, &mut out);
            }
            if let Some(grant) = stream.grant() {
                until = until.max(grant.wrapping_sub(seq(0)) as usize);
                prop_assert!(until <= octets.len());
            }
            from = to;
            if from == octets.len() {
                break;
            }
        }
        stream.close(Some(octets.len() as u64), 9999, &mut out);
        prop_assert_eq!(without_order(out), in_order(octets));
    }

    #[test]
    fn a_mutation_changes_nothing_before_it(
        talk in some_talk(),
        at in any::<Index>(),
        with in any::<u8>(),
        how in 0..3u8,
    ) {
        let mut octets = talk.to_server.clone();
        let at = at.index(octets.len());
        match how {
            0 => octets[at] = with,
            1 => octets.insert(at, with),
            _ => drop(octets.remove(at)),
        }
        let before = |events: Vec<Event>| -> Vec<Event> {
            let at = at as u64;
            events.into_iter().filter(|event| match event {
                Event::Head { offset, head_len, .. } => offset + u64::from(*head_len) <= at,
                Event::End { end, .. } | Event::Reset { end, .. } => *end <= at,
                Event::Poisoned { .. } => false,
            }).collect()
        };
        let events = in_order(&octets);
        let poisoned = events.iter().filter(|event| matches!(event, Event::Poisoned { .. })).count();
        prop_assert!(poisoned <= 1);
        for event in &events {
            if let Event::Poisoned { offset, .. } = event {
                let told = |event: &Event| matches!(event, Event::End { end, .. } if end > offset);
                prop_assert!(!events.iter().any(told), "{:?}", events);
            }
        }
        prop_assert_eq!(before(events), before(in_order(&talk.to_server)));
    }

    #[test]
    fn a_response_ends_with_its_last_octet(
        talk in some_talk(),
        packets in vec((1..2000usize, 0..600usize, any::<bool>(), any::<bool>()), 1..40),
        all in any::<bool>(),
    ) {
        let octets = &talk.to_client;
        let ends = ends_of(octets);
        let mut stream = ResponseStream::new(ISN, &Arc::new(Settings::default()));
        let (mut out, mut written) = (Vec::new(), 0usize);
        for (at, (size, copied, again, lost)) in (1..).zip(packets.into_iter().cycle()) {
            let from = if again { written - size.min(written) / 2 } else { written };
            let to = octets.len().min(from + size.max(written - from + 1));
            let copied = if all { to - from } else { copied.min(to - from) };
            if all || !lost {
                let bytes = &octets[from..from + copied];
                stream.segment(Segment { bytes, ..segment(octets, from, to) }, at, &mut out);
            }
            written = to;
            for event in &out {
                let ResponseEvent::Ended { which: Which::Stream(id), .. } = event else { continue };
                prop_assert!(ends.iter().any(|(stream, end)| stream == id && *end <= written), "{:?} {:?}", event, ends);
            }
            if written == octets.len() {
                break;
            }
        }
        if all {
            let told: Vec<_> = out.iter().map(|event| match event {
                ResponseEvent::Ended { which: Which::Stream(id), .. } => *id,
                _ => 0,
            }).collect();
            prop_assert_eq!(told, ends.iter().map(|(stream, _)| *stream).collect::<Vec<_>>());
        }
    }
}
