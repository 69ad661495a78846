//! What was lost, forgotten or never seen makes nothing Verified, and nothing disappears with it.

use waypoint_verify::judge::{self, PolicyVerdict};
use waypoint_verify::model::{CompiledPolicy, WatchList};
use waypoint_verify::probe::{Kind, Side};
use waypoint_verify::trace::Limits;

use crate::world::{
    ATTACKER, BACKEND, CLIENT, ENVOY, INGRESS_IP, Path, TARGET, UPSTREAM, World, container, gateway_guards, policy,
    texts, watch_list, waypoint_guards,
};

fn watch() -> WatchList {
    watch_list(CompiledPolicy { entry: None, ..policy() }, gateway_guards(), waypoint_guards())
}

/// Rows: kind of record that was lost while everything was open, and what the request that came after says.
#[test]
fn every_connection_that_was_open_when_an_opening_or_close_was_lost_is_unverified() {
    for kind in [Kind::Opened, Kind::Closed, Kind::Created, Kind::Stray] {
        let mut world = World::default();
        let mut path = Path::open(&mut world);
        world.lose(kind);
        path.request(&mut world, "/", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), ["Unverified(lost)"], "{kind:?}");
        assert_eq!(world.tally().verdict(1), PolicyVerdict::Unknown);
    }
}

/// Until the entry is acknowledged, another one may have come before it unseen.
#[test]
fn lost_data_make_doubtful_what_departs_before_its_cause_is_acknowledged() {
    for (acknowledged_late, expected) in [(true, "Unverified(lost)"), (false, "Verified")] {
        let mut world = World::default();
        let mut path = Path::open(&mut world);
        path.request(&mut world, "/1", "");
        path.respond(&mut world);
        world.tick(50);
        world.lose(Kind::Data);
        if acknowledged_late {
            for (place, text) in texts("GET", "/2", "").into_iter().enumerate() {
                let (connection, octets) = (*path.connection(place), text.replace('\n', "\r\n").into_bytes());
                for side in [Side::Active, Side::Passive] {
                    world.data(&connection, side, connection.sent, &octets, 0);
                }
                path.connection(place).sent += u32::try_from(octets.len()).unwrap();
            }
            for place in 0..4 {
                let connection = *path.connection(place);
                world.acknowledge(&connection, connection.sent);
            }
        } else {
            path.request(&mut world, "/2", "");
        }
        path.respond(&mut world);
        world.tick(50);
        path.request(&mut world, "/3", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), ["Verified", expected, "Verified"]);
        assert_eq!(world.tally().verdict(1), PolicyVerdict::Unknown, "what was lost may have been a bypass");
    }
}

/// One entry, and a departure that was lost: what the waypoint makes up then must not be paid for by that entry.
#[test]
fn a_lost_departure_does_not_free_its_payer_for_another_one() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let texts = texts("GET", "/", "");
    world.request(&mut path.client, &texts[0]);
    world.request(&mut path.to_waypoint, &texts[1]);
    for place in [2, 3] {
        world.request(path.connection(place), &texts[place]);
    }
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
    world.lose(Kind::Data);
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(lost)"]);
    assert_eq!(world.tally().withdrawn, 1);
}

#[test]
fn octets_that_were_acknowledged_unseen_are_a_gap() {
    let mut world = World::default();
    let path = Path::open(&mut world);
    world.acknowledge(&path.to_backend, 50);
    let mut direct = world.connect_by(7, ATTACKER, "10.244.1.66:1", BACKEND, TARGET, TARGET);
    direct.sent = 50;
    world.close(&direct);
    let mut verdicts = world.verdicts();
    verdicts.sort();
    assert_eq!(verdicts, ["Bypassed(DirectConnection)", "Unverified(gap)"]);
}

