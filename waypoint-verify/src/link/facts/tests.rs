//! Tables of facts.md J.

use std::net::IpAddr;

use super::{Facts, Forwarded, Trace, address};
use crate::link::testing::{hasher, request};

fn forwarded(lines: &[&str]) -> Option<Forwarded> {
    lines.iter().fold(request("GET /"), |request, line| request.with("X-Forwarded-For", line)).facts().forwarded
}

#[test]
fn what_envoy_sends_for_a_peer_is_the_list_it_received_and_the_peer() {
    let rows: [(&[&str], &str); 9] = [
        (&[], "10.0.0.9"),
        (&[""], "10.0.0.9"),
        (&["1.1.1.1"], "1.1.1.1,10.0.0.9"),
        (&["1.1.1.1,2.2.2.2 ,  3.3.3.3:99"], "1.1.1.1,2.2.2.2 ,  3.3.3.3:99,10.0.0.9"),
        (&["1.1.1.1", "2.2.2.2 "], "1.1.1.1,2.2.2.2,10.0.0.9"),
        (&["a,,b, "], "a,,b,,10.0.0.9"),
        (&[",", " , "], ",,,10.0.0.9"),
        (&["unknown"], "unknown, 10.0.0.9"),
        (&["\u{e9}"], "\u{e9},10.0.0.9"),
    ];
    for (entered, departed) in rows {
        let before = forwarded(entered).map_or(Forwarded::EMPTY, |forwarded| forwarded.all);
        let after = forwarded(&[departed]).unwrap();
        assert_eq!((after.rest, after.last), (before, address(b"10.0.0.9")), "{entered:?}");
    }
}

#[test]
fn lists_that_differ_in_an_element_are_told_apart() {
    let rows =
        ["10.0.0.9", "1.1.1.1,10.0.0.9", "1.1.1.2,10.0.0.9", "1.1.1.1,1.1.1.2,10.0.0.9", "1.1.1.2,1.1.1.1,10.0.0.9"];
    let rests: std::collections::BTreeSet<u64> = rows.iter().map(|row| forwarded(&[row]).unwrap().rest).collect();
    assert_eq!(rests.len(), rows.len());
}

#[test]
fn addresses_are_compared_as_addresses() {
    let rows = [
        ("10.0.0.9", Some("10.0.0.9")),
        ("::ffff:10.0.0.9", Some("10.0.0.9")),
        ("fd99:0:0::1", Some("fd99::1")),
        ("FD99::1", Some("fd99::1")),
        ("fe80::1%eth0", Some("fe80::1")),
        ("10.0.0.9:99", None),
        ("[fd99::1]", None),
        ("unknown", None),
        ("010.0.0.9", None),
        ("", None),
    ];
    for (text, expected) in rows {
        assert_eq!(address(text.as_bytes()), expected.map(|ip| ip.parse::<IpAddr>().unwrap()), "{text}");
    }
}

#[test]
fn a_trace_id_is_taken_from_one_well_formed_traceparent() {
    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    let good = format!("00-{ID}-b7ad6b7169203331-01");
    let number = Trace::One(u128::from_str_radix(ID, 16).unwrap());
    let rows: [(&[&str], Trace); 14] = [
        (&[], Trace::Absent),
        (&[&good], number),
        (&[&good.replace("-01", "-00")], number),
        (&[&format!("cc-{ID}-b7ad6b7169203331-01-what-the-future-adds")], number),
        (&[&good, &good], Trace::Unusable),
        (&[&good.to_uppercase()], Trace::Unusable),
        (&[&format!("{good}x")], Trace::Unusable),
        (&[&good.replace("00-0af", "ff-0af")], Trace::Unusable),
        (&[&good.replace(ID, "00000000000000000000000000000000")], Trace::Unusable),
        (&[&good[..54]], Trace::Unusable),
        (&[&good.replace("b7ad", "g7ad")], Trace::Unusable),
        (&[&good.replace("-01", "-0g")], Trace::Unusable),
        (&[&good.replace('a', "g")], Trace::Unusable),
        (&[""], Trace::Unusable),
    ];
    for (lines, expected) in rows {
        let request = lines.iter().fold(request("GET /"), |request, line| request.with("TraceParent", line));
        assert_eq!(request.facts().trace, expected, "{lines:?}");
    }
}

#[test]
fn what_the_proxies_change_by_themselves_is_not_compared() {
    let plain = request("GET /").facts().headers;
    let rows = [
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Expect",
        "Upgrade",
        "HTTP2-Settings",
        "Proxy-Connection",
        "Proxy-Authorization",
        "X-Envoy-Internal",
        "x-envoy-anything",
        "X-Forwarded-Proto",
        "X-Forwarded-Anything",
        "X-Request-Id",
        "Host",
        "Accept-Encoding",
        "User-Agent",
        "Content-Length",
        "Transfer-Encoding",
        "Via",
        "tracestate",
        "b3",
    ];
    for name in rows {
        assert_eq!(request("GET /").with(name, "7").facts().headers, plain, "{name}");
    }
    for name in
        ["Authorization", "Accept", "X-Forwarded", "Proxy", "X-Order-Id", "Cookie", "Content-Type", "X_under_score"]
    {
        assert_ne!(request("GET /").with(name, "7").facts().headers, plain, "{name}");
    }
}

