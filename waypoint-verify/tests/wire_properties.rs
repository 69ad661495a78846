//! However a stream is cut up, repeated and shuffled, the same messages come out; and nothing else ever does.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use waypoint_verify::wire::{Event, Gap, Poison, RequestStream, Segment, Settings};

/// A valid request, with content of up to some tens of KiB.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let head = ("[A-Z]{1,8}", "/[a-z0-9/?=%]{0,40}", vec(("X-[a-z]{1,10}", "[!-~]{0,30}"), 0..6), 0..3u8);
    (head, body()).prop_map(|((method, target, fields, empty), body)| {
        let mut octets = "\r\n".repeat(usize::from(empty)).into_bytes();
        octets.extend(format!("{method}x {target} HTTP/1.1\r\nhost: a.example:80\r\n").bytes());
        for (name, value) in fields {
            octets.extend(format!("{name}: {value}\r\n").bytes());
        }
        octets.extend(body);
        octets
    })
}

/// The framing field, the empty line, and the content.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let length = vec(any::<u8>(), 0..400).prop_map(|content| {
        let mut octets = format!("Content-Length: {}\r\n\r\n", content.len()).into_bytes();
        octets.extend(content);
        octets
    });
    let large = (16_000..40_000usize).prop_map(|n| {
        let mut octets = format!("Content-Length: {n}\r\n\r\n").into_bytes();
        octets.resize(octets.len() + n, b'\n');
        octets
    });
    let data = prop_oneof![
        5 => vec(any::<u8>(), 1..200),
        1 => (5_000..13_000usize).prop_map(|n| b"\r\n0".repeat(n)),
    ];
    let chunked = (vec((data, any::<bool>()), 0..5), any::<bool>()).prop_map(|(chunks, trailer)| {
        let mut octets = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
        for (data, extended) in chunks {
            octets.extend(format!("{:X}{}\r\n", data.len(), if extended { ";a=\"b\"" } else { "" }).bytes());
            octets.extend(data);
            octets.extend(b"\r\n");
        }
        octets.extend(if trailer { &b"0\r\nX-T: y\r\n\r\n"[..] } else { b"0\r\n\r\n" });
        octets
    });
    prop_oneof![2 => Just(b"\r\n".to_vec()), 3 => length, 1 => large, 3 => chunked]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    vec(request(), 1..6).prop_map(|requests| requests.concat())
}

/// What must not depend on how the octets came: everything but the order numbers of records.
fn messages(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Event::Head { started_at, complete_at, .. } = event {
            (*started_at, *complete_at) = (0, 0);
        }
    }
    events
}

fn new(isn: u32) -> RequestStream {
    RequestStream::new(isn, &Arc::new(Settings::default()))
}

fn cut(isn: u32, octets: &[u8], from: usize, to: usize) -> Segment<'_> {
    Segment {
        seq: isn.wrapping_add(1).wrapping_add(u32::try_from(from).unwrap()),
        payload_len: u32::try_from(to - from).unwrap(),
        bytes: &octets[from..to],
        ..Segment::default()
    }
}

fn in_order(octets: &[u8]) -> Vec<Event> {
    let mut out = Vec::new();
    new(0).segment(cut(0, octets, 0, octets.len()), 1, &mut out);
    out
}

/// Cuts of `0..len` that cover it, and extra ones anywhere, shuffled.
fn cuts(len: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let range = move |(a, b): (usize, usize)| (a.min(b) % len, a.max(b) % len + 1);
    (vec(0..len, 0..24), vec((0..len, 0..len), 0..12)).prop_flat_map(move |(mut at, extra)| {
        at.extend([0, len]);
        at.sort_unstable();
        at.dedup();
        let mut all: Vec<_> = at.windows(2).map(|w| (w[0], w[1])).collect();
        all.extend(extra.into_iter().map(range).filter(|(a, b)| a < b));
        Just(all).prop_shuffle()
    })
}

fn stream_and_cuts() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    stream().prop_flat_map(|octets| {
        let len = octets.len();
        (Just(octets), cuts(len))
    })
}

