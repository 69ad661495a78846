//! HTTP/2 requests.

use waypoint_verify_fuzz::hpack::{integer, text};
use waypoint_verify_fuzz::http2::plan::{DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame};
use waypoint_verify_fuzz::http2::server::serve;
use waypoint_verify_fuzz::http2::{compare, read};
use waypoint_verify_fuzz::told::Told;

fn head(path: &[u8]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (index, value) in [(4, path), (1, b"a:1")] {
        integer(&mut block, 0, 4, index);
        text(&mut block, value, true);
    }
    integer(&mut block, 0x40, 6, 0);
    text(&mut block, b"x-order-id", true);
    text(&mut block, b"7", false);
    block
}

/// Two requests whose content is mixed, and a third one that is taken back.
fn octets() -> Vec<u8> {
    [
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &head(b"/a")),
        frame(HEADERS, END_HEADERS, 3, &head(b"/b?c")),
        frame(DATA, 0, 1, b"hel"),
        frame(DATA, END_STREAM, 3, b"other"),
        frame(DATA, END_STREAM, 1, b"lo"),
        frame(HEADERS, END_HEADERS, 5, &head(b"/d")),
        frame(RST_STREAM, 0, 5, &[0, 0, 0, 8]),
    ]
    .concat()
}

#[test]
fn every_part_of_a_message_is_compared() {
    type Wrong = (&'static str, fn(&mut Told));
    let wrong: [Wrong; 10] = [
        ("method", |told| told.messages[0].method = b"PUT".to_vec()),
        ("target", |told| told.messages[1].target = b"/a".to_vec()),
        ("authority", |told| told.messages[1].authority = Some(b"b".to_vec())),
        ("a field's value", |told| told.messages[0].fields[0].1 = b"8".to_vec()),
        ("a field too few", |told| drop(told.messages[1].fields.pop())),
        ("octets of content", |told| told.messages[0].end.as_mut().unwrap().1 = 3),
        ("whose content it is", |told| told.messages.iter_mut().for_each(|m| m.stream ^= 2)),
        ("no end", |told| told.messages[1].end = None),
        ("a message too many", |told| {
            let mut more = told.messages[0].clone();
            more.stream = 7;
            told.messages.push(more);
        }),
        ("a message too few", |told| drop(told.messages.pop())),
    ];
    let (right, _) = read(&octets(), []);
    assert_eq!((right.messages.len(), right.messages[2].reset, right.poisoned), (3, true, None));
    let served = serve(&octets());
    assert_eq!(served.requests.iter().map(|request| request.content).collect::<Vec<_>>(), [Some(5), Some(5), None]);
    assert_eq!(compare(&right, &served), Ok(()));
    for (what, how) in wrong {
        let mut told = right.clone();
        how(&mut told);
        assert!(compare(&told, &served).is_err(), "{what} is not compared");
    }
}

#[test]
fn a_message_where_h2_says_goaway_is_a_disagreement() {
    let (told, _) = read(&octets(), []);
    // DATA on a stream that nobody opened, before everything.
    let broken = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(DATA, 0, 1, b"x"), &octets()[33..]].concat();
    let served = serve(&broken);
    assert!(served.gone.is_some() && served.requests.is_empty(), "{served:?}");
    assert!(compare(&told, &served).is_err());
}