#[test]
fn a_flood_of_one_pods_connections_makes_nobody_elses_unverified() {
    let bounds = judge::Limits { connections: 64, ..judge::Limits::default() };
    for closing in [true, false] {
        let mut world = World::bounded(watch(), Limits::default(), bounds.clone());
        let mut path = Path::open(&mut world);
        for port in 0..200 {
            let flood = world.connect_by(7, ATTACKER, &format!("10.244.1.66:{}", 1000 + port), CLIENT, TARGET, TARGET);
            if closing {
                world.close(&flood);
            }
        }
        path.request(&mut world, "/", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), ["Verified"], "{closing}");
    }
}

#[test]
fn a_connection_that_was_closed_and_forgotten_before_its_request_was_final_is_no_bypass() {
    for (of, expected) in [(ENVOY, "Unverified(evicted)"), (ATTACKER, "Verified")] {
        let bounds = judge::Limits { connections: 16, ..judge::Limits::default() };
        let mut world = World::bounded(watch(), Limits::default(), bounds);
        let mut path = Path::open(&mut world);
        path.request(&mut world, "/", "");
        world.respond(&mut path.to_backend);
        world.close(&path.to_backend);
        for port in 0..50 {
            let flood = world.connect_by(7, of, &format!("10.244.1.66:{}", 1000 + port), CLIENT, TARGET, TARGET);
            world.close(&flood);
        }
        for connection in [&mut path.to_upstream, &mut path.to_waypoint, &mut path.client] {
            world.respond(connection);
        }
        world.tick(50);
        assert_eq!(world.verdicts(), [expected], "a flood of {of}");
    }
}

#[test]
fn a_flood_of_requests_withdraws_what_was_provisional() {
    let bounds = judge::Limits { messages: 8, ..judge::Limits::default() };
    let mut world = World::bounded(watch(), Limits::default(), bounds);
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    let mut other = world.connect(CLIENT, "10.244.1.1:40100", ENVOY, crate::world::ENTRY);
    let mut elsewhere = world.connect(ENVOY, "10.244.1.100:40101", CLIENT, "10.244.1.1:80");
    for round in 0..20 {
        let texts = texts("GET", &format!("/flood{round}"), "");
        world.request(&mut other, &texts[0]);
        world.request(&mut elsewhere, &texts[1]);
    }
    world.tick(1);
    world.tick(1);
    assert_eq!(world.verdicts(), ["Unverified(evicted)"]);
    assert_eq!((world.tally().provisional, world.tally().withdrawn), (0, 1));
}

#[test]
fn more_sockets_than_are_followed_blind_the_oldest_of_the_owner_that_has_most() {
    let mut world = World::bounded(watch(), Limits { sockets: 20, ..Limits::default() }, judge::Limits::default());
    let mut path = Path::open(&mut world);
    for port in 0..20 {
        world.connect(ENVOY, &format!("{INGRESS_IP}:{}", 1000 + port), BACKEND, TARGET);
    }
    path.request(&mut world, "/", "");
    world.tick(50);
    assert!(!world.verdicts().is_empty());
    assert!(world.verdicts().iter().all(|verdict| verdict == "Unverified(bound)"), "{:?}", world.verdicts());
}

#[test]
fn a_flood_of_sockets_of_one_owner_blinds_nobody_else() {
    let mut world = World::bounded(watch(), Limits { sockets: 20, ..Limits::default() }, judge::Limits::default());
    let mut path = Path::open(&mut world);
    for port in 0..50 {
        let own = "10.244.1.66:80";
        world.connect_by(7, ATTACKER, &format!("10.244.1.66:{}", 1000 + port), ATTACKER, own, own);
    }
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
}

#[test]
fn what_one_owner_loses_touches_its_own_sockets_only() {
    // Whose openings were lost; what a request says that came after.
    let rows = [(ATTACKER, "Verified"), (BACKEND, "Unverified(lost)"), (ENVOY, "Unverified(noDeparture)")];
    for (of, expected) in rows {
        let mut world = World::default();
        let mut path = Path::open(&mut world);
        world.lose_of(of, Kind::Opened);
        path.request(&mut world, "/", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), [expected], "{of}");
        let named = world.counters().lost_by_owner.values().sum::<u64>();
        assert_eq!(named, 1, "{of}");
    }
}

