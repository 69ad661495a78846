//! Bounds of blocks and settings, and of memory: what is one octet too much, and what is just right.

use super::*;

#[test]
fn blocks_and_settings_are_bounded() {
    let small = Settings { max_head: 300, max_fields: 3, max_continuations: 2, ..Settings::default() };
    let long = "y".repeat(150);
    let more: &[(&str, &str)] = &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
    let none = || frame(CONTINUATION, 0, 3, b"");
    let rows: &[(Vec<Vec<u8>>, Poison)] = &[
        (vec![frame(HEADERS, WHOLE, 3, &[0; 292])], Bound::HeadTooLarge.into()),
        (vec![frame(HEADERS, 0, 3, &[0; 200]), frame(CONTINUATION, 0, 3, &[0; 83])], Bound::HeadTooLarge.into()),
        // Decoded, a field counts 32 octets more.
        (vec![frame(HEADERS, WHOLE, 3, &request("GET", "/", &[("x", &long)]))], Bound::HeadTooLarge.into()),
        (vec![frame(HEADERS, WHOLE, 3, &request("GET", "/", more))], Bound::TooManyFields.into()),
        (vec![frame(HEADERS, 0, 3, b""), none(), none(), none()], Bound::Continuations.into()),
        (
            vec![post(3, "/", &[]), frame(HEADERS, WHOLE, 3, &block(&[("x", &long), ("z", &long)]))],
            Bound::HeadTooLarge.into(),
        ),
        (
            vec![post(3, "/", &[]), frame(HEADERS, WHOLE, 3, &block(&[("x", &long), ("z", &long[..90])]))],
            Bound::TrailersTooLarge.into(),
        ),
        (vec![frame(SETTINGS, 0, 0, &[0; 6 * 700])], Bound::Settings.into()),
    ];
    // The field count of trailers has the same bound.
    let settings = Settings { max_head: 400, max_fields: 6, ..small.clone() };
    refused(&rows[..3], &Settings { max_fields: 100, ..small.clone() });
    refused(&rows[3..4], &Settings { max_head: 4000, max_fields: 7, ..small.clone() });
    refused(&rows[4..5], &Settings { max_fields: 100, ..small.clone() });
    refused(&rows[5..7], &Settings { max_fields: 100, ..small });
    refused(&rows[7..], &Settings::default());
    let seven: Vec<(&str, &str)> = vec![("a", "1"); 7];
    let row = vec![post(3, "/", &[]), frame(HEADERS, WHOLE, 3, &block(&seven))];
    refused(&[(row, Bound::TooManyFields.into())], &settings);
}

/// What a list of fields counts (RFC 9113 section 6.5.2).
fn size(fields: &[(&str, &str)]) -> u32 {
    fields.iter().map(|(name, value)| u32::try_from(name.len() + value.len() + 32).unwrap()).sum()
}

#[test]
fn what_is_just_as_large_as_its_bound_is_read_and_one_more_is_refused() {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let long = [&pseudo[..], &[("x", "0123456789")]].concat();
    let trailers = [("x", "0123456789"), ("y", &*"z".repeat(200))];
    let of = block(&pseudo);
    // Padding makes the frame longer than what it says.
    let padded = [&[240][..], &of, &[0; 240]].concat();
    let pieces = vec![
        frame(HEADERS, END_STREAM | PADDED, 3, &padded),
        frame(CONTINUATION, 0, 3, b""),
        frame(CONTINUATION, END_HEADERS, 3, &block(&[("x", "y")])),
    ];
    let large = Settings { max_head: 4000, max_fields: 100, max_continuations: 9, ..Settings::default() };
    let heads = |max_head: u32| Settings { max_head, ..large.clone() };
    let fields = |max_fields: u16| Settings { max_fields, ..large.clone() };
    let seven = [("a", "1"); 7];
    let ended_by = |fields: &[(&str, &str)]| vec![post(3, "/", &[]), frame(HEADERS, WHOLE, 3, &block(fields))];
    let whole = vec![frame(HEADERS, WHOLE | PADDED, 3, &padded)];
    let octets = u32::try_from(whole[0].len()).unwrap();
    let head = vec![frame(HEADERS, WHOLE, 3, &block(&long))];
    let joined = u32::try_from(pieces.concat().len()).unwrap();
    let continued = |max_continuations: u16| Settings { max_continuations, ..large.clone() };
    // (what comes, what just allows it, what does not, how it is refused)
    let rows = [
        (whole, heads(octets), heads(octets - 1), Bound::HeadTooLarge),
        (pieces.clone(), heads(joined), heads(joined - 1), Bound::HeadTooLarge),
        (pieces, continued(2), continued(1), Bound::Continuations),
        (head.clone(), heads(size(&long)), heads(size(&long) - 1), Bound::HeadTooLarge),
        (head, fields(5), fields(4), Bound::TooManyFields),
        (ended_by(&trailers), heads(size(&trailers)), heads(size(&trailers) - 1), Bound::TrailersTooLarge),
        (ended_by(&seven), fields(7), fields(6), Bound::TooManyFields),
    ];
    for (frames, allows, refuses, why) in rows {
        for feed in feeds(&frames, &allows) {
            assert_eq!((feed.poison(), feed.ends().len()), (None, 2), "{why:?} {frames:?}");
        }
        refused(&[(frames, why.into())], &refuses);
    }
    for feed in feeds(&[frame(SETTINGS, 0, 0, &[0; 6 * 682]), get(3, "/2")], &Settings::default()) {
        assert_eq!(feed.poison(), None, "more settings than there are");
    }
}

/// A connection on which so many octets have come and were acknowledged.
fn acknowledged(octets: &[u8]) -> Feed {
    let mut feed = Feed::of(octets);
    feed.ack(octets.len() as u64);
    assert_eq!(feed.poison(), None);
    feed
}

#[test]
fn memory_counts_what_is_held_and_nothing_that_is_gone() {
    let idle = acknowledged(&[opening(), get(1, "/")].concat()).stream.memory();
    let grown =
        |octets: &[Vec<u8>]| acknowledged(&[opening(), get(1, "/"), octets.concat()].concat()).stream.memory() - idle;
    // A block of which the end is missing, in one frame and in two.
    let torn = frame(HEADERS, 0, 3, &[0; 5000]);
    assert!((4000..16_000).contains(&grown(&[torn[..4500].to_vec()])));
    assert!((5000..16_000).contains(&grown(&[torn])));
    // Forty entries of the header table, with their names and values.
    let entry = |n: u32| [&[0x40, 3][..], format!("x{n:02}").as_bytes(), &[50], &[b'y'; 50]].concat();
    let head = |n: u32| frame(HEADERS, WHOLE, 3 + 2 * n, &[request("GET", "/", &[]), entry(n)].concat());
    let table = grown(&(0..40).map(head).collect::<Vec<_>>());
    assert!((40 * (53 + 24)..16_000).contains(&table), "{table}");
    // Open streams; of ended ones only the last ones are remembered.
    let open: Vec<Vec<u8>> = (0..500).map(|n| post(3 + 2 * n, "/", &[])).collect();
    assert!((500 * 32..40_000).contains(&grown(&open)), "{}", grown(&open));
    let ended: Vec<Vec<u8>> = (0..5000).map(|n| get(3 + 2 * n, "/")).collect();
    assert!((128 * 12..6000).contains(&grown(&ended)), "{}", grown(&ended));
    // A large head, once it has been told.
    let long = "y".repeat(100);
    let large = request("GET", "/", &[("x", &*long); 200]);
    assert!(grown(&[frame(HEADERS, WHOLE, 3, &large)]) < 8192);
}
