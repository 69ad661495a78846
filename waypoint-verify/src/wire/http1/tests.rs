//! One row per rule; each also octet by octet, which must change nothing.

use crate::wire::fixture::Feed;
use crate::wire::{Body, Bound, Event, Malformed, Opaque, Poison, Protocol, Settings, Switch};

mod bounds;
mod heads;

fn octet_by_octet(bytes: &[u8]) -> Feed {
    let mut feed = Feed::new();
    for (offset, octet) in (0..).zip(bytes) {
        feed.at(offset, &[*octet]);
    }
    feed
}

#[test]
fn what_the_rfc_allows_is_read_as_messages() {
    // (octets, heads as "method target authority", lengths of the contents)
    let rows: &[(&str, &[&str], &[u64])] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / a"], &[0]),
        // RFC 9112 section 2.2: empty lines before a request line.
        (
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["GET / a", "GET /2 a"],
            &[0, 0],
        ),
        ("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / a"], &[0]),
        // 3.2.1-3.2.4: the four forms of a target.
        ("GET /p?q=1#f HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /p?q=1#f a"], &[0]),
        ("GET http://x:80/p?q HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /p?q x:80"], &[0]),
        ("GET http://x HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / x"], &[0]),
        ("GET HTTPS://x?q HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /?q x"], &[0]),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", &["CONNECT a:443 a:443"], &[0]),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS * a"], &[0]),
        ("OPTIONS a1+-.://x/p HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS /p x"], &[0]),
        // RFC 9110 section 9.1: methods are case-sensitive tokens, any of them.
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", &["get / a"], &[0]),
        // 3.2: an empty Host; HTTP/1.0 without one.
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", &["GET / "], &[0]),
        ("GET / HTTP/1.0\r\n\r\n", &["GET / -"], &[0]),
        ("GET / HTTP/1.1\r\nHost: [fd99::1]:8080\r\n\r\n", &["GET / [fd99::1]:8080"], &[0]),
        // RFC 9110 section 5.5: obs-text, inner whitespace, empty values.
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \t v w\u{e9}\t \r\nY:\r\n\r\n", &["GET / a"], &[0]),
        // RFC 9110 section 8.6: leading zeros are digits.
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nabcde", &["POST / a"], &[5]),
        ("POST / HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH:0\r\n\r\n", &["POST / a"], &[0]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5 \t\r\n\r\nabcde", &["POST / a"], &[5]),
        // Names as long as those that decide something.
        (
            "GET /1 HTTP/1.1\r\nHost: a\r\nAccept-Charset: 5\r\nIf-Modified-Since: x\r\nUser-Agent: close\r\nReferer: h2c\r\nFrom: b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["GET /1 a", "GET /2 a"],
            &[0, 0],
        ),
        // 10.1.1: Expect changes nothing in the framing.
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", &["POST / a"], &[1]),
        // 7.1: chunks, hexadecimal sizes, extensions, trailers.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            &["POST / a"],
            &[5],
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00A;x=\"y\"\r\n0123456789\r\n1\r\nz\r\n000\r\nX: y\r\nZ: \r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["POST / a", "GET /2 a"],
            &[11, 0],
        ),
        // 7.1.2, 2.2 and 9.3.2: trailers, then empty lines, then the next of a pipeline; any method, with or without content.
        (
            "HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\nDELETE /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy\r\nPUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n1;e;f=g\r\nz\r\n0;h\r\nT: 1\r\n\r\n\r\n\r\nGET http://b/4 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["HEAD /1 a", "DELETE /2 a", "PUT /3 a", "GET /4 b"],
            &[0, 2, 1, 0],
        ),
        // 9.3: HTTP/1.0 stays only where it asks to; `close` ends, and empty lines after it are none.
        (
            "GET /1 HTTP/1.0\r\nConnection: x , Keep-Alive\r\n\r\nGET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /3 HTTP/1.0\r\n\r\n\r\n",
            &["GET /1 -", "GET /2 -", "GET /3 -"],
            &[0, 0, 0],
        ),
        (
            "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx\r\n",
            &["GET /1 a", "POST /2 a"],
            &[0, 1],
        ),
        // A request inside a body is body (attack 11).
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &["POST / a"],
            &[28],
        ),
    ];
    for (octets, heads, lengths) in rows {
        for feed in [Feed::of(octets.as_bytes()), octet_by_octet(octets.as_bytes())] {
            assert_eq!(feed.poison(), None, "{octets:?}");
            assert_eq!(feed.heads(), *heads, "{octets:?}");
            assert_eq!(feed.ends().iter().map(|(_, _, len)| *len).collect::<Vec<_>>(), *lengths, "{octets:?}");
            assert_eq!(feed.stream.followed(), octets.len() as u64, "{octets:?}");
        }
    }
}

