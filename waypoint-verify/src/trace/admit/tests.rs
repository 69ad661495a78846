use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::probe::{Direction, Side, TcpFlags};

const ACK: u8 = 0x10;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const V4: (&str, &str) = ("10.0.0.1:8084", "10.0.0.2:40000");
const V6: (&str, &str) = ("[fd00::1]:8084", "[fd00::2]:40000");

/// A header with these options, and a checksum that is right for these octets.
fn header((local, remote): (&str, &str), options: &[u8], bytes: &[u8]) -> Vec<u8> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let mut header = vec![0; 20];
    header[..2].copy_from_slice(&address(remote).port().to_be_bytes());
    header[2..4].copy_from_slice(&address(local).port().to_be_bytes());
    header[13] = ACK;
    header.extend_from_slice(options);
    header[12] = u8::try_from(header.len() / 4).unwrap() << 4;
    // By the book (RFC 9293, 3.1), octet by octet.
    let octets = |text: &str| match address(text).ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut all = [octets(local), octets(remote), vec![0, 6]].concat();
    all.extend(u32::try_from(header.len() + bytes.len()).unwrap().to_be_bytes());
    all.extend([header.clone(), bytes.to_vec()].concat());
    let mut sum: u32 = 0;
    for (at, octet) in all.iter().enumerate() {
        sum += u32::from(*octet) << if at % 2 == 0 { 8 } else { 0 };
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let field = !u16::try_from(sum).unwrap();
    header[16..18].copy_from_slice(&field.to_be_bytes());
    header
}

fn timestamps(tsval: u32) -> Vec<u8> {
    let mut options = vec![1, 1, 8, 10];
    options.extend(tsval.to_be_bytes());
    options.extend([0; 4]);
    options
}

fn data<'a>((local, remote): (&str, &str), seq: u32, next: Option<u32>, header: &'a [u8], bytes: &'a [u8]) -> Data<'a> {
    Data {
        ts: 0,
        cookie: 1,
        cgroup: 1,
        direction: Direction::Request,
        side: Side::Passive,
        seq,
        ack: 1,
        rcv_nxt: next,
        payload_len: u32::try_from(bytes.len()).unwrap(),
        skipped: 0,
        bytes,
        header,
        tcp_flags: TcpFlags(ACK),
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        listener_owned: false,
        truncated: false,
        copy_failed: false,
        unclassified: false,
        over_budget: false,
    }
}

#[test]
fn what_the_receiver_has_is_left_out() {
    // Sequence number, what is expected, flags; what is left: where it starts, its octets.
    let late = u32::MAX - 1;
    type Left<'a> = Result<(u32, &'a [u8]), Dropped>;
    let rows: [(u32, Option<u32>, u8, Left<'_>); 16] = [
        (100, Some(100), ACK, Ok((100, b"hello"))),
        (100, None, ACK, Ok((100, b"hello"))),
        (102, Some(100), ACK, Ok((102, b"hello"))),
        (98, Some(100), ACK, Ok((100, b"llo"))),
        (95, Some(100), ACK, Err(Dropped::Old)),
        (94, Some(100), ACK, Err(Dropped::Old)),
        (95, Some(100), ACK | FIN, Ok((100, b""))),
        (94, Some(100), ACK | FIN, Err(Dropped::Old)),
        (late, Some(late), ACK, Ok((late, b"hello"))),
        (late, Some(1), ACK, Ok((1, b"lo"))),
        (1, Some(late), ACK, Ok((1, b"hello"))),
        (100 + (64 << 20) + 1, Some(100), ACK, Err(Dropped::FarAhead)),
        (100, Some(100), 0, Err(Dropped::Flags)),
        (100, Some(100), SYN | ACK, Err(Dropped::Flags)),
        (100, None, SYN, Ok((100, b"hello"))),
        (100, Some(100), RST | ACK, Err(Dropped::Flags)),
    ];
    for (seq, next, flags, expected) in rows {
        let header = header(V4, &[], b"hello");
        let data = Data { tcp_flags: TcpFlags(flags), ..data(V4, seq, next, &header, b"hello") };
        let admitted = Admission::default().admit(&data);
        assert_eq!(admitted.map(|segment| (segment.seq, segment.bytes)), expected, "{seq} {next:?} {flags}");
        if let Ok(segment) = admitted {
            assert_eq!(segment.payload_len as usize, segment.bytes.len());
            assert_eq!(segment.fin, flags & FIN != 0);
        }
    }
}

#[test]
fn what_was_skipped_is_left_out_first() {
    // Skipped, old; skipped then, octets then.
    let rows: [(u32, u32, u32, &[u8]); 3] = [(10, 4, 6, b"hello"), (10, 12, 0, b"llo"), (0, 1, 0, b"ello")];
    for (skipped, old, skipped_then, bytes) in rows {
        let data = Data { skipped, payload_len: skipped + 5, ..data(V4, 100, Some(100 + old), &[], b"hello") };
        let segment = Admission::default().admit(&data).unwrap();
        assert_eq!((segment.seq, segment.skipped, segment.bytes), (100 + old, skipped_then, bytes));
        assert_eq!(segment.payload_len, skipped + 5 - old);
    }
}

