//! Copying: exact, skipped, cut, or lost and counted.

use std::collections::BTreeMap;

use waypoint_verify::probe::{Config, Direction, Flags, Kind, Passage, Side};

use crate::world::{Connection, Seen, in_a_world, pattern, run};

const MIB: usize = 1 << 20;

#[test]
fn bodies_of_any_size_are_copied_exactly() {
    // Listening address, bytes, largest packet on the loopback.
    let rows = [
        ("127.0.0.1:0", MIB, 65536),
        ("[::1]:0", MIB, 65536),
        ("127.0.0.1:0", 64 * MIB, 65536),
        // BIG TCP: a hop-by-hop header before TCP. (Debian 12's ip cannot set it for IPv4.)
        ("[::1]:0", 64 * MIB, 400_000),
    ];
    in_a_world(|world| {
        for (listen, len, largest) in rows {
            let largest = largest.to_string();
            run("ip", &["link", "set", "lo", "gso_max_size", &largest]);
            let server = world.root.child("server");
            // The ring holds it all: this test is about copying, not about keeping pace.
            let mut probe =
                world.probe(Config { ring_bytes: 256 << 20, owner_share: 100, window: 1 << 30, ..world.config() });
            probe.set_owner(server.id, Flags::ENTRIES).unwrap();
            let listener = server.listen(listen);
            let mut connection = Connection::open(&world.root, &listener);
            let body = pattern(len);
            connection.request(&body);
            connection.close();
            let mut seen = Seen::default();
            seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
            assert_eq!(seen.lost, 0);
            let passive = seen.opening(Side::Passive);
            let stream = seen.stream(passive.cookie, Direction::Request, passive.client_isn.wrapping_add(1));
            assert!(stream == body, "{listen}, {len} bytes: {} came, or others", stream.len());
            assert_eq!(seen.closing(Side::Passive).bytes_received, len as u64 + 1);
            let longest = seen.data.iter().map(|(data, _)| data.payload_len).max().unwrap();
            if largest != "65536" {
                assert!(longest > 65536, "{listen}: no BIG TCP, {longest} at most");
            }
            assert_eq!(probe.totals().unwrap(), Default::default());
        }
    });
}

#[test]
fn payloads_of_every_small_size_are_copied_exactly() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        let sizes = (1..=70).chain([127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097]);
        let mut sent = Vec::new();
        let mut seen = Seen::default();
        seen.until(&mut probe, "the opening", |seen| seen.opened.len() == 2);
        let passive = seen.opening(Side::Passive);
        let first = passive.client_isn.wrapping_add(1);
        for size in sizes.chain([16383, 16384, 16385, 32767, 32768, 40000]) {
            let bytes = pattern(size);
            connection.request(&bytes);
            sent.extend_from_slice(&bytes);
            probe.grant(passive.cookie, Direction::Request, first.wrapping_add(sent.len() as u32)).unwrap();
        }
        seen.until(&mut probe, "all of it", |seen| {
            seen.stream(passive.cookie, Direction::Request, first).len() == sent.len()
        });
        assert!(seen.stream(passive.cookie, Direction::Request, first) == sent);
    });
}

#[test]
fn what_is_granted_is_skipped_and_what_follows_is_not() {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 67108864\r\n\r\n";
    const NEXT: &[u8] = b"GET /next HTTP/1.1\r\n\r\n";
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(HEAD);
        let mut seen = Seen::default();
        seen.until(&mut probe, "the head", |seen| !seen.data.is_empty());
        let passive = seen.opening(Side::Passive);
        let start = passive.client_isn.wrapping_add(1 + HEAD.len() as u32);
        let end = start.wrapping_add(64 << 20);
        probe.grant(passive.cookie, Direction::Request, end).unwrap();
        seen = Seen::default();
        connection.request(&pattern(64 * MIB));
        connection.request(NEXT);
        connection.close();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let copied: Vec<u8> = seen.data.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(copied, NEXT, "{} records", seen.data.len());
        assert!(seen.data.iter().all(|(data, _)| data.seq.wrapping_add(data.skipped) == end && !data.truncated));
        // Nothing of the skipped is acknowledged in a note, but its end and what follows are.
        let acks = seen.notes.iter().filter(|note| note.passage == Passage::Out);
        let beyond: Vec<i32> = acks.map(|note| note.ack.wrapping_sub(end) as i32).collect();
        assert!(beyond.iter().all(|beyond| *beyond >= 0), "{beyond:?}");
        assert!(beyond.iter().any(|beyond| *beyond >= NEXT.len() as i32), "{beyond:?}");
        assert_eq!(seen.lost, 0);
    });
}

#[test]
fn nothing_beyond_the_window_is_copied_and_it_is_said() {
    in_a_world(|world| {
        let mut probe = world.probe(Config { window: 10_000, calm_window: 10_000, ..world.config() });
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        let body = pattern(30_000);
        connection.request(&body);
        let mut seen = Seen::default();
        let on_the_wire = |seen: &Seen| seen.data.iter().map(|(data, _)| data.payload_len as usize).sum::<usize>();
        seen.until(&mut probe, "the body", |seen| on_the_wire(seen) >= body.len());
        let passive = seen.opening(Side::Passive);
        let first = passive.client_isn.wrapping_add(1);
        assert!(seen.stream(passive.cookie, Direction::Request, first) == body[..10_000]);
        assert!(seen.data.iter().any(|(data, _)| data.truncated));
        // A grant moves the window.
        probe.grant(passive.cookie, Direction::Request, first.wrapping_add(30_000)).unwrap();
        connection.request(b"more");
        seen.until(&mut probe, "more", |seen| seen.data.iter().any(|(_, bytes)| bytes == b"more"));
    });
}

