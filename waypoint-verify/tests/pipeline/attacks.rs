//! What an attacker may try so that his request looks verified, or is not seen at all.

use waypoint_verify::model::{CompiledPolicy, ExemptFrom, Exemption, WatchList};
use waypoint_verify::probe::Side;

use crate::world::{
    ATTACKER, BACKEND, CADDY, CLIENT, CLIENT_IP, ENTRY, ENVOY, FIN, HOST, INGRESS_IP, OTHER, Path, RST, TARGET,
    UPSTREAM, WAYPOINT_IP, World, gateway_guards, policy, texts, watch_list, waypoint_guards,
};

const ATTACKER_ADDRESS: &str = "10.244.1.66:666";
const GET: &str = "GET / HTTP/1.1\nHost: hello\n\n";

fn last_hop(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\nhost: hello\nx-forwarded-for: {INGRESS_IP},{WAYPOINT_IP}\nx-request-id: new{path}\n\n"
    )
}

/// A raw socket chooses the client's initial number, and by choosing the moment also the server's (RFC 6528).
#[test]
fn a_second_connection_with_the_numbers_of_a_genuine_one_is_a_conflict() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.tick(50);
    let mut forged = world.plan(0, ATTACKER_ADDRESS, BACKEND, TARGET, TARGET);
    (forged.client_isn, forged.server_isn) = (path.to_backend.client_isn, path.to_backend.server_isn);
    world.open(&forged, Side::Passive);
    world.request(&mut forged, &last_hop("/"));
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(conflict)"]);
    assert_eq!(
        (world.tally().verified, world.tally().withdrawn),
        (0, 1),
        "and what it was confused with is taken back"
    );
}

#[test]
fn nor_does_a_forged_connection_to_the_gateway_pass_for_that_of_the_waypoint() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    path.client = world.connect(CLIENT, "10.244.1.1:40900", ENVOY, ENTRY);
    world.tick(50);
    let mut forged = world.plan(0, "10.244.1.3:666", ENVOY, UPSTREAM, UPSTREAM);
    (forged.client_isn, forged.server_isn) = (path.to_upstream.client_isn, path.to_upstream.server_isn);
    world.open(&forged, Side::Passive);
    world.request(
        &mut forged,
        &format!("GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: {INGRESS_IP}\nX-Request-Id: /\n\n"),
    );
    world.request(&mut path.to_backend, &last_hop("/"));
    assert_eq!(world.verdicts(), ["Verified", "Unverified(conflict)"]);
}

/// Envoy dials the attacker's pod, who answers with the numbers of his own raw connection to the target.
#[test]
fn a_man_in_the_middle_who_makes_two_connections_one_is_found_by_the_address_that_was_dialled() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    let mut to_attacker = world.plan(ENVOY, "10.244.1.100:40010", BACKEND, "10.244.1.66:8084", TARGET);
    world.create(&to_attacker, 100);
    world.open(&to_attacker, Side::Active);
    world.open(&to_attacker, Side::Passive);
    for (place, text) in [(0, GET.to_owned()), (3, last_hop("/"))] {
        match place {
            0 => world.request(&mut path.client, &text),
            _ => world.request(&mut to_attacker, &text),
        }
    }
    assert_eq!(world.verdicts()[1], "Unverified(conflict)");
}

/// Rows: a packet that the receiver's TCP throws away, sent after the first `offset` octets; then the request.
#[test]
fn a_forged_end_of_a_connection_hides_nothing_that_follows() {
    let half_close = "POST / HTTP/1.1\r\nHost: hello\r\nContent-Length: 3\r\n\r\n";
    for (before, flag) in [("", FIN), ("G", FIN), ("GET / HTTP/1.1\r\nHost:", FIN), (half_close, FIN), ("G", RST)] {
        let mut world = World::default();
        let mut direct = world.connect_by(7, ATTACKER, ATTACKER_ADDRESS, BACKEND, TARGET, TARGET);
        let text = if before == half_close { format!("{before}abc") } else { GET.replace('\n', "\r\n") };
        let at = u32::try_from(before.len()).unwrap();
        world.data(&direct, Side::Passive, 0, before.as_bytes(), 0);
        world.acknowledge(&direct, at);
        world.finish(&direct, at, flag);
        world.data(&direct, Side::Passive, at, &text.as_bytes()[before.len()..], 0);
        direct.sent = u32::try_from(text.len()).unwrap();
        world.acknowledge(&direct, direct.sent);
        assert!(!world.verdicts().is_empty(), "{before:?}");
        assert!(world.verdicts().iter().all(|verdict| verdict == "Bypassed(DirectConnection)"), "{before:?}");
    }
}

