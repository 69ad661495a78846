//! A response is never said to have ended before its last octet was written, whatever was copied of it.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use waypoint_verify::wire::{Asked, ResponseEvent, ResponseStream, Segment, Settings, Which};

const ISN: u32 = u32::MAX - 500;

/// What was asked, the octets of the answer, and whether its end can be told from them.
fn exchange() -> impl Strategy<Value = (Asked, Vec<u8>, bool)> {
    let known = |asked: Asked, text: String| (asked, text.into_bytes(), true);
    prop_oneof![
        4 => (0..3000usize).prop_map(move |n| {
            let content = "\r\nHTTP/1.1 200 OK\r\n\r\n".repeat(200);
            known(Asked::Other, format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n{}", &content[..n]))
        }),
        3 => vec(1..900usize, 0..4).prop_map(move |sizes| {
            let chunks: String = sizes.iter().map(|n| format!("{n:x}\r\n{}\r\n", "0".repeat(*n))).collect();
            known(Asked::Other, format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"))
        }),
        1 => Just(known(Asked::Head, "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n".into())),
        1 => Just(known(Asked::Other, "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n".into())),
        1 => Just((Asked::Other, b"HTTP/1.1 200 OK\r\n\r\nto the end".to_vec(), false)),
        1 => Just((Asked::Other, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81\x05hello".to_vec(), false)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_end_is_told_before_its_last_octet_was_written(
        exchanges in vec(exchange(), 1..8),
        packets in vec((1..2000usize, 0..600usize, any::<bool>(), any::<bool>()), 1..40),
        all in any::<bool>(),
    ) {
        let mut stream = ResponseStream::new(ISN, &Arc::new(Settings::default()));
        let mut out = Vec::new();
        let mut octets = Vec::new();
        let mut ends = Vec::new();
        for (asked, answer, _) in &exchanges {
            stream.request(*asked, 0, &mut out);
            octets.extend(answer);
            ends.push(octets.len());
        }
        let mut written = 0;
        for (at, (size, copied, again, lost)) in (1..).zip(packets.into_iter().cycle()) {
            let from = if again { written - size.min(written) / 2 } else { written };
            let to = octets.len().min(from + size.max(written - from + 1));
            let copied = if all { to - from } else { copied.min(to - from) };
            if all || !lost {
                let seq = ISN.wrapping_add(1).wrapping_add(u32::try_from(from).unwrap());
                let payload_len = u32::try_from(to - from).unwrap();
                let bytes = &octets[from..from + copied];
                stream.segment(Segment { seq, payload_len, bytes, ..Segment::default() }, at, &mut out);
            }
            written = to;
            for (n, event) in out.iter().filter(|event| matches!(event, ResponseEvent::Ended { .. })).enumerate() {
                let ResponseEvent::Ended { which, .. } = *event else { unreachable!() };
                prop_assert_eq!(which, Which::Nth(n as u64));
                prop_assert!(ends[n] <= written, "{} ended at {}, written {}", n, ends[n], written);
            }
            if written == octets.len() {
                break;
            }
        }
        let told = out.iter().filter(|event| matches!(event, ResponseEvent::Ended { .. })).count();
        let knowable = exchanges.iter().take_while(|(_, _, known)| *known).count();
        prop_assert!(told <= knowable);
        if all {
            prop_assert_eq!(told, knowable);
        }
    }
}