#[test]
fn a_wrong_checksum_is_dropped_and_one_that_is_to_be_made_is_not() {
    for ends in [V4, V6] {
        for bytes in [&b"hello"[..], b"hello!", b"\xff\xff\xff\xff\0"] {
            let right = header(ends, &timestamps(7), bytes);
            let admit = |header: &[u8], bytes: &[u8]| {
                Admission::default().admit(&data(ends, 1, Some(1), header, bytes)).map(|segment| segment.seq)
            };
            assert_eq!(admit(&right, bytes), Ok(1));
            let mut other = bytes.to_vec();
            other[1] ^= 1;
            assert_eq!(admit(&right, &other), Err(Dropped::Checksum));
            let mut wrong = right.clone();
            wrong[17] ^= 0x10;
            assert_eq!(admit(&wrong, bytes), Err(Dropped::Checksum));
            // CHECKSUM_PARTIAL: of addresses, protocol and length only, and not complemented.
            let partial = fold(pseudo_header(&data(ends, 1, None, &right, bytes)));
            wrong[16..18].copy_from_slice(&u16::try_from(partial).unwrap().to_be_bytes());
            assert_eq!(admit(&wrong, bytes), Ok(1));
            assert_eq!(admit(&wrong, &bytes[1..]), Err(Dropped::Checksum), "of another length");
            // Not all of it is there to be summed.
            wrong[17] ^= 0x10;
            let cut = Data { payload_len: 1000, ..data(ends, 1, Some(1), &wrong, bytes) };
            assert!(Admission::default().admit(&cut).is_ok());
            assert_eq!(admit(&[], bytes), Ok(1));
        }
    }
}

#[test]
fn an_old_timestamp_is_dropped() {
    // Sequence number (100 is expected), timestamp; whether it is taken.
    let rows = [
        (100, Some(50), true),
        (100, Some(49), false),
        (100, None, true),
        (100, Some(50), true),
        // Ahead of what is expected: TCP does not note its timestamp.
        (200, Some(90), true),
        (100, Some(60), true),
        (100, Some(50), false),
        // Half of all numbers are older.
        (100, Some(61 + (1 << 31)), false),
        (100, Some(60 + (1 << 31)), true),
        (100, Some(61), false),
    ];
    let mut admission = Admission::new(Some(50));
    for (row, (seq, tsval, taken)) in rows.into_iter().enumerate() {
        let options = tsval.map(timestamps).unwrap_or_default();
        let header = header(V4, &options, b"hello");
        let admitted = admission.admit(&data(V4, seq, Some(100), &header, b"hello"));
        let expected = if taken { None } else { Some(Dropped::Timestamp) };
        assert_eq!(admitted.err(), expected, "row {row}");
    }
    // One that is dropped for another reason says nothing of time.
    let mut admission = Admission::new(None);
    let mut wrong = header(V4, &timestamps(1000), b"hello");
    wrong[16] ^= 1;
    assert!(admission.admit(&data(V4, 100, Some(100), &wrong, b"hello")).is_err());
    let right = header(V4, &timestamps(5), b"hello");
    assert!(admission.admit(&data(V4, 100, Some(100), &right, b"hello")).is_ok());
}

#[test]
fn timestamps_are_found_wherever_they_stand() {
    let rows: [(&[u8], Option<u32>); 9] = [
        (&[], None),
        (&[1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0], Some(258)),
        (&[8, 10, 0, 0, 0, 3, 0, 0, 0, 0, 1, 1], Some(3)),
        (&[2, 4, 5, 6, 8, 10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0], Some(4)),
        (&[0, 1, 8, 10, 0, 0, 0, 3, 0, 0, 0, 0], None),
        (&[8, 9, 0, 0, 0, 3, 0, 0, 0, 1, 1, 1], None),
        (&[8, 10, 0, 0], None),
        (&[30, 0, 8, 10, 0, 0, 0, 3, 0, 0, 0, 0], None),
        (&[1, 1, 1, 8], None),
    ];
    for (options, expected) in rows {
        assert_eq!(timestamp(&[&[0; 20], options].concat()), expected, "{options:?}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_without_harm(header in proptest::collection::vec(any::<u8>(), 0..60),
        bytes in proptest::collection::vec(any::<u8>(), 0..40), seq: u32, next: Option<u32>, skipped in 0u32..50,
        flags: u8, more in 0u32..50) {
        let payload_len = skipped + u32::try_from(bytes.len()).unwrap() + more;
        let tcp_flags = TcpFlags(flags);
        let data = Data { skipped, payload_len, tcp_flags, ..data(V4, seq, next, &header, &bytes) };
        if let Ok(segment) = Admission::default().admit(&data) {
            let end = |seq: u32, len: u32| seq.wrapping_add(len);
            prop_assert_eq!(end(segment.seq, segment.payload_len), end(seq, payload_len));
            prop_assert!(segment.skipped as usize + segment.bytes.len() <= segment.payload_len as usize);
            prop_assert!(bytes.ends_with(segment.bytes));
            if let Some(next) = next {
                prop_assert!(segment.seq.wrapping_sub(next).cast_signed() >= 0);
            }
        }
    }

    /// Any sum that is right by the book is right here.
    #[test]
    fn a_right_checksum_is_never_dropped(bytes in proptest::collection::vec(any::<u8>(), 1..3000), v6: bool, tsval: u32) {
        let ends = if v6 { V6 } else { V4 };
        let header = header(ends, &timestamps(tsval), &bytes);
        prop_assert!(Admission::default().admit(&data(ends, 1, Some(1), &header, &bytes)).is_ok());
    }
}
