//! Fields of requests and trailers (RFC 9113 section 8).

use super::*;

const GET: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AT: (&str, &str) = (":authority", "a");

fn head(flags: u8, fields: &[(&str, &str)]) -> Vec<Vec<u8>> {
    vec![frame(HEADERS, flags, 3, &block(fields))]
}

#[test]
fn what_the_rfc_allows_is_read_as_a_request() {
    let connect = (":method", "CONNECT");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[GET, SCHEME, PATH, AT], "GET / a"),
        (&[PATH, AT, SCHEME, GET], "GET / a"),
        (&[GET, SCHEME, PATH, ("host", "b:1")], "GET / b:1"),
        (&[GET, SCHEME, PATH, AT, ("host", "A")], "GET / a"),
        (&[GET, (":scheme", "https"), (":path", "/p?q#f"), AT, ("te", "trailers")], "GET /p?q#f a"),
        (&[(":method", "OPTIONS"), SCHEME, (":path", "*"), AT], "OPTIONS * a"),
        (&[(":method", "get"), SCHEME, PATH, AT, ("x-empty", ""), ("x", "a \t b\u{e9}")], "get / a"),
        (&[connect, (":authority", "a:1")], "CONNECT a:1 a:1"),
        (&[connect, (":protocol", "websocket"), SCHEME, (":path", "/ws"), AT], "CONNECT /ws a"),
    ];
    for (fields, text) in rows {
        for feed in feeds(&head(END_HEADERS, fields), &Settings::default()) {
            assert_eq!(feed.poison(), None, "{fields:?}");
            assert_eq!(feed.heads()[1], *text, "{fields:?}");
        }
    }
}

#[test]
fn a_head_keeps_its_fields_in_order_and_crumbs_apart() {
    let fields =
        [GET, SCHEME, AT, PATH, ("cookie", "a=1"), ("x", ""), ("host", "a"), ("cookie", "b=2"), ("expect", "y")];
    let [feed, _] = feeds(&head(WHOLE, &fields), &Settings::default());
    let Some(Event::Head { head, expects: true, .. }) = feed.events.get(2) else { panic!() };
    let text: Vec<_> =
        head.fields().map(|(n, v)| (std::str::from_utf8(n).unwrap(), std::str::from_utf8(v).unwrap())).collect();
    assert_eq!(text, [("cookie", "a=1"), ("x", ""), ("host", "a"), ("cookie", "b=2"), ("expect", "y")]);
}

#[test]
fn a_malformed_head_poisons_the_connection() {
    use Malformed as M;
    let good = [GET, SCHEME, PATH, AT];
    let with = |more: (&'static str, &'static str)| [&good[..], &[more]].concat();
    let connect = (":method", "CONNECT");
    let rows: Vec<(Vec<(&str, &str)>, Malformed)> = vec![
        // 8.2.1: names and values.
        (with(("X", "y")), M::FieldName),
        (with(("x y", "z")), M::FieldName),
        (with(("", "y")), M::FieldName),
        (with(("x:", "y")), M::FieldName),
        (with(("x\u{e9}", "y")), M::FieldName),
        (with(("x", "a\nb")), M::FieldValue),
        (with(("x", "a\rb")), M::FieldValue),
        (with(("x", "a\0b")), M::FieldValue),
        (with(("x", "a\u{7f}b")), M::FieldValue),
        (with(("x", " a")), M::FieldValue),
        (with(("x", "a\t")), M::FieldValue),
        // 8.2.2: fields of one connection.
        (with(("connection", "close")), M::ConnectionField),
        (with(("keep-alive", "1")), M::ConnectionField),
        (with(("proxy-connection", "x")), M::ConnectionField),
        (with(("transfer-encoding", "chunked")), M::ConnectionField),
        (with(("upgrade", "h2c")), M::ConnectionField),
        (with(("te", "gzip")), M::ConnectionField),
        (with(("te", "trailers, gzip")), M::ConnectionField),
        // 8.3: pseudo-header fields.
        (vec![SCHEME, PATH, AT], M::PseudoField),
        (vec![GET, PATH, AT], M::PseudoField),
        (vec![GET, SCHEME, AT], M::PseudoField),
        (with((":method", "GET")), M::PseudoField),
        (with((":scheme", "http")), M::PseudoField),
        (with((":path", "/")), M::PseudoField),
        (with((":authority", "a")), M::PseudoField),
        (with((":status", "200")), M::PseudoField),
        (with((":x", "y")), M::PseudoField),
        (with((":protocol", "websocket")), M::PseudoField),
        (vec![GET, SCHEME, PATH, ("x", "y"), AT], M::PseudoField),
        (vec![GET, (":scheme", ""), PATH, AT], M::PseudoField),
        (vec![GET, (":scheme", "ht tp"), PATH, AT], M::PseudoField),
        (vec![(":method", ""), SCHEME, PATH, AT], M::RequestLine),
        (vec![(":method", "G T"), SCHEME, PATH, AT], M::RequestLine),
        (vec![GET, SCHEME, (":path", ""), AT], M::Target),
        (vec![GET, SCHEME, (":path", "a"), AT], M::Target),
        (vec![GET, SCHEME, (":path", "*"), AT], M::Target),
        (vec![GET, SCHEME, (":path", "/a b"), AT], M::Target),
        (vec![GET, SCHEME, (":path", "http://x/"), AT], M::Target),
        (vec![GET, SCHEME, PATH], M::HostMissing),
        (vec![GET, SCHEME, PATH, (":authority", "")], M::Host),
        (vec![GET, SCHEME, PATH, (":authority", "u@a")], M::Host),
        (vec![GET, SCHEME, PATH, (":authority", "a/b")], M::Host),
        (vec![GET, SCHEME, PATH, ("host", "")], M::Host),
        (with(("host", "b")), M::TwoHosts),
        (vec![GET, SCHEME, PATH, ("host", "a"), ("host", "a")], M::TwoHosts),
        // 8.5 and RFC 8441.
        (vec![connect, SCHEME, PATH, (":authority", "a:1")], M::PseudoField),
        (vec![connect, SCHEME, (":authority", "a:1")], M::PseudoField),
        (vec![connect, PATH, (":authority", "a:1")], M::PseudoField),
        (vec![connect, ("host", "a:1")], M::PseudoField),
        (vec![connect, AT], M::Target),
        (vec![connect, (":authority", "a:1"), ("content-length", "1")], M::ConnectWithBody),
        (vec![connect, (":protocol", "x"), SCHEME, PATH, ("host", "a")], M::PseudoField),
        (vec![connect, (":protocol", "x"), SCHEME, AT], M::PseudoField),
        (vec![connect, (":protocol", "x"), PATH, AT], M::PseudoField),
        (vec![connect, (":protocol", ""), SCHEME, PATH, AT], M::PseudoField),
        // RFC 9110 section 8.6.
        (with(("content-length", "x")), M::BadLength),
        (with(("content-length", "1, 1")), M::TwoLengths),
        ([&with(("content-length", "1"))[..], &[("content-length", "1")]].concat(), M::TwoLengths),
    ];
    // The name from a table, the value new: `user-agent`, then an entry of its own.
    let own = [0x40, 1, b'x', 1, b'y'];
    for literal in [&[0x0f, 43, 1, b'\n'][..], &[&own[..], &[0x7e, 1, b' ']].concat()] {
        let octets = [&block(&good), literal].concat();
        refused(&[(vec![frame(HEADERS, WHOLE, 3, &octets)], M::FieldValue.into())], &Settings::default());
    }
    for (fields, why) in &rows {
        for frames in [head(END_HEADERS, fields), head(WHOLE, fields)] {
            refused(&[(frames, (*why).into())], &Settings::default());
        }
    }
}