#[test]
fn whatever_could_be_read_in_two_ways_poisons_the_stream_where_its_message_starts() {
    use Malformed as M;
    // (what stands behind a first, good request, why it is refused)
    let rows: &[(&str, M)] = &[
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", M::BareLf),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", M::BareLf),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", M::BareLf),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", M::BareLf),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", M::BareCr),
        ("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", M::BareCr),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", M::EmptyLines),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", M::RequestLine),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", M::RequestLine),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", M::RequestLine),
        ("GET /\r\nHost: a\r\n\r\n", M::RequestLine),
        ("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", M::RequestLine),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", M::RequestLine),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", M::Version),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", M::Version),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", M::Version),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", M::Version),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", M::Version),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("GET http:/x HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", M::Host),
        ("GET http://u@x/ HTTP/1.1\r\nHost: a\r\n\r\n", M::Host),
        ("GET 1http://x/ HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("GET ht_tp://x/ HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("GET ://x/ HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("OPTIONS a HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", M::Target),
        ("CONNECT u@a:1 HTTP/1.1\r\nHost: a\r\n\r\n", M::Host),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", M::ConnectWithBody),
        ("GET / HTTP/1.1\r\n\r\n", M::HostMissing),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", M::TwoHosts),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", M::Host),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", M::Host),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", M::SpaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", M::ObsFold),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", M::ObsFold),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", M::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", M::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\u{b}: x\r\n\r\n", M::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", M::FieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7f}b\r\n\r\n", M::FieldValue),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", M::TwoLengths),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", M::TwoLengths),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", M::BadLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", M::BadLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", M::BadLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nx", M::BadLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx", M::BadLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nx", M::BadLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4611686018427387905\r\n\r\nx", M::BadLength),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            M::LengthAndChunked,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", M::TransferEncoding),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            M::TransferEncoding,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", M::TransferEncoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", M::TransferEncoding),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", M::TransferEncodingIn10),
    ];
    let good = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for (octets, why) in rows {
        let octets = format!("{good}{octets}");
        for feed in [Feed::of(octets.as_bytes()), octet_by_octet(octets.as_bytes())] {
            let (offset, poison) = feed.poison().unwrap_or_else(|| panic!("not refused: {octets:?}"));
            assert_eq!(poison, Poison::Malformed(*why), "{octets:?}");
            let empty = octets[good.len()..].bytes().take_while(|octet| b"\r\n".contains(octet)).count();
            assert!(offset >= good.len() as u64 && offset <= (good.len() + empty) as u64, "{octets:?}");
            assert_eq!(feed.heads(), ["GET /1 a"], "{octets:?}");
        }
    }
}

