//! What is told of a head, and when what is none is refused.

use super::*;

#[test]
fn a_head_tells_its_framing_and_who_saw_it_when() {
    let mut feed = Feed::of(b"POST / HTTP/1.1\r\n");
    feed.at(17, b"Host: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    let Event::Head { offset, head_len, started_at, complete_at, body, switch, expects, .. } = feed.events[0] else {
        panic!()
    };
    assert_eq!((offset, started_at, complete_at), (0, 1, 2));
    assert_eq!(u64::from(head_len), feed.stream.followed());
    assert_eq!((body, switch, expects), (Body::Chunked, None, true));
}

#[test]
fn the_digest_depends_on_the_octets_and_on_the_key() {
    let digest = |key: u8, octets: &[u8]| {
        let mut feed = Feed::with(&Settings { digest_key: [key; 16], ..Settings::default() });
        feed.at(0, octets);
        let Event::Head { digest, .. } = feed.events[0] else { panic!() };
        digest
    };
    let one = digest(1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(one, digest(1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_ne!(one, digest(2, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_ne!(one, digest(1, b"GET / HTTP/1.1\r\nHost:  a\r\n\r\n"));
}

#[test]
fn fields_come_without_whitespace_around_their_values_whatever_the_target_looks_like() {
    for target in ["/", "http://b/"] {
        let octets = format!("GET {target} HTTP/1.1\r\nHost: a\r\nX: \t v\t w \t \r\nY:z\r\nZ: \t \r\n\r\n");
        let feed = Feed::of(octets.as_bytes());
        let Some(Event::Head { head, .. }) = feed.events.first() else { panic!("{:?}", feed.events) };
        let fields: Vec<_> = head.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let expected = [("Host", "a"), ("X", "v\t w"), ("Y", "z"), ("Z", "")];
        assert_eq!(fields, expected.map(|(name, value)| (name.into(), value.into())), "{target}");
    }
}

/// It may never come to an empty line, and until it is refused the connection counts as one that is readable.
#[test]
fn what_is_no_request_is_refused_with_its_first_line_however_long_that_is() {
    let wrong = format!("GET /{} HTTP/1.9\r\n", "x".repeat(1000));
    for piece in [1, 10, 500] {
        let mut feed = Feed::new();
        for (n, bytes) in wrong.as_bytes().chunks(piece).enumerate() {
            assert_eq!(feed.poison(), None, "{piece}");
            feed.at((n * piece) as u64, bytes);
        }
        assert_eq!(feed.poison(), Some((0, Malformed::Version.into())), "{piece}");
    }
}

#[test]
fn a_wrong_request_at_the_start_is_a_wrong_request_and_no_other_protocol() {
    let unknown = Poison::from(Opaque::NotHttp(Protocol::Unknown));
    let rows: &[(&str, Poison)] = &[
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Malformed::RequestLine.into()),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", Malformed::Version.into()),
        ("\x01 / HTTP/1.1\r\n", unknown),
        (" GET / HTTP/1.1\r\n", unknown),
        ("GET\r\n", unknown),
    ];
    for (octets, why) in rows {
        assert_eq!(Feed::of(octets.as_bytes()).poison(), Some((0, *why)), "{octets:?}");
    }
}

#[test]
fn the_longest_content_that_can_be_counted_is_read() {
    let mut feed = Feed::of(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4611686018427387904\r\n\r\nx");
    assert!(matches!(feed.events[..], [Event::Head { body: Body::Length(length), .. }] if length == 1 << 62));
    assert!(feed.stream.grant().is_some());
}

#[test]
fn other_protocols_are_named_at_the_start_of_a_stream() {
    let rows: &[(&[u8], Protocol)] = &[
        (b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", Protocol::Http2),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n", Protocol::ProxyProtocol),
        (b"PROXY tcp4 10.0.0.1 10.0.0.2 1 2\r\n", Protocol::ProxyProtocol),
        (b"\x00\x01\x02", Protocol::Unknown),
        (b"hello\r\n", Protocol::Unknown),
    ];
    for (octets, protocol) in rows {
        for feed in [Feed::of(octets), octet_by_octet(octets)] {
            let why = Poison::Opaque(Opaque::NotHttp(*protocol));
            assert_eq!(feed.poison().map(|(_, poison)| poison), Some(why), "{octets:?}");
        }
    }
}