#[test]
fn the_content_is_as_long_as_it_was_said() {
    let data = |flags: u8, octets: &[u8]| frame(DATA, flags, 3, octets);
    let head = |length: &str| post(3, "/", &[("content-length", length)]);
    let end = |fields: &[(&str, &str)]| frame(HEADERS, WHOLE, 3, &block(fields));
    let good: &[(Vec<Vec<u8>>, Body, u64)] = &[
        (vec![head("3"), data(0, b"ab"), data(END_STREAM, b"c")], Body::Length(3), 3),
        (vec![head("003"), data(0, b"abc"), data(END_STREAM, b"")], Body::Length(3), 3),
        (vec![head("2"), data(PADDED, b"\x02abXX"), end(&[("x", "y")])], Body::Length(2), 2),
        (vec![head("0"), data(END_STREAM | PADDED, b"\x01X")], Body::Length(0), 0),
        (vec![post(3, "/", &[]), data(END_STREAM | PADDED, b"\x00")], Body::Stream, 0),
        (vec![post(3, "/", &[]), data(0, b"abc"), end(&[("te", "x"), ("host", "y")])], Body::Stream, 3),
        (vec![frame(HEADERS, WHOLE, 3, &request("GET", "/", &[("content-length", "0")]))], Body::Length(0), 0),
    ];
    for (frames, body, length) in good {
        let all = frames.concat().len() as u64;
        for feed in feeds(frames, &Settings::default()) {
            assert_eq!(feed.poison(), None, "{frames:?}");
            assert_eq!(feed.ends()[1], (start(), start() + all, *length), "{frames:?}");
            assert!(matches!(&feed.events[2], Event::Head { body: told, .. } if told == body), "{frames:?}");
        }
    }
    let differs = Poison::from(Malformed::LengthDiffers);
    let rows = [
        vec![head("3"), data(END_STREAM, b"ab")],
        vec![head("3"), data(0, b"abcd")],
        vec![head("3"), data(0, b"ab"), data(END_STREAM, b"")],
        vec![head("3"), data(0, b"ab"), end(&[])],
        vec![head("3"), data(END_STREAM | PADDED, b"\x01abX")],
        vec![frame(HEADERS, WHOLE, 3, &request("GET", "/", &[("content-length", "1")]))],
    ];
    refused(&rows.map(|frames| (frames, differs)), &Settings::default());
}

#[test]
fn trailers_are_fields_that_change_nothing_and_end_the_stream() {
    use Malformed as M;
    let row = |flags: u8, fields: &[(&str, &str)], why: Malformed| {
        (vec![post(3, "/", &[]), frame(HEADERS, flags, 3, &block(fields))], Poison::from(why))
    };
    let rows = [
        row(END_HEADERS, &[("x", "y")], M::Trailer),
        row(WHOLE, &[GET], M::Trailer),
        row(WHOLE, &[(":x", "")], M::Trailer),
        row(WHOLE, &[("content-length", "0")], M::Trailer),
        row(WHOLE, &[("transfer-encoding", "chunked")], M::Trailer),
        row(WHOLE, &[("X", "y")], M::FieldName),
        row(WHOLE, &[("x", "y ")], M::FieldValue),
    ];
    refused(&rows, &Settings::default());
}