#[test]
fn what_only_the_kernels_count_at_close_shows_after_a_forged_end_is_told() {
    let mut world = World::default();
    let mut direct = world.connect_by(7, ATTACKER, ATTACKER_ADDRESS, BACKEND, TARGET, TARGET);
    world.data(&direct, Side::Passive, 0, b"G", 0);
    world.finish(&direct, 1, FIN);
    direct.sent = 40;
    world.close(&direct);
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"]);
}

/// A reset before the delayed ACK: the target's application reads what is in its queue all the same.
#[test]
fn a_request_that_was_reset_before_its_ack_is_judged_by_the_kernels_count() {
    for (taken, verdicts) in [(28, 1), (0, 0)] {
        let mut world = World::default();
        let direct = world.connect_by(7, ATTACKER, ATTACKER_ADDRESS, BACKEND, TARGET, TARGET);
        world.data(&direct, Side::Passive, 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), 0);
        world.finish(&direct, 28, RST);
        world.closed(&direct, Side::Passive, if taken == 0 { 0 } else { 27 });
        world.tick(50);
        assert_eq!(world.verdicts().len(), verdicts, "{taken}");
        assert!(!world.unsettled());
    }
}

#[test]
fn a_request_whose_body_never_ends_is_not_hidden_by_it() {
    let mut world = World::default();
    let mut direct = world.connect_by(7, ATTACKER, ATTACKER_ADDRESS, BACKEND, TARGET, TARGET);
    world.request(&mut direct, "POST / HTTP/1.1\nHost: hello\nTransfer-Encoding: chunked\n\n1\na\n");
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"]);
}

fn exempting(from: ExemptFrom) -> WatchList {
    let exempt = vec![Exemption { from, ports: [8084].into(), reason: "declared".into() }];
    watch_list(CompiledPolicy { exempt, ..policy() }, gateway_guards(), waypoint_guards())
}

