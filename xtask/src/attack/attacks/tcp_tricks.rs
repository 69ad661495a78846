//! E15, E16, E20, E21. A client with a TCP of its own sends what a reader might see otherwise than the backend: segments with a wrong
//! checksum, out of window, with old timestamps, overlapping ones with other octets, fragments, IPv6 extension headers, data in the
//! SYN, no final ACK, a sequence number that wraps, urgent data, a reset in flight.
//!
//! The sender is known by its socket, so that each is Bypassed(DirectConnection), whatever its octets are; and the other request,
//! which TCP drops, is never shown. A raw socket of a pod is nobody's TCP socket: the connection has no dialling end that any hook
//! saw, and its source is a pod's address, so the kind is UnknownSender.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::raw_tcp::{Extension, Open, RawTcp, Segment, Step};
use crate::tools::run;

pub const ATTACK: Attack = Attack {
    name: "tcp-tricks",
    source: "E15 E16 E20 E21",
    about: "a TCP of its own: wrong checksums, overlaps, fragments, extension headers, data in the SYN",
    setting: Setting::Own,
    play,
};

/// Smaller fragments of IPv6 do not pass a node: its connection tracking drops them.
const V6_FRAGMENT: usize = 1240;

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let four = stage.lab.pod("hello-backend-1")?;
    let six: IpAddr = stage.lab.plan().pod("hello-backend-1")?.address.ipv6.context("not dual-stack")?.into();
    let six = SocketAddr::new(six, four.port());
    for (name, to, trick) in tricks(four, six) {
        let path = stage.bypass(name, [("Bypassed(UnknownSender)", Count::Exactly(1))]);
        let evil = stage.refused(&format!("{name}-dropped"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let script = trick(to, &request, &format!("GET {evil} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let report = run(&stage.lab.client("client-1")?, &script).with_context(|| name.to_owned())?;
        stage.claim(&format!("{name}: the backend served it: {}", report.answer), report.answer.contains(&path));
        if let Some(local) = report.local {
            stage.sent_from(&path, local);
        }
    }
    stage.settle()?;
    stage.exits(&[1])
}

pub(super) type Trick = fn(SocketAddr, &str, &str) -> RawTcp;

/// Each with its name and place; a script for a request, and for another one that TCP must drop.
pub(super) fn tricks(four: SocketAddr, six: SocketAddr) -> Vec<(&'static str, SocketAddr, Trick)> {
    vec![
        ("plain", four, |to, text, _| exchange(to, text, vec![Segment::new(0, text)])),
        ("plain-ipv6", six, |to, text, _| exchange(to, text, vec![Segment::new(0, text)])),
        ("wrong-checksum", four, |to, text, evil| {
            exchange(to, text, vec![Segment::new(0, evil).wrong_checksum(), Segment::new(0, text)])
        }),
        ("old-timestamp", four, |to, text, evil| {
            exchange(to, text, vec![Segment::new(0, evil).timestamp_shift(-60_000), Segment::new(0, text)]).timestamps()
        }),
        ("out-of-window", four, |to, text, evil| {
            exchange(to, text, vec![Segment::new(1 << 30, evil), Segment::new(0, text)])
        }),
        ("tiny-segments", four, |to, text, _| {
            let each = text.bytes().zip(0..).map(|(octet, at)| Segment::new(at, [octet]));
            exchange(to, text, each.collect())
        }),
        ("out-of-order", four, |to, text, _| {
            let half = text.len() / 2;
            exchange(to, text, vec![Segment::new(half as i64, &text[half..]), Segment::new(0, &text[..half])])
        }),
        ("sequence-wrap", four, |to, text, _| exchange(to, text, vec![Segment::new(0, text)]).isn(u32::MAX - 5)),
        ("keep-alive-probe", four, |to, text, _| {
            exchange(to, text, vec![Segment::new(0, "G"), Segment::new(0, "x"), Segment::new(0, text)])
        }),
        ("data-in-the-syn", four, |to, text, evil| {
            exchange(to, text, vec![Segment::new(0, text)]).open(Open::WithData(evil.into()))
        }),
        ("no-final-ack", four, |to, text, _| {
            exchange(to, text, vec![Segment::new(0, text)]).open(Open::WithoutFinalAck)
        }),
        ("fragments", four, |to, text, _| exchange(to, text, vec![Segment::new(0, text).fragment(16)])),
        ("fragments-ipv6", six, |to, text, _| {
            let text = text.replace("Host", &format!("X-Large: {}\r\nHost", "x".repeat(3 * V6_FRAGMENT)));
            exchange(to, &text, vec![Segment::new(0, &text).fragment(V6_FRAGMENT)])
        }),
        ("hop-by-hop", six, |to, text, _| {
            exchange(to, text, vec![Segment::new(0, text).extensions(&[Extension::HopByHop])])
        }),
        ("all-extensions", six, |to, text, _| {
            let all = [Extension::HopByHop, Extension::Destination, Extension::AtomicFragment];
            exchange(to, text, vec![Segment::new(0, text).extensions(&all)])
        }),
        ("urgent", four, |to, text, _| {
            let half = text.len() / 2;
            let first = Segment::new(0, &text[..half]).urgent(1).flags("PAU");
            exchange(to, text, vec![first, Segment::new(half as i64, &text[half..])])
        }),
        ("overlap-differs", four, |to, text, evil| {
            let half = text.len() / 2;
            let segments = [
                Segment::new(0, &text[..half]),
                Segment::new(0, &evil[..half]),
                Segment::new(half as i64, &text[half..]),
            ];
            exchange(to, text, segments.to_vec())
        }),
    ]
}

/// Sends these, waits for the answer to all of `text`, and closes.
fn exchange(to: SocketAddr, text: &str, segments: Vec<Segment>) -> RawTcp {
    let length = text.len() as i64;
    let sends = segments.into_iter().map(Step::Send);
    RawTcp::new(to, sends.chain([Step::Acked(length), Step::Answer("hello from".to_owned()), Step::Close(length)]))
}
