//! HTTP/1.1 requests.

use waypoint_verify_fuzz::http1::compare;
use waypoint_verify_fuzz::http1::server::{Stop, serve};
use waypoint_verify_fuzz::told::{Told, read};

const OCTETS: &[u8] = b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello\
    POST /c HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET http://d/ HTTP/1.1\r\nHost: b\r\n\r\n";

fn caught(how: impl Fn(&mut Told)) -> bool {
    let (mut told, _) = read(OCTETS, []);
    assert_eq!(compare(OCTETS, &told, serve), Ok(()));
    how(&mut told);
    compare(OCTETS, &told, serve).is_err()
}

#[test]
fn every_part_of_a_message_is_compared() {
    type Wrong = (&'static str, fn(&mut Told));
    let wrong: [Wrong; 11] = [
        ("method", |told| told.messages[0].method = b"PUT".to_vec()),
        ("target", |told| told.messages[1].target = b"/a".to_vec()),
        ("authority", |told| told.messages[2].authority = Some(b"b".to_vec())),
        ("version", |told| told.messages[1].http10 = true),
        ("a field's value", |told| told.messages[0].fields[0].1 = b"c".to_vec()),
        ("a field too many", |told| told.messages[2].fields.push((b"x".to_vec(), b"y".to_vec()))),
        ("a field too few", |told| drop(told.messages[2].fields.pop())),
        ("octets of content", |told| told.messages[1].end.as_mut().unwrap().1 = 4),
        ("an end too late", |told| told.messages[0].end.as_mut().unwrap().0 += 1),
        ("a message too many", |told| told.messages.push(told.messages[1].clone())),
        ("a message too few", |told| drop(told.messages.pop())),
    ];
    for (what, how) in wrong {
        assert!(caught(how), "{what} is not compared");
    }
}

#[test]
fn a_message_that_never_ends_is_a_disagreement_unless_the_stream_was_poisoned() {
    let (mut told, _) = read(OCTETS, []);
    told.messages.truncate(2);
    told.messages[1].end = None;
    assert!(compare(OCTETS, &told, serve).is_err());
    let (malformed, _) = read(b"GET / HTTP/1.1\nHost: a\n\n", []);
    told.poisoned = malformed.poisoned;
    assert!(told.poisoned.is_some());
    assert_eq!(compare(OCTETS, &told, serve), Ok(()));
}

#[test]
fn hyper_reads_on_after_each_request_and_says_why_it_stops() {
    let served = serve(OCTETS);
    let content: Vec<_> = served.requests.iter().map(|request| request.content).collect();
    assert_eq!((content, served.stop), (vec![Some(5), Some(3), Some(0)], Stop::Closed));
    assert!(matches!(serve(b"GET / HTTP/1.1\r\nno colon\r\n\r\n").stop, Stop::Refused(_)));
}

/// What a lenient parser would make of two lengths, told as if the program had.
#[test]
fn a_smuggled_request_that_hyper_does_not_see_is_caught() {
    let octets = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nX: aaaa\r\n\r\n..";
    let (smuggled, _) = read(&octets[octets.iter().position(|octet| *octet == b'G').unwrap()..], []);
    let (mut told, _) = read(octets, []);
    assert_eq!(compare(octets, &told, serve), Ok(()));
    told.messages.truncate(1);
    told.messages[0].end = Some((told.messages[0].head_len, 0));
    told.messages.extend(smuggled.messages);
    assert!(compare(octets, &told, serve).is_err());
}