/// A message starts only where the one before it ended, but for empty lines.
fn check_chain(events: &[Event], octets: &[u8]) {
    let mut at = 0;
    let mut open = None;
    for event in events {
        match *event {
            Event::Head { offset, .. } => {
                assert_eq!(open, None);
                assert!(octets[at..usize::try_from(offset).unwrap()].iter().all(|octet| b"\r\n".contains(octet)));
                open = Some(offset);
            }
            Event::End { offset, end, .. } => {
                assert_eq!(open.take(), Some(offset));
                at = usize::try_from(end).unwrap();
            }
            Event::Reset { .. } | Event::Poisoned { .. } => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_segmentation_order_and_repetition_gives_the_same_messages((octets, cuts) in stream_and_cuts(), isn in any::<u32>()) {
        let mut stream = new(isn);
        let mut out = Vec::new();
        for (at, (from, to)) in (1..).zip(cuts) {
            stream.segment(cut(isn, &octets, from, to), at, &mut out);
        }
        prop_assert_eq!(stream.poisoned(), None);
        prop_assert_eq!(stream.followed(), octets.len() as u64);
        prop_assert_eq!(messages(&out), messages(&in_order(&octets)));
        stream.ack(isn.wrapping_add(1).wrapping_add(u32::try_from(octets.len()).unwrap()), 9999, &mut out);
        prop_assert!(stream.memory() < 480, "{}", stream.memory());
    }

    #[test]
    fn skips_that_were_granted_and_copies_cut_short_inside_them_change_nothing(
        octets in stream(),
        sizes in vec((1..9000usize, 0..4000usize, any::<bool>(), any::<bool>(), any::<bool>()), 1..60),
        isn in any::<u32>(),
    ) {
        let mut stream = new(isn);
        let mut out = Vec::new();
        let (mut from, mut until) = (0, 0);
        for (at, (size, copied, late, lost, ack)) in (1..).zip(sizes.into_iter().cycle()) {
            let to = octets.len().min(from + size);
            let mut segment = cut(isn, &octets, from, to);
            // What the kernel does: leave out what lies before the granted offset. It may learn of a grant late (more is
            // copied), and of what is granted the end may not be copied either.
            let granted = to.min(until).saturating_sub(from);
            let skipped = if late { granted.min(copied) } else { granted };
            segment.skipped = u32::try_from(skipped).unwrap();
            let copied = if to <= until { (to - from - skipped).min(copied) } else { to - from - skipped };
            segment.bytes = &octets[from + skipped..][..copied];
            // A record of octets that were granted wholly may not come at all.
            if !(lost && to <= until) {
                stream.segment(segment, at, &mut out);
            }
            if ack {
                stream.ack(isn.wrapping_add(1).wrapping_add(u32::try_from(to).unwrap()), at, &mut out);
            }
            if let Some(grant) = stream.grant() {
                let granted = grant.wrapping_sub(isn.wrapping_add(1)) as usize;
                prop_assert!(granted <= octets.len());
                until = until.max(granted);
            }
            from = to;
            if from == octets.len() {
                break;
            }
        }
        stream.close(Some(octets.len() as u64), 9999, &mut out);
        prop_assert_eq!(stream.poisoned(), None);
        prop_assert_eq!(messages(&out), messages(&in_order(&octets)));
    }

    #[test]
    fn an_ack_beyond_what_was_followed_always_poisons((octets, cuts) in stream_and_cuts(), keep in any::<prop::sample::Index>(), beyond in 1..100_000u32) {
        let mut stream = new(7);
        let mut out = Vec::new();
        let kept = keep.index(cuts.len() + 1);
        for (at, (from, to)) in (1..).zip(cuts.into_iter().take(kept)) {
            stream.segment(cut(7, &octets, from, to), at, &mut out);
        }
        let followed = u32::try_from(stream.followed()).unwrap();
        stream.ack(8 + followed, 1000, &mut out);
        prop_assert_eq!((stream.poisoned(), stream.acked()), (None, u64::from(followed)));
        stream.ack(8 + followed + beyond, 1001, &mut out);
        prop_assert_eq!(stream.poisoned(), Some(Poison::Gap(Gap::AckBeyondFollowed)));
    }

    #[test]
    fn a_mutation_never_moves_the_start_of_a_message(
        (mut octets, cuts) in stream_and_cuts(),
        at in any::<prop::sample::Index>(),
        with in prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b' '), Just(b':'), Just(b'0'), Just(b',')],
        how in 0..3u8,
    ) {
        let at = at.index(octets.len());
        match how {
            0 => octets[at] = with,
            1 => octets.insert(at, with),
            _ => drop(octets.remove(at)),
        }
        let mut stream = new(7);
        let mut out = Vec::new();
        let len = octets.len();
        let clip = |(from, to): (usize, usize)| (from.min(len), to.min(len));
        for (n, (from, to)) in (1..).zip(cuts.into_iter().map(clip).chain([(0, len)])) {
            stream.segment(cut(7, &octets, from, to), n, &mut out);
        }
        stream.close(None, 9999, &mut out);
        check_chain(&out, &octets);
        let whole = in_order(&octets);
        check_chain(&whole, &octets);
        // Poison may name another rule if it shows earlier, but what came before it is the same.
        let read = |events: &[Event]| messages(events).into_iter().filter(|e| !matches!(e, Event::Poisoned { .. })).collect::<Vec<_>>();
        prop_assert_eq!(read(&out), read(&whole));
    }

    #[test]
    fn anything_at_all_is_survived(segments in vec((any::<u16>(), vec(any::<u8>(), 0..200), any::<u8>(), any::<u16>()), 0..60)) {
        let mut stream = RequestStream::new(60_000, &Arc::new(Settings { max_out_of_order: 4000, ..Settings::default() }));
        let mut out = Vec::new();
        for (at, (seq, bytes, flags, n)) in (1..).zip(&segments) {
            let segment = Segment {
                seq: 60_000u32.wrapping_add(u32::from(*seq) % 400).wrapping_sub(50),
                payload_len: u32::try_from(bytes.len()).unwrap() + u32::from(*n % 50),
                skipped: u32::from(*n) % 60,
                bytes,
                fin: flags & 31 == 1,
                syn: flags & 31 == 2,
                urg: flags & 127 == 4,
            };
            stream.segment(segment, at, &mut out);
            stream.grant();
            stream.ack(60_000 + u32::from(*n) % 100, at, &mut out);
            prop_assert!(stream.memory() < 4000 + 2000);
        }
        stream.close(segments.first().map(|s| u64::from(s.0)), 9999, &mut out);
        let poisoned = out.iter().filter(|event| matches!(event, Event::Poisoned { .. })).count();
        prop_assert!(poisoned <= 1);
    }
}