#[test]
fn an_exemption_covers_what_the_named_sender_sent_and_nobody_elses() {
    let by_pod = || ExemptFrom::Pods(["uid-client".to_owned()].into());
    // Directly, by the pod and by another one.
    let mut world = World::new(exempting(by_pod()));
    for (from, address) in [(CLIENT, "10.244.1.1:50000"), (ATTACKER, ATTACKER_ADDRESS)] {
        let mut direct = world.connect_by(7, from, address, BACKEND, TARGET, TARGET);
        world.request(&mut direct, GET);
    }
    assert_eq!((world.tally().exempt["declared"], world.tally().bypasses()), (1, 1));

    // Through a gateway that does not lead past the waypoint: equal requests of both, so that either may be the cause.
    let guards = waypoint_verify::model::Guards { forwarded_for: Default::default(), ..gateway_guards() };
    let exempt = vec![Exemption { from: by_pod(), ports: [8084].into(), reason: "declared".into() }];
    for (senders, exempted) in [(&[CLIENT][..], true), (&[CLIENT, ATTACKER], false)] {
        let watch =
            watch_list(CompiledPolicy { exempt: exempt.clone(), ..policy() }, guards.clone(), waypoint_guards());
        let mut world = World::new(watch);
        let mut path = Path::open(&mut world);
        for sender in senders {
            let mut connection = world.connect(*sender, "10.244.1.1:40100", ENVOY, OTHER);
            world.request(&mut connection, GET);
        }
        world.request(&mut path.to_backend, &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {CLIENT_IP}\n\n"));
        assert_eq!(world.verdicts(), ["Bypassed(RouteBypass)"]);
        assert_eq!(world.tally().bypasses() == 0, exempted, "{senders:?}");
    }
}

#[test]
fn only_a_process_of_the_node_is_the_kubelet() {
    let mut world = World::new(exempting(ExemptFrom::Kubelet));
    for (from, address) in [(HOST, "192.168.0.1:5000"), (ATTACKER, ATTACKER_ADDRESS)] {
        let mut direct = world.connect_by(7, from, address, BACKEND, TARGET, TARGET);
        world.request(&mut direct, GET);
    }
    assert_eq!((world.tally().exempt["declared"], world.tally().bypasses()), (1, 1));
}

#[test]
fn an_exempt_waypoint_does_not_exempt_what_cannot_be_told_of_its_requests() {
    let mut world = World::new(exempting(ExemptFrom::Pods(["uid-waypoint".to_owned()].into())));
    let mut path = Path::open(&mut world);
    // Nobody can say what entered here, so the waypoint's departure may have come by it.
    let mut opaque = world.connect(ATTACKER, ATTACKER_ADDRESS, CADDY, crate::world::WAYPOINT);
    world.request(&mut opaque, "\u{16}\u{3}\u{1}not http");
    world.request(&mut path.to_upstream, "GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: 10.244.1.66\n\n");
    let departure = format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: 10.244.1.66,{WAYPOINT_IP}\n\n");
    world.request(&mut path.to_backend, &departure);
    assert!(world.tally().exempt.is_empty());
    assert!(world.verdicts()[0].starts_with("Unverified"), "{:?}", world.verdicts());
    assert_eq!(world.tally().unverifieds(), 1);
}

/// By its pod alone it could be the waypoint after a restart, or an ephemeral container.
#[test]
fn an_unknown_container_of_the_waypoints_pod_is_neither_the_waypoint_nor_a_proven_bypass() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let mut stranger = world.connect(crate::world::STRANGER, "10.244.1.3:50002", ENVOY, UPSTREAM);
    world.request(&mut stranger, &format!("GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: {INGRESS_IP}\n\n"));
    world.request(&mut path.to_backend, &last_hop("/"));
    let mut direct = world.connect(crate::world::STRANGER, "10.244.1.3:50003", BACKEND, TARGET);
    world.request(&mut direct, GET);
    assert_eq!(world.verdicts(), ["Unverified(notCovered)"; 2]);
}

/// A client that names itself as a mirror's copy would.
#[test]
fn a_request_for_a_shadow_host_is_not_taken_for_a_mirrored_copy() {
    let guards = waypoint_verify::model::Guards { mirrors: true, ..gateway_guards() };
    let mut world = World::new(watch_list(policy(), guards, waypoint_guards()));
    let mut path = Path::open(&mut world);
    let mut client = world.connect(ATTACKER, ATTACKER_ADDRESS, ENVOY, UPSTREAM);
    world.request(&mut client, "GET / HTTP/1.1\nHost: hello-shadow\n\n");
    world.request(&mut path.to_backend, "GET / HTTP/1.1\nhost: hello-shadow\nx-forwarded-for: 10.244.1.66\n\n");
    assert_eq!(world.verdicts(), ["Bypassed(UpstreamBypass)"]);
    assert_eq!(world.tally().mirrors, 0);
}

/// Someone with a raw socket puts octets of his own between the gateway and the target, inside a chunked body.
#[test]
fn content_that_ends_elsewhere_at_the_target_than_it_was_sent_is_a_conflict() {
    for (read, expected) in [("3\nabc\n0\n\n", "Verified"), ("0\n\n", "Unverified(conflict)")] {
        let mut world = World::default();
        let mut path = Path::open(&mut world);
        let texts = texts("POST", "/up", "Transfer-Encoding: chunked\n").map(|head| head + "3\nabc\n0\n\n");
        for (place, text) in texts.iter().enumerate().take(3) {
            world.request(path.connection(place), text);
        }
        let crlf = |text: &str| text.replace('\n', "\r\n").into_bytes();
        let taken = crlf(&texts[3].replace("3\nabc\n0\n\n", read));
        world.data(&path.to_backend, Side::Active, 0, &crlf(&texts[3]), 0);
        world.data(&path.to_backend, Side::Passive, 0, &taken, 0);
        path.to_backend.sent = u32::try_from(taken.len()).unwrap();
        world.acknowledge(&path.to_backend, path.to_backend.sent);
        path.respond(&mut world);
        world.tick(50);
        assert_eq!(world.verdicts(), [expected]);
    }
}
