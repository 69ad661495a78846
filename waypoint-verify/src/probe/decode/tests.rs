use waypoint_verify_ebpf::record::{LAYOUT, flag};

use super::*;

/// The bytes of a record: what the kernel side writes.
fn bytes<T: Plain>(record: T, payload: &[u8]) -> Vec<u8> {
    // SAFETY: T is repr(C) without padding.
    let head = unsafe { std::slice::from_raw_parts((&raw const record).cast::<u8>(), size_of::<T>()) };
    [head, payload].concat()
}

fn header(kind: u32, flags: u32) -> wire::Header {
    wire::Header { kind, flags, ts: 11, cookie: 12, cgroup: 13 }
}

fn tuple() -> wire::Tuple {
    let mut local = [0; 16];
    local[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);
    wire::Tuple { local, remote: Ipv6Addr::LOCALHOST.octets(), local_port: 8084, remote_port: 40000 }
}

fn data_of(flags: u32, payload_len: u32, skipped: u32, captured_len: u32) -> wire::Data {
    wire::Data {
        header: header(kind::DATA, flags),
        seq: 1,
        ack: 2,
        rcv_nxt: 3,
        payload_len,
        skipped,
        captured_len,
        tuple: tuple(),
        tcp_flags: 0x18,
        side: side::PASSIVE,
        hook: hook::INGRESS,
        header_len: 0,
    }
}

fn note_of(side: u8, hook: u8) -> wire::Note {
    wire::Note { header: header(kind::NOTE, 0), seq: 1, ack: 2, payload_len: 0, tcp_flags: 0x11, side, hook, pad: 0 }
}

fn opened_record() -> wire::Opened {
    wire::Opened {
        header: header(kind::OPENED, flag::MPTCP | flag::TIMESTAMP),
        client_isn: 1,
        server_isn: 2,
        tuple: tuple(),
        tsval: 7,
        side: side::ACTIVE,
        pad: 0,
        pad2: 0,
        pad3: 0,
    }
}

fn created_record() -> wire::Created {
    wire::Created {
        header: header(kind::CREATED, 0),
        tgid: 1,
        tid: 2,
        family: 10,
        sock_type: 1,
        protocol: 6,
        pad: 0,
        comm: *b"caddy\0\0\0\0\0\0\0\0\0\0\0",
    }
}

fn closed_record() -> wire::Closed {
    wire::Closed {
        header: header(kind::CLOSED, 0),
        bytes_received: 100,
        bytes_acked: 200,
        snd_nxt: 1,
        rcv_nxt: 2,
        side: side::PASSIVE,
        old_state: 9,
        pad: 0,
        pad2: 0,
    }
}

fn stray_record() -> wire::Stray {
    wire::Stray {
        header: header(kind::STRAY, flag::UNCLASSIFIED),
        packet: tuple(),
        socket: tuple(),
        seq: 1,
        ack: 2,
        payload_len: 3,
        tcp_flags: 0x18,
        hook: hook::EGRESS,
        state: 1,
        pad: 0,
    }
}

fn other_record() -> wire::Other {
    wire::Other { header: header(kind::OTHER, flag::QUIC), tuple: tuple(), protocol: 17, sock_type: 2 }
}

#[test]
fn the_layout_has_no_hidden_padding() {
    for (name, size, sum) in LAYOUT.into_iter().chain(waypoint_verify_ebpf::map::LAYOUT) {
        assert_eq!(size, sum, "{name}");
    }
    let sizes = LAYOUT.map(|(name, size, _)| (name, size));
    let expected = [
        ("Header", 32),
        ("Tuple", 36),
        ("Created", 64),
        ("Opened", 88),
        ("Data", 96),
        ("Note", 48),
        ("Closed", 64),
        ("Stray", 120),
        ("Other", 72),
    ];
    assert_eq!(sizes, expected);
}

#[test]
fn every_kind_is_decoded_and_no_other_length() {
    let rows = [
        bytes(created_record(), b""),
        bytes(opened_record(), b""),
        bytes(data_of(0, 5, 0, 5), b"hello"),
        bytes(note_of(side::PASSIVE, hook::EGRESS), b""),
        bytes(closed_record(), b""),
        bytes(stray_record(), b""),
    ];
    for row in rows {
        let kind = row[0];
        decode(&row).unwrap_or_else(|error| panic!("kind {kind}: {error}"));
        for len in 0..row.len() {
            let short = decode(&row[..len]);
            assert!(
                matches!(short, Err(DecodeError::Short { .. } | DecodeError::Length { .. })),
                "kind {kind}, {len} bytes: {short:?}"
            );
        }
        let long = [row.as_slice(), b"x"].concat();
        assert!(matches!(decode(&long), Err(DecodeError::Length { .. })), "kind {kind}");
    }
}

#[test]
fn what_is_no_record_is_refused() {
    let rows: [(Vec<u8>, DecodeError); 8] = [
        (vec![], DecodeError::Short { kind: 0, len: 0, least: 4 }),
        (vec![0; 64], DecodeError::Kind(0)),
        (vec![0xff; 64], DecodeError::Kind(u32::MAX)),
        (bytes(note_of(0, hook::EGRESS), b""), DecodeError::Side(0)),
        (bytes(note_of(side::ACTIVE, 3), b""), DecodeError::Hook(3)),
        (bytes(data_of(0, 5, 0, 6), b"hello!"), DecodeError::Slice { payload_len: 5, skipped: 0, captured: 6 }),
        (
            bytes(data_of(0, 5, u32::MAX, 1), b"!"),
            DecodeError::Slice { payload_len: 5, skipped: u32::MAX, captured: 1 },
        ),
        (
            bytes(data_of(0, u32::MAX, 0, u32::MAX), b"!"),
            DecodeError::Length { kind: kind::DATA, len: 97, expected: 96 + u32::MAX as usize },
        ),
    ];
    for (row, expected) in rows {
        assert_eq!(decode(&row), Err(expected));
    }
}

