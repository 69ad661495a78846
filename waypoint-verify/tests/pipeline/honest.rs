//! What honest traffic may look like: none of it is a bypass, and what can be verified is.

use waypoint_verify::probe::{Kind, Side};

use crate::world::{BACKEND, CLIENT, CLIENT_IP, ENTRY, ENVOY, FIN, Path, RST, TARGET, World, texts};

fn octets(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

#[test]
fn a_client_that_gives_up_is_judged_by_what_the_target_read() {
    // Nothing was read, the head was, all of it was.
    for (taken, expected) in [(0, vec![]), (60, vec![]), (300, vec!["Verified"])] {
        let mut world = World::default();
        let mut path = Path::open(&mut world);
        for (place, text) in texts("POST", "/up", "Content-Length: 500\n").into_iter().enumerate().take(3) {
            world.request(path.connection(place), &text);
        }
        let last = octets(&texts("POST", "/up", "Content-Length: 500\n")[3]);
        let sent = last.len() as u64;
        world.data(&path.to_backend, Side::Active, 0, &last, 0);
        world.data(&path.to_backend, Side::Passive, 0, &last, 0);
        world.finish(&path.to_backend, u32::try_from(sent).unwrap(), RST);
        world.closed(&path.to_backend, Side::Active, sent.min(taken) + 1);
        world.closed(&path.to_backend, Side::Passive, sent.min(taken));
        for connection in [&path.to_upstream, &path.to_waypoint, &path.client] {
            world.close(connection);
        }
        world.tick(3000);
        assert_eq!(world.verdicts(), expected, "{taken} octets were taken");
        assert!(!world.unsettled());
    }
}

#[test]
fn pipelined_requests_are_all_verified() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    for place in 0..4 {
        let three: String = ["/1", "/2", "/3"].map(|target| texts("GET", target, "")[place].clone()).concat();
        world.request(path.connection(place), &three);
    }
    for _ in 0..3 {
        path.respond(&mut world);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"; 3]);
}

#[test]
fn segments_that_come_twice_late_or_in_another_order_change_nothing() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    for (place, text) in texts("GET", "/", "").into_iter().enumerate() {
        let bytes = octets(&text);
        let half = bytes.len() / 2;
        let (first, second) = bytes.split_at(half);
        let at = u32::try_from(half).unwrap();
        let connection = *path.connection(place);
        for (offset, piece) in [(0, first), (at, second), (0, first)] {
            world.data(&connection, Side::Active, offset, piece, 0);
        }
        for (offset, piece) in [(at, second), (0, first), (at, second), (0, &bytes[..])] {
            world.data(&connection, Side::Passive, offset, piece, 0);
        }
        path.connection(place).sent += u32::try_from(bytes.len()).unwrap();
        world.acknowledge(&connection, u32::try_from(bytes.len()).unwrap());
    }
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
}

#[test]
fn a_half_closed_connection_is_answered_and_verified() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    for place in 0..4 {
        let connection = *path.connection(place);
        world.finish(&connection, connection.sent, FIN);
        world.acknowledge(&connection, connection.sent + 1);
    }
    path.respond(&mut world);
    path.close(&mut world);
    world.tick(3000);
    assert_eq!(world.verdicts(), ["Verified"]);
}

/// With Fast Open, data are accepted and acknowledged before the end that dialled knows of the connection.
#[test]
fn with_fast_open_the_end_that_dialled_may_show_after_the_request() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.to_backend = world.plan(ENVOY, "10.244.1.100:40500", BACKEND, TARGET, TARGET);
    let texts = texts("GET", "/", "");
    for (place, text) in texts.iter().enumerate().take(3) {
        world.request(path.connection(place), text);
    }
    let last = octets(&texts[3]);
    world.create(&path.to_backend, 100);
    world.ticking = false;
    world.data(&path.to_backend, Side::Active, 0, &last, 0);
    world.open(&path.to_backend, Side::Passive);
    world.data(&path.to_backend, Side::Passive, 0, &last, 0);
    world.acknowledge(&path.to_backend, u32::try_from(last.len()).unwrap());
    world.tick(0);
    world.open(&path.to_backend, Side::Active);
    world.tick(2);
    path.to_backend.sent = u32::try_from(last.len()).unwrap();
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
    assert_eq!(world.tally().withdrawn, 0);
}

#[test]
fn a_proxy_may_reconnect_and_reuse_its_port() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    for round in 0..3 {
        path.request(&mut world, &format!("/{round}"), "");
        path.respond(&mut world);
        path.close(&mut world);
        path = Path::open(&mut world);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"; 3]);
}

#[test]
fn ipv6_and_mapped_addresses_are_the_same_sender() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.client = world.connect(CLIENT, &format!("[::ffff:{CLIENT_IP}]:40000"), ENVOY, ENTRY);
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
}

/// The gateway's opening was lost: in the drain before that of the target's own, or in the same one.
#[test]
fn an_end_that_was_lost_makes_nobody_a_bypass() {
    for before in [true, false] {
        let mut world = World::default();
        let mut path = Path::open(&mut world);
        world.ticking = before;
        path.to_backend = world.plan(0, "10.244.1.100:40500", BACKEND, TARGET, TARGET);
        if before {
            world.lose(Kind::Opened);
        }
        world.open(&path.to_backend, Side::Passive);
        path.request(&mut world, "/", "");
        if !before {
            world.lose(Kind::Opened);
        }
        world.tick(50);
        let verdicts = world.verdicts();
        assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| verdict == "Unverified(lost)"), "{verdicts:?}");
    }
}

#[test]
fn connections_older_than_the_probes_are_unverified_and_those_that_the_target_dialled_are_no_arrivals() {
    let mut world = World::default();
    world.stray(900, BACKEND, TARGET, "10.244.1.1:40000");
    world.stray(901, BACKEND, "10.244.1.4:43210", "10.96.0.10:53");
    assert_eq!(world.verdicts(), ["Unverified(predatesAgent)"]);

    // The dialling end was established a moment before the probes were there.
    let mut world = World::before_the_first_tick();
    let mut late = world.accept_unseen("10.244.1.100:40001", BACKEND, TARGET);
    world.tick(1);
    world.request(&mut late, "GET / HTTP/1.1\nHost: hello\n\n");
    world.tick(2);
    assert_eq!(world.verdicts(), ["Unverified(predatesAgent)"]);
}

#[test]
fn a_packet_that_is_seen_after_its_close_and_a_syn_with_data_that_was_refused_are_nothing() {
    let mut world = World::default();
    let mut direct = world.connect_by(7, CLIENT, "10.244.1.1:50000", BACKEND, TARGET, TARGET);
    world.request(&mut direct, "GET / HTTP/1.1\nHost: hello\n\n");
    world.close(&direct);
    world.data(&direct, Side::Passive, 0, b"GET / HTTP/1.1\r\n", 0);
    let refused = world.plan(0, "203.0.113.9:1", BACKEND, TARGET, TARGET);
    world.data(&refused, Side::Passive, 0, b"GET / HTTP/1.1\r\n", 0);
    for _ in 0..20 {
        world.tick(2);
    }
    assert_eq!(world.tally().requests, 1);
}