#[test]
fn headers_are_equal_however_a_proxy_spells_orders_and_joins_them() {
    let rows = [
        (vec![("Accept", "a"), ("X-A", "1")], vec![("x-a", "1"), ("accept", "a")], true),
        (vec![("Accept", "a"), ("Accept", "b")], vec![("accept", "a,b")], true),
        (vec![("Accept", "a , b")], vec![("accept", "a,b")], true),
        (vec![("Accept", ""), ("Accept", "b")], vec![("accept", "b")], true),
        (vec![("Cookie", "a=1"), ("Cookie", "b=2")], vec![("cookie", "a=1; b=2")], true),
        (vec![("X-A", "a  b")], vec![("x-a", "a  b")], true),
        (vec![("X-A", "a  b")], vec![("x-a", "a b")], false),
        (vec![("X-A", "1"), ("X-A", "2")], vec![("x-a", "2"), ("x-a", "1")], false),
        (vec![("X-A", "1")], vec![("x-a", "2")], false),
        (vec![("Accept", "a,b")], vec![("accept", "ab")], false),
        (vec![("Cookie", "a=1; b")], vec![("cookie", "a=1b")], false),
        (vec![("X-A", "1")], vec![], false),
        (vec![("X-A", "")], vec![], false),
        (vec![("X-A", "v")], vec![("x-a", "V")], false),
    ];
    for (one, other, equal) in rows {
        let facts = |lines: &[(&str, &str)]| {
            lines.iter().fold(request("GET /"), |request, (name, value)| request.with(name, value)).facts().headers
        };
        assert_eq!(facts(&one) == facts(&other), equal, "{one:?} {other:?}");
    }
}

#[test]
fn targets_are_equal_where_only_go_escaped_them() {
    let rows = [
        ("/a\"b", "/a%22b", true),
        ("/a%2Fb\"", "/a/b%22", true),
        ("/caf\u{e9}", "/caf%C3%A9", true),
        ("/%2f", "/%2F", true),
        ("/a?q={x}", "/a?q=%7Bx%7D", true),
        ("//a/./b/../c", "//a/./b/../c", true),
        ("//a", "/a", false),
        ("/a/./b", "/a/b", false),
        ("/a", "/A", false),
        ("/a", "/a?", false),
        ("/%2522", "/%22", false),
        ("/%zz", "/%zz", true),
        ("/%", "/%", true),
        ("/%0", "/%00", false),
    ];
    for (one, other, equal) in rows {
        let target = |path: &str| request(&format!("GET {path}")).facts().target;
        assert_eq!(target(one) == target(other), equal, "{one} {other}");
    }
}

#[test]
fn an_authority_that_a_proxy_fills_in_or_cuts_is_none() {
    for (authority, known) in [("hello:80", true), ("", false), ("me@hello", false)] {
        assert_eq!(request("GET /").host(authority).facts().authority.is_some(), known, "{authority}");
    }
    assert_ne!(request("GET /").host("hello").facts().authority, request("GET /").host("hello:80").facts().authority);
}

#[test]
fn a_shadow_is_known_by_its_name() {
    let plain = |authority: &str| hasher().bytes(authority.as_bytes());
    let rows =
        [("hello-shadow", Some("hello")), ("hello-shadow:80", Some("hello:80")), ("hello", None), ("shadow:80", None)];
    for (authority, expected) in rows {
        assert_eq!(request("GET /").host(authority).facts().unshadowed, expected.map(plain), "{authority}");
    }
}

#[test]
fn connection_drops_only_what_is_there_and_would_be_compared() {
    let names = |connection: &str| -> Facts {
        request("GET /")
            .with("X-Gone", "1")
            .with("Traceparent", "x")
            .with("TE", "trailers")
            .with("Connection", connection)
            .facts()
    };
    for (connection, expected) in [
        ("close", 0),
        ("keep-alive, Upgrade, HTTP2-Settings, TE", 0),
        ("x-absent", 0),
        ("X-GONE", 1),
        ("close ,, x-gone , traceparent", 2),
    ] {
        assert_eq!(names(connection).dropped.len(), expected, "{connection}");
    }
}

#[test]
fn lines_of_x_request_id_are_one_as_envoy_joins_them() {
    let two = request("GET /").with("x-request-id", "a").with("X-Request-Id", "b ").facts().request_id;
    assert_eq!(two, request("GET /").with("x-request-id", "a,b").facts().request_id);
    assert_ne!(two, request("GET /").with("x-request-id", "b").facts().request_id);
}