#[test]
fn fields_are_where_they_belong() {
    let Ok(Record::Created(created)) = decode(&bytes(created_record(), b"")).map(own) else { panic!() };
    assert_eq!((created.tgid, created.tid, created.family, created.sock_type, created.protocol), (1, 2, 10, 1, 6));
    assert_eq!(created.comm.to_string(), "caddy");
    let Ok(Record::Opened(opened)) = decode(&bytes(opened_record(), b"")).map(own) else { panic!() };
    assert_eq!((opened.ts, opened.cookie, opened.cgroup), (11, 12, 13));
    assert_eq!((opened.side, opened.client_isn, opened.server_isn, opened.mptcp), (Side::Active, 1, 2, true));
    assert_eq!(opened.tsval, Some(7));
    assert_eq!((opened.local.to_string(), opened.remote.to_string()), ("10.0.0.1:8084".into(), "[::1]:40000".into()));
    let Ok(Record::Closed(closed)) = decode(&bytes(closed_record(), b"")).map(own) else { panic!() };
    assert_eq!((closed.bytes_received, closed.bytes_acked, closed.old_state), (100, 200, 9));
    let Ok(Record::Stray(stray)) = decode(&bytes(stray_record(), b"")).map(own) else { panic!() };
    assert_eq!((stray.passage, stray.state, stray.payload_len, stray.unclassified), (Passage::Out, 1, 3, true));
    let Ok(Record::Other(other)) = decode(&bytes(other_record(), b"")).map(own) else { panic!() };
    assert_eq!((other.protocol, other.sock_type, other.quic, other.unclassified), (17, 2, true, false));
}

#[test]
fn directions_follow_from_side_and_hook() {
    let rows = [
        (side::PASSIVE, hook::INGRESS, Direction::Request),
        (side::PASSIVE, hook::EGRESS, Direction::Response),
        (side::ACTIVE, hook::EGRESS, Direction::Request),
        (side::ACTIVE, hook::INGRESS, Direction::Response),
    ];
    for (side, hook, direction) in rows {
        let row = bytes(wire::Data { side, hook, ..data_of(0, 1, 0, 1) }, b"x");
        let Ok(Record::Data(data)) = decode(&row) else { panic!() };
        assert_eq!(data.direction, direction);
    }
}

#[test]
fn what_was_left_out_of_a_payload_is_told() {
    // Flags, payload, skipped, captured; then truncated, failed, has rcv_nxt.
    let rows = [
        (0, 5, 0, 5, (false, false, true)),
        (0, 5, 2, 3, (false, false, true)),
        (flag::TRUNCATED_BY_WINDOW, 9, 2, 3, (true, false, true)),
        (flag::TRUNCATED_BY_WINDOW, 900, 0, 5, (true, false, true)),
        (flag::COPY_FAILED, 5, 0, 0, (false, true, true)),
        (flag::LISTENER_OWNED, 5, 0, 5, (false, false, false)),
    ];
    for (flags, payload_len, skipped, captured, expected) in rows {
        let row = bytes(data_of(flags, payload_len, skipped, captured), &b"hello"[..captured as usize]);
        let Ok(Record::Data(data)) = decode(&row) else { panic!("{flags}") };
        assert_eq!((data.truncated, data.copy_failed, data.rcv_nxt.is_some()), expected, "{flags}");
        assert_eq!(data.bytes.len() as u32, captured);
    }
    // After a failed copy, what had been reserved follows unwritten.
    let failed = bytes(data_of(flag::COPY_FAILED, 5, 0, 0), b"?????");
    assert!(matches!(decode(&failed), Ok(Record::Data(data)) if data.bytes.is_empty() && data.copy_failed));
}

#[test]
fn a_tcp_header_stands_before_the_payload() {
    let record = wire::Data { header_len: 20, ..data_of(0, 5, 0, 5) };
    let row = bytes(record, b"twenty octets of TCPhello");
    let Ok(Record::Data(data)) = decode(&row) else { panic!() };
    assert_eq!((data.header, data.bytes), (&b"twenty octets of TCP"[..], &b"hello"[..]));
    assert!(decode(&bytes(record, b"shorter than it says")).is_err());
    // Found by fuzzing: one that is cut off was nothing, where no payload follows.
    let record = wire::Data { header_len: 20, ..data_of(0, 5, 0, 0) };
    assert!(decode(&bytes(record, b"cut off")).is_err());
}

/// Records without payload outlive the bytes that they were decoded from.
fn own(record: Record<'_>) -> Record<'static> {
    match record {
        Record::Created(created) => Record::Created(created),
        Record::Opened(opened) => Record::Opened(opened),
        Record::Note(note) => Record::Note(note),
        Record::Closed(closed) => Record::Closed(closed),
        Record::Stray(stray) => Record::Stray(stray),
        Record::Other(other) => Record::Other(other),
        Record::Data(data) => panic!("{data:?} borrows"),
    }
}