#[test]
fn what_follows_the_last_request_of_a_connection_is_none() {
    let last = [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nconnection: keep-alive, CLOSE\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alived\r\n\r\n",
    ];
    for last in last {
        for between in ["", "\r\n"] {
            let octets = format!("{last}{between}GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
            for feed in [Feed::of(octets.as_bytes()), octet_by_octet(octets.as_bytes())] {
                assert_eq!(feed.poison(), Some((last.len() as u64, Malformed::AfterClose.into())), "{octets:?}");
                assert_eq!(feed.heads().len(), 1, "{octets:?}");
            }
        }
    }
}

#[test]
fn chunks_are_described_in_one_way_only() {
    use Malformed as M;
    let rows: &[(&str, Poison)] = &[
        ("0x1\r\na\r\n0\r\n\r\n", M::ChunkSize.into()),
        ("\r\n", M::ChunkSize.into()),
        (";x\r\n", M::ChunkSize.into()),
        (" 1\r\na\r\n0\r\n\r\n", M::ChunkSize.into()),
        ("1 \r\na\r\n0\r\n\r\n", M::ChunkSize.into()),
        ("-1\r\na\r\n", M::ChunkSize.into()),
        ("100000000000000\r\n", M::ChunkSize.into()),
        ("1\na\r\n0\r\n\r\n", M::BareLf.into()),
        ("1;x\na\r\n0\r\n\r\n", M::BareLf.into()),
        ("1;x\0\r\na\r\n0\r\n\r\n", M::ChunkExtension.into()),
        ("1\ra\r\n", M::BareCr.into()),
        ("1;x\rX\r\n", M::BareCr.into()),
        ("1\r\nab\r\n0\r\n\r\n", M::ChunkEnd.into()),
        ("1\r\na\n0\r\n\r\n", M::ChunkEnd.into()),
        ("1\r\nab\n0\r\n\r\n", M::ChunkEnd.into()),
        ("1\r\na\r0\r\n\r\n", M::ChunkEnd.into()),
        ("0\r\n\n", M::BareLf.into()),
        ("0\r\nX : y\r\n\r\n", M::SpaceBeforeColon.into()),
        ("0\r\nX: y\r\n z\r\n\r\n", M::ObsFold.into()),
        ("0\r\nContent-Length: 3\r\n\r\n", M::Trailer.into()),
        ("0\r\nTransfer-Encoding: gzip\r\n\r\n", M::Trailer.into()),
    ];
    for (chunks, why) in rows {
        let octets = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        for feed in [Feed::of(octets.as_bytes()), octet_by_octet(octets.as_bytes())] {
            assert_eq!(feed.poison(), Some((0, *why)), "{chunks:?}");
            assert_eq!(feed.ends(), [], "{chunks:?}");
        }
    }
}

#[test]
fn octets_after_a_switch_are_messages_only_if_nothing_was_switched() {
    let upgrade = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let plain = b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let end = upgrade.len() as u64;
    let mut feed = Feed::of(upgrade);
    assert!(matches!(feed.events[0], Event::Head { switch: Some(Switch::WebSocket), .. }));
    feed.at(end, plain);
    assert_eq!(feed.poison(), Some((end, Opaque::AfterSwitch.into())));

    let mut feed = Feed::of(upgrade);
    feed.stream.no_switch(7);
    feed.stream.no_switch(0);
    feed.at(end, plain);
    assert_eq!(feed.poison(), None);
    assert_eq!(feed.heads(), ["GET /ws a", "GET /2 a"]);
}

#[test]
fn what_follows_a_switch_is_counted_and_need_not_be_seen() {
    let ends = |value: &str| format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {value}\r\n\r\n");
    for (head, switch) in
        [(ends("WebSocket"), Switch::WebSocket), ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".into(), Switch::Connect)]
    {
        let end = head.len() as u64;
        let mut feed = Feed::of(head.as_bytes());
        assert!(matches!(feed.events[0], Event::Head { switch: Some(of), .. } if of == switch), "{head}");
        feed.stream.switched(7);
        feed.stream.switched(0);
        feed.at(end, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(feed.stream.grant().is_some());
        feed.ack(end + 100_000).at(end + 100_000, b"x").fin(end + 100_001).close(Some(end + 100_002));
        assert_eq!((feed.poison(), feed.heads().len(), feed.stream.tunnelled()), (None, 1, 100_001), "{head}");
    }
    let twice = |a: &str, b: &str| ends(&format!("{a}\r\nUpgrade: {b}"));
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let rows = [
        (ends("foo"), 0, "x"),
        (ends("foo"), 0, http2),
        (ends("h2c"), 0, "x"),
        (ends("websocket, h2c"), 0, http2),
        (ends(""), 0, "x"),
        (twice("h2c", "websocket"), 0, "x"),
        (twice("websocket", "h2c"), 0, http2),
        // It was another request that was answered so.
        (ends("websocket"), 7, "x"),
    ];
    for (head, switched, after) in rows {
        let mut feed = Feed::of(head.as_bytes());
        feed.stream.switched(switched);
        feed.at(head.len() as u64, after.as_bytes());
        assert_eq!(feed.poison(), Some((head.len() as u64, Opaque::AfterSwitch.into())), "{head}");
        assert_eq!(feed.stream.tunnelled(), 0);
    }
}
