//! Who is watched: by cgroup, by the nearest ancestor, or by default up to a budget.

use std::net::UdpSocket;

use waypoint_verify::probe::{Config, Direction, Flags, Side};

use crate::world::{Connection, Seen, in_a_world, pattern};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn an_owner_without_flags_yields_openings_and_closes_only() {
    in_a_world(|world| {
        let all = Flags::ENTRIES | Flags::DEPARTURES | Flags::RESPONSES;
        let mut probe = world.probe(Config { default_flags: all, ..world.config() });
        probe.set_owner(world.root.id, Flags::NONE).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(REQUEST);
        connection.respond(REQUEST);
        connection.close();
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        assert_eq!((seen.created.len(), seen.opened.len()), (2, 2));
        assert!(seen.data.is_empty() && seen.notes.is_empty() && seen.strays.is_empty(), "{seen:#?}");
    });
}

#[test]
fn each_flag_yields_its_side_and_direction_only() {
    let rows = [
        (Flags::ENTRIES, Side::Passive, Direction::Request),
        (Flags::DEPARTURES, Side::Active, Direction::Request),
        (Flags::RESPONSES, Side::Passive, Direction::Response),
    ];
    in_a_world(|world| {
        for (flags, side, direction) in rows {
            let mut probe = world.probe(world.config());
            probe.set_owner(world.root.id, flags).unwrap();
            let listener = world.root.listen("127.0.0.1:0");
            let mut connection = Connection::open(&world.root, &listener);
            connection.request(REQUEST);
            connection.respond(REQUEST);
            connection.close();
            let mut seen = Seen::default();
            seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
            assert!(!seen.data.is_empty());
            assert!(seen.data.iter().all(|(data, _)| (data.side, data.direction) == (side, direction)), "{flags:?}");
            assert!(seen.notes.iter().all(|note| note.side == side), "{flags:?}");
        }
    });
}

#[test]
fn the_nearest_ancestor_with_an_owner_decides() {
    in_a_world(|world| {
        let pod = world.root.child("pod");
        let container = pod.child("container");
        let nested = container.child("nested");
        let deepest = nested.child("deepest");
        let mut probe = world.probe(world.config());
        let watched = |probe: &mut _| {
            let listener = deepest.listen("127.0.0.1:0");
            let mut connection = Connection::open(&world.root, &listener);
            connection.request(REQUEST);
            connection.close();
            let mut seen = Seen::default();
            seen.until(probe, "two closes", |seen| seen.closed.len() == 2);
            assert_eq!(seen.opening(Side::Passive).cgroup, deepest.id);
            !seen.data.is_empty()
        };
        assert!(!watched(&mut probe), "nobody asked");
        probe.set_owner(container.id, Flags::ENTRIES).unwrap();
        assert!(watched(&mut probe), "the container was asked for");
        probe.set_owner(nested.id, Flags::NONE).unwrap();
        assert!(!watched(&mut probe), "a nearer one says no");
        probe.remove_owner(nested.id).unwrap();
        probe.remove_owner(nested.id).unwrap();
        assert!(watched(&mut probe), "and is forgotten");
        probe.set_owners([(container.id, Flags::NONE), (pod.id, Flags::ENTRIES)]).unwrap();
        assert!(!watched(&mut probe), "the pod is further away");
    });
}

#[test]
fn a_change_of_owner_reaches_connections_that_are_open() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        connection.request(b"unwatched");
        probe.set_default_flags(Flags::ENTRIES).unwrap();
        connection.request(b"unclassified");
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        connection.request(b"classified");
        probe.set_owner(world.root.id, Flags::NONE).unwrap();
        connection.request(b"unwatched");
        connection.close();
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let told: Vec<_> = seen.data.iter().map(|(data, bytes)| (bytes.as_slice(), data.unclassified)).collect();
        assert_eq!(told, [(&b"unclassified"[..], true), (&b"classified"[..], false)]);
        assert!(seen.strays.is_empty(), "the opening was seen");
    });
}

#[test]
fn the_unclassified_are_copied_up_to_a_budget() {
    in_a_world(|world| {
        let config = Config { default_flags: Flags::ENTRIES, unclassified_budget: 5000, ..world.config() };
        let mut probe = world.probe(config);
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        for _ in 0..4 {
            connection.request(&pattern(2000));
        }
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        connection.request(b"classified at last");
        connection.close();
        let mut seen = Seen::default();
        seen.until(&mut probe, "two closes", |seen| seen.closed.len() == 2);
        let told: Vec<_> = seen.data.iter().map(|(data, bytes)| (bytes.len(), data.over_budget)).collect();
        assert_eq!(told, [(2000, false), (2000, false), (1000, true), (18, false)]);
    });
}

#[test]
fn packets_of_other_protocols_into_a_watched_container_are_counted() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let socket = world.root.within(|| UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = socket.local_addr().unwrap();
        for _ in 0..3 {
            socket.send_to(b"DNS", address).unwrap();
            socket.recv(&mut [0; 16]).unwrap();
        }
        assert_eq!(probe.totals().unwrap().not_tcp, 3);
        let mut seen = Seen::default();
        seen.until(&mut probe, "a packet", |seen| !seen.others.is_empty());
        seen.drain(&mut probe);
        let told: Vec<_> = seen.others.iter().map(|other| (other.protocol, other.local, other.quic)).collect();
        assert_eq!(told, [(17, address, false)], "once per socket");
    });
}

#[test]
fn the_first_datagram_of_a_quic_connection_is_told_of_as_such() {
    // First octet, version, octets; whether it is one.
    let rows = [
        (0xc3, 1, 1200, true),
        (0xc3, 0x6b33_43cf, 1200, true),
        (0xff, 0xff00_001d, 1400, true),
        (0xc0, 0x1a2a_3a4a, 1200, true),
        (0xc3, 1, 1199, false),
        (0x43, 1, 1200, false),
        (0xc3, 0x8180_0001, 1300, false),
        (0x01, 0x0100_0001, 1300, false),
    ];
    in_a_world(|world| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let mut probe = world.probe(world.config());
            probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
            let socket = world.root.within(|| UdpSocket::bind(address).unwrap());
            socket.send_to(b"something else first", socket.local_addr().unwrap()).unwrap();
            for (first, version, len, _) in rows {
                let mut datagram = vec![0; len];
                datagram[0] = first;
                datagram[1..5].copy_from_slice(&u32::to_be_bytes(version));
                socket.send_to(&datagram, socket.local_addr().unwrap()).unwrap();
            }
            let expected = rows.iter().filter(|(.., quic)| *quic).count();
            let mut seen = Seen::default();
            seen.until(&mut probe, "all of them", |seen| seen.others.len() > expected);
            seen.drain(&mut probe);
            assert_eq!(seen.others.iter().filter(|other| other.quic).count(), expected);
            assert_eq!(seen.others.len(), expected + 1);
        }
    });
}
