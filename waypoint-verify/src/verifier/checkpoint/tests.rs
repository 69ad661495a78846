use std::sync::Arc;

use super::*;
use crate::evidence::RequestLine;
use crate::model::{ConnKey, ContainerRef, PodRef, Reason};

const SECOND: BootNs = 1_000_000_000;

fn key(n: u32) -> MessageKey {
    MessageKey { conn: ConnKey { client_isn: n, server_isn: n }, offset: 0, stream: 0 }
}

fn pod() -> Arc<ContainerRef> {
    let pod = PodRef { namespace: "n".into(), name: "p".into(), uid: "u".into() };
    Arc::new(ContainerRef { node: "a".into(), pod, name: "c".into(), id: "i".into() })
}

fn arrived(n: u32) -> Evidence {
    let (local, peer) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let request = Arc::new(RequestLine::default());
    Evidence::Arrived { key: key(n), at_pod: pod(), local, peer, request, digest: 1, at: 1 }
}

fn unreadable(stream: u64) -> Evidence {
    let (local, peer) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let (reason, detail) = (Reason::Opaque, String::new());
    Evidence::Unreadable { stream, conn: None, at_pod: pod(), local, peer, reason, detail, at: 7 }
}

#[test]
fn what_was_counted_is_not_counted_again_and_what_was_open_is() {
    let mut first = Progress::default();
    assert_eq!((first.read("a", 10), first.read("a", 11)), (Read::Next, Read::Next));
    let told = ("a".to_owned(), 5, 7);
    let checkpoint = first.checkpoint(SECOND, [key(2)].into_iter(), [told].into_iter()).unwrap();
    let checkpoint = Checkpoint::decode(&checkpoint.encode().unwrap()).unwrap();

    let mut second = Progress::after(&checkpoint);
    let rows = [
        (10, arrived(1), false, "counted"),
        (11, arrived(2), true, "open"),
        (12, arrived(1), true, "above: it came later"),
        (11, unreadable(5), true, "held back"),
        (11, unreadable(6), false, "counted"),
        (12, unreadable(6), true, "above"),
        // What causes arrivals is needed again.
        (10, Evidence::Closed { conn: key(1).conn, side: crate::model::Side::Active }, true, "no arrival"),
    ];
    for (position, evidence, is_new, what) in rows {
        assert_eq!(second.is_new("a", position, &evidence), is_new, "{what}");
    }
    assert!(second.is_new("b", 1, &arrived(1)), "of a node that was not there before everything is new");
    assert_eq!(second.unfound(), 0);
    assert_eq!(Progress::after(&checkpoint).unfound(), 1, "what was open and is not read again is lost");
}

#[test]
fn another_verifier_begins_half_a_minute_before() {
    let mut progress = Progress::default();
    progress.begin("a", 999);
    let mut begins = Vec::new();
    for second in 0..100 {
        progress.read("a", 1000 + second);
        let checkpoint = progress.checkpoint(second * SECOND, [].into_iter(), [].into_iter()).unwrap();
        begins.push(checkpoint.positions["a"]);
    }
    assert_eq!(begins[0], (1000, 1000));
    assert_eq!(begins[20], (1020, 1000));
    // 30 to 35 seconds, by the second.
    for (second, (newest, begin)) in begins.iter().enumerate().skip(40) {
        assert_eq!(*newest, 1000 + second as u64);
        assert!((30..36).contains(&(newest - begin)), "{second}: {newest} {begin}");
    }
}

#[test]
fn what_the_stream_has_lost_meanwhile_is_a_gap() {
    let mut first = Progress::default();
    first.read("a", 10);
    let checkpoint = first.checkpoint(SECOND, [].into_iter(), [].into_iter()).unwrap();
    for (position, expected) in [(5, Read::Next), (11, Read::Next), (12, Read::Gap)] {
        assert_eq!(Progress::after(&checkpoint).read("a", position), expected, "{position}");
    }
    // Further on, each follows the one before.
    let mut second = Progress::after(&checkpoint);
    assert_eq!([7, 8, 10].map(|position| second.read("a", position)), [Read::Next, Read::Next, Read::Gap]);
    // Of a node that nobody has read before nothing is missed.
    assert_eq!(second.read("b", 900), Read::Next);
}

#[test]
fn more_open_than_fits_leaves_the_checkpoint_before() {
    let many = || (0..u32::try_from(OPEN).unwrap()).map(key);
    let mut progress = Progress::default();
    assert!(progress.checkpoint(SECOND, many(), [].into_iter()).is_some());
    assert!(progress.checkpoint(SECOND, many().chain([key(u32::MAX)]), [].into_iter()).is_none());
}

#[test]
fn a_stream_of_which_nothing_was_read_yet_is_known_by_where_reading_began() {
    let nothing = |progress: &mut Progress| progress.checkpoint(SECOND, [].into_iter(), [].into_iter()).unwrap();
    let mut first = Progress::default();
    assert!(first.begin("a", 7) && !first.begin("a", 9));
    let left = nothing(&mut first);
    assert_eq!(left.positions["a"], (7, 8));
    let mut empty = Progress::default();
    empty.begin("a", 0);
    assert_eq!(nothing(&mut empty).positions["a"], (0, 1), "the first position is 1");
    // What came meanwhile is new to another verifier, and what is missing is missed.
    let mut second = Progress::after(&left);
    assert!(second.is_new("a", 8, &arrived(1)));
    assert!(!second.begin("a", 7), "it was known");
    // That one ends before it has read anything, or what was counted before: nothing is lost, and nothing counted twice.
    assert_eq!(nothing(&mut second).positions["a"], (7, 8));
    assert_eq!(second.read("a", 8), Read::Next);
    second.read("a", 40);
    let left = nothing(&mut second);
    let mut third = Progress::after(&left);
    third.read("a", 8);
    assert_eq!(nothing(&mut third).positions["a"].0, 40);
}

#[test]
fn one_that_ends_soon_leaves_the_next_one_what_it_had_to_begin_with_itself() {
    let mut first = Progress::default();
    first.begin("a", 99);
    let mut left = Checkpoint::default();
    for second in 0..60 {
        first.read("a", 100 + second);
        left = first.checkpoint(second * SECOND, [key(1)].into_iter(), [].into_iter()).unwrap();
    }
    let begin = left.positions["a"].1;
    assert!(begin < 130, "{left:?}");
    // It reads everything again at once, and ends.
    let mut second = Progress::after(&left);
    for position in begin..160 {
        second.read("a", position);
    }
    let left = second.checkpoint(61 * SECOND, [key(1)].into_iter(), [].into_iter()).unwrap();
    assert_eq!(left.positions["a"], (159, begin));
}