/// A proxy's socket whose creation was not seen may belong to any process of its container.
#[test]
fn a_departure_from_a_socket_of_unknown_creation_is_unverified() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let to_upstream = world.plan(crate::world::CADDY, "10.244.1.3:41002", ENVOY, UPSTREAM, UPSTREAM);
    world.open(&to_upstream, Side::Active);
    world.open(&to_upstream, Side::Passive);
    path.to_upstream = to_upstream;
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(predatesAgent)"]);
}

#[test]
fn a_predating_connection_into_the_waypoint_may_have_caused_what_its_peer_could() {
    let mut world = World::default();
    world.stray(900, crate::world::CADDY, crate::world::WAYPOINT, &format!("{INGRESS_IP}:39999"));
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(predatesAgent)"]);
}

#[test]
fn a_connection_that_is_older_than_the_probes_is_told_once_however_it_is_found() {
    for stray_first in [false, true] {
        let mut world = World::default();
        let (local, remote) = (TARGET.parse().unwrap(), "10.244.1.66:1000".parse().unwrap());
        let found =
            |world: &mut World| world.beside(|tracer, out| tracer.older(&container(BACKEND), local, remote, 1, out));
        if !stray_first {
            found(&mut world);
        }
        world.stray(7777, BACKEND, TARGET, "10.244.1.66:1000");
        found(&mut world);
        world.tick(1);
        assert_eq!(world.verdicts(), ["Unverified(predatesAgent)"], "{stray_first}");
    }
}

#[test]
fn while_something_can_redirect_octets_no_connection_is_verified() {
    // Before or after the connections were opened; whether it is gone when the request comes.
    for (before, gone) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::default();
        let why = || Some("sk_msg".to_owned());
        if before {
            world.beside(|tracer, out| tracer.redirected(why(), 1, out));
        }
        let mut path = Path::open(&mut world);
        if !before {
            world.beside(|tracer, out| tracer.redirected(why(), 1, out));
        }
        if gone {
            world.beside(|tracer, out| tracer.redirected(None, 1, out));
        }
        path.request(&mut world, "/", "");
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), ["Unverified(notCovered)"], "{before} {gone}");
    }
    let mut world = World::default();
    world.beside(|tracer, out| tracer.redirected(Some("sk_msg".to_owned()), 1, out));
    world.beside(|tracer, out| tracer.redirected(None, 1, out));
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"], "connections that were opened after it was gone");
}

#[test]
fn what_is_no_tcp_is_named_and_quic_is_unverified() {
    let mut world = World::default();
    for _ in 0..2 {
        world.datagram(BACKEND, "10.244.1.66:53", "10.244.1.4:40000", false);
        world.datagram(BACKEND, "10.244.1.66:500", TARGET, false);
        world.datagram(CLIENT, "10.244.1.66:500", "10.244.1.1:443", true);
        world.datagram(BACKEND, "10.244.1.66:500", TARGET, true);
    }
    world.tick(1);
    assert_eq!(world.verdicts(), ["Unverified(opaque)"], "once for each peer");
    let named: Vec<_> = world.counters().other_protocols.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let backend = container(BACKEND);
    let expected =
        ["QUIC to port 8084", "UDP from port 53", "UDP to port 8084"].map(|name| format!("{name} into {backend}"));
    assert_eq!(named, expected.each_ref().map(|name| (name.as_str(), 2)));
}

#[test]
fn a_container_that_can_get_requests_past_its_kernel_is_told_once() {
    let mut world = World::default();
    for _ in 0..2 {
        world.beside(|tracer, out| tracer.can_be_bypassed(&container(BACKEND), "a packet socket", 1, out));
        world.beside(|tracer, out| tracer.can_be_bypassed(&container(CLIENT), "a packet socket", 1, out));
    }
    world.tick(1);
    assert_eq!(world.verdicts(), ["Unverified(notCovered)"]);
}