#[test]
fn a_response_is_copied_within_its_window_and_skipped_by_its_own_grant() {
    in_a_world(|world| {
        let mut probe = world.probe(Config { window: 10_000, calm_window: 50_000, ..world.config() });
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::RESPONSES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(b"GET / HTTP/1.1\r\n\r\n");
        let response = pattern(100_000);
        connection.respond(&response);
        let mut seen = Seen::default();
        let written = |seen: &Seen| {
            let responses = seen.data.iter().filter(|(data, _)| data.direction == Direction::Response);
            responses.map(|(data, _)| data.payload_len).sum::<u32>()
        };
        seen.until(&mut probe, "the response", |seen| written(seen) >= 100_000);
        let passive = seen.opening(Side::Passive);
        let first = passive.server_isn.wrapping_add(1);
        assert!(seen.stream(passive.cookie, Direction::Response, first) == response[..50_000]);
        assert!(seen.data.iter().any(|(data, _)| data.truncated));

        // 64 MiB are skipped but for the last byte, and the grant of the one direction is none of the other's.
        let (len, end) = (64 * MIB, first.wrapping_add(100_000 + (64 << 20)));
        probe.grant(passive.cookie, Direction::Response, end.wrapping_sub(1)).unwrap();
        seen = Seen::default();
        connection.respond(&pattern(len));
        connection.request(b"GET /next HTTP/1.1\r\n\r\n");
        connection.close();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let copied = |direction| {
            let data = seen.data.iter().filter(move |(data, _)| data.direction == direction);
            // What is sent twice (a tail-loss probe of a busy machine) is copied twice.
            let by_place: BTreeMap<_, _> =
                data.map(|(data, bytes)| (data.seq.wrapping_add(data.skipped), bytes)).collect();
            by_place.into_values().flatten().copied().collect::<Vec<_>>()
        };
        assert_eq!(copied(Direction::Response), pattern(len)[len - 1..]);
        assert_eq!(copied(Direction::Request), b"GET /next HTTP/1.1\r\n\r\n");
        assert!(seen.data.len() < 5, "{} records", seen.data.len());
    });
}

#[test]
fn a_response_is_copied_far_only_while_the_ring_is_calm() {
    in_a_world(|world| {
        let mut probe = world.probe(Config {
            ring_bytes: 256 << 10,
            owner_share: 100,
            window: 10_000,
            calm_window: 1 << 20,
            ..world.config()
        });
        probe.set_owner(world.root.id, Flags::RESPONSES).unwrap();
        // Each has a share of its own: what one must not take the next may.
        let servers = ["first", "second", "third"].map(|name| world.root.child(name));
        for server in &servers {
            let listener = server.listen("127.0.0.1:0");
            Connection::open(&world.root, &listener).respond(&pattern(500_000));
        }
        let mut seen = Seen::default();
        seen.drain(&mut probe);
        assert_eq!(seen.lost, 0);
        let copied: usize = seen.data.iter().map(|(_, bytes)| bytes.len()).sum();
        // What fits into a half, and 10,000 of each connection that came later.
        assert!((64 << 10..220 << 10).contains(&copied), "{copied}");
    });
}

#[test]
fn an_evicted_grant_was_kept_by_its_socket() {
    in_a_world(|world| {
        let mut probe = world.probe(Config { window: 1000, ..world.config() });
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        let mut seen = Seen::default();
        seen.until(&mut probe, "the opening", |seen| seen.opened.len() == 2);
        let passive = seen.opening(Side::Passive);
        let first = passive.client_isn.wrapping_add(1);
        connection.request(&pattern(5000));
        probe.grant(passive.cookie, Direction::Request, first.wrapping_add(5000)).unwrap();
        connection.request(b"read");
        // As many others as there is room for.
        for cookie in 0..70_000 {
            probe.grant(1 << 40 | cookie, Direction::Request, 0).unwrap();
        }
        connection.request(b"and remembered");
        seen.until(&mut probe, "both", |seen| seen.data.iter().any(|(_, bytes)| bytes == b"and remembered"));
    });
}

#[test]
fn a_ring_that_is_too_small_loses_counts_and_disturbs_nothing() {
    in_a_world(|world| {
        let mut probe = world.probe(Config { ring_bytes: 4096, ..world.config() });
        probe.set_owner(world.root.id, Flags::ENTRIES | Flags::DEPARTURES | Flags::RESPONSES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut seen = Seen::default();
        for round in 0..50 {
            // Every byte is checked at the other end.
            let mut connection = Connection::open(&world.root, &listener);
            for len in [100, 3000, 50_000] {
                connection.request(&pattern(len));
                connection.respond(&pattern(len));
            }
            connection.close();
            if round % 10 == 0 {
                seen.drain(&mut probe);
            }
        }
        let drained = seen.drain(&mut probe);
        let lost = probe.totals().unwrap().lost;
        assert_eq!(lost.records(), seen.lost, "the drains told of every loss");
        assert!(drained.lost.is_empty(), "all of it was somebody's");
        assert_eq!(drained.lost_of.iter().map(|of| of.cgroup).collect::<Vec<_>>(), [world.root.id]);
        for kind in [Kind::Opened, Kind::Data, Kind::Note, Kind::Closed] {
            assert!(lost[kind].records > 0, "{kind:?} of {lost:?}");
        }
        assert!(lost[Kind::Data].bytes > 50 * 50_000);
        // Of 100 ends, what was not lost was seen.
        assert_eq!(seen.opened.len() as u64 + lost[Kind::Opened].records, 100);
        assert_eq!(seen.closed.len() as u64 + lost[Kind::Closed].records, 100);
    });
}
