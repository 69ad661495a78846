//! The TCP client over raw sockets.

use std::net::{IpAddr, SocketAddr};

use xtask::lab::{Lab, Topology, privileged};
use xtask::tools;
use xtask::tools::raw_tcp::{Extension, Open, RawTcp, Report, Segment, Step};

const REQUEST: &str = "GET /tool HTTP/1.1\r\nHost: h\r\n\r\n";
const OTHER: &str = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n";
const LENGTH: i64 = REQUEST.len() as i64;

/// Smaller fragments of IPv6 do not pass a node: its connection tracking drops them.
const V6_FRAGMENT: usize = 1240;

/// Sends these, then waits for the answer to the request and closes.
fn exchange(to: SocketAddr, segments: Vec<Segment>) -> RawTcp {
    let sends = segments.into_iter().map(Step::Send);
    RawTcp::new(to, sends.chain([Step::Acked(LENGTH), Step::Answer("hello from".to_owned()), Step::Close(LENGTH)]))
}

/// A request that needs several fragments.
fn large(to: SocketAddr, reversed: bool) -> RawTcp {
    let text = REQUEST.replace("Host", &format!("X-Large: {}\r\nHost", "x".repeat(3 * V6_FRAGMENT)));
    let length = text.len() as i64;
    let mut segment = Segment::new(0, text).fragment(V6_FRAGMENT);
    segment.fragments_reversed = reversed;
    RawTcp::new(
        to,
        [Step::Send(segment), Step::Acked(length), Step::Answer("hello from".to_owned()), Step::Close(length)],
    )
}

fn request() -> Segment {
    Segment::new(0, REQUEST)
}

#[test]
fn what_the_raw_client_sends_is_what_the_backend_takes() {
    if !privileged::available("what_the_raw_client_sends_is_what_the_backend_takes") {
        return;
    }
    let lab = Lab::up(&Topology::standard()).unwrap();
    let v4 = lab.pod("hello-backend-1").unwrap();
    let pod = lab.plan().pod("hello-backend-1").unwrap();
    let v6 = SocketAddr::new(IpAddr::V6(pod.address.ipv6.unwrap()), v4.port());
    let place = lab.client("client-1").unwrap();
    let run = |name: &str, script: RawTcp| -> Report {
        tools::run(&place, &script).unwrap_or_else(|error| panic!("{name}: {error:#}"))
    };
    let half = REQUEST.len() / 2;
    let tiny = REQUEST.bytes().enumerate().map(|(at, octet)| Segment::new(at as i64, [octet])).collect();
    // Wherever the other request's octets arrive as well, the answer says which the backend took.
    let rows: Vec<(&str, RawTcp)> = vec![
        ("plain", exchange(v4, vec![request()])),
        ("plain IPv6", exchange(v6, vec![request()])),
        ("wrong checksum", exchange(v4, vec![Segment::new(0, OTHER).wrong_checksum(), request()])),
        ("old timestamp", exchange(v4, vec![Segment::new(0, OTHER).timestamp_shift(-60_000), request()]).timestamps()),
        ("out of window", exchange(v4, vec![Segment::new(1 << 30, OTHER), request()])),
        ("tiny segments", exchange(v4, tiny)),
        (
            "out of order",
            exchange(v4, vec![Segment::new(half as i64, &REQUEST[half..]), Segment::new(0, &REQUEST[..half])]),
        ),
        (
            "overlap, the first wins",
            exchange(
                v4,
                vec![
                    Segment::new(0, &REQUEST[..half]),
                    Segment::new(0, &OTHER[..half]),
                    Segment::new(half as i64, &REQUEST[half..]),
                ],
            ),
        ),
        ("sequence wrap", exchange(v4, vec![request()]).isn(u32::MAX - 5)),
        ("keep-alive probe", exchange(v4, vec![Segment::new(0, "G"), Segment::new(0, "x"), request()])),
        ("data in the SYN", exchange(v4, vec![request()]).open(Open::WithData(OTHER.into()))),
        ("no final ACK", exchange(v4, vec![request()]).open(Open::WithoutFinalAck)),
        ("fragments", exchange(v4, vec![request().fragment(16)])),
        ("fragments IPv6", large(v6, false)),
        ("fragments IPv6, the last first", large(v6, true)),
        ("hop by hop", exchange(v6, vec![request().extensions(&[Extension::HopByHop])])),
        (
            "all extensions",
            exchange(
                v6,
                vec![request().extensions(&[Extension::HopByHop, Extension::Destination, Extension::AtomicFragment])],
            ),
        ),
    ];
    for (name, script) in rows {
        let report = run(name, script);
        assert!(report.answer.contains("X-Lab-Uri: /tool"), "{name}: {report:?}");
        assert!(!report.answer.contains("400 Bad"), "{name}: {report:?}");
        assert_eq!(report.resets, 0, "{name}: {report:?}");
    }
    let reset = run(
        "reset in flight",
        RawTcp::new(
            v4,
            [
                Step::Send(Segment::new(0, &REQUEST[..half])),
                Step::Acked(half as i64),
                Step::Send(Segment::new(half as i64, []).flags("R")),
                Step::Send(Segment::new(half as i64, &REQUEST[half..])),
                Step::Ended,
            ],
        ),
    );
    assert_eq!((reset.answer.as_str(), reset.resets), ("", 1));
    lab.down().unwrap();
}
