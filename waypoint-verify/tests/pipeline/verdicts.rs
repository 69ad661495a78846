//! One row of the demo each, played without a kernel.

use crate::world::{
    BACKEND, CADDY, CLIENT, CLIENT_IP, ENVOY, INGRESS_IP, OTHER, Path, SIDECAR, TARGET, UPSTREAM, WAYPOINT,
    WAYPOINT_IP, World, gateway_guards, policy, watch_list, waypoint_guards,
};

#[test]
fn connections_that_are_reset_before_any_answer_end_their_exchanges() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
    for connection in [&path.to_backend, &path.to_upstream, &path.to_waypoint, &path.client] {
        world.reset(connection);
    }
    // A proxy may learn of it late.
    world.tick(1000);
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
    world.tick(5000);
    assert_eq!(world.verdicts(), ["Verified"]);
}

#[test]
fn a_compliant_request_is_provisional_until_its_exchanges_are_over_then_verified() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
    assert_eq!((world.tally().verified, world.tally().provisional), (1, 0));
}

#[test]
fn identical_requests_in_flight_together_are_all_verified() {
    let mut world = World::default();
    let mut paths: Vec<Path> = (0..8).map(|_| Path::open(&mut world)).collect();
    for path in &mut paths {
        path.request(&mut world, "/same", "");
    }
    for path in &mut paths {
        path.respond(&mut world);
    }
    world.tick(50);
    assert_eq!(world.tally().verified, 8);
}

#[test]
fn a_direct_connection_is_bypassed_whatever_headers_it_copies() {
    let mut world = World::default();
    let mut direct = world.connect_by(7, CLIENT, "10.244.1.1:50000", BACKEND, "10.96.9.9:8083", TARGET);
    world.request(&mut direct, "GET / HTTP/1.1\nHost: hello\nx-forwarded-for: 10.244.1.100,10.244.1.3\n\n");
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"]);
}

#[test]
fn an_unseen_sender_is_direct_from_outside_and_unknown_from_a_pod_address() {
    let mut world = World::default();
    let mut outside = world.accept_unseen("203.0.113.9:1234", BACKEND, TARGET);
    world.request(&mut outside, "GET /a HTTP/1.1\nHost: hello\n\n");
    let mut pod = world.accept_unseen("10.244.7.7:1234", BACKEND, TARGET);
    world.request(&mut pod, "GET /b HTTP/1.1\nHost: hello\n\n");
    world.tick(2);
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)", "Bypassed(UnknownSender)"]);
}

#[test]
fn a_route_past_the_waypoint_is_bypassed_on_the_same_connection_as_verified_ones() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    path.respond(&mut world);
    world.request(&mut path.client, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(
        &mut path.to_backend,
        &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {CLIENT_IP}\nx-request-id: z\n\n"),
    );
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Bypassed(RouteBypass)"]);
}

#[test]
fn a_client_that_calls_the_gateway_behind_the_waypoint_is_bypassed() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let mut client = world.connect(CLIENT, "10.244.1.1:40100", ENVOY, UPSTREAM);
    world.request(&mut client, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(&mut path.to_backend, &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {CLIENT_IP}\n\n"));
    assert_eq!(world.verdicts(), ["Bypassed(UpstreamBypass)"]);
}

#[test]
fn another_gateway_is_named() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let mut client = world.connect(CLIENT, "10.244.1.1:40100", ENVOY, OTHER);
    world.request(&mut client, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(&mut path.to_backend, &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {CLIENT_IP}\n\n"));
    assert_eq!(world.verdicts(), ["Bypassed(RouteBypass)"]);
    let explanation = world.judged.last().unwrap().explanation.as_ref().unwrap();
    assert_eq!(explanation.listeners, ["Gateway hello/other-gateway port 80"]);
}

#[test]
fn another_process_in_the_waypoints_container_is_waypoint_origin_while_genuine_ones_are_verified() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n");
    let mut exec = world.connect_by(666, CADDY, "10.244.1.3:50002", ENVOY, UPSTREAM, UPSTREAM);
    world.request(&mut exec, &format!("GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: {INGRESS_IP}\n\n"));
    world.request(
        &mut path.to_backend,
        &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {INGRESS_IP},{WAYPOINT_IP}\nx-request-id: q\n\n"),
    );
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Bypassed(WaypointOrigin)"]);
}

#[test]
fn a_sidecar_of_the_waypoint_is_another_owner_and_identical_requests_are_ambiguous() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    let mut sidecar = world.connect_by(200, SIDECAR, "10.244.1.3:50002", ENVOY, UPSTREAM, UPSTREAM);
    world.request(&mut sidecar, &format!("GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: {INGRESS_IP}\n\n"));
    world.request(
        &mut path.to_backend,
        &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {INGRESS_IP},{WAYPOINT_IP}\nx-request-id: q\n\n"),
    );
    assert_eq!(world.verdicts()[1], "Unverified(ambiguous)");
}

#[test]
fn what_the_waypoint_makes_up_alone_is_waypoint_origin_and_in_a_crowd_overdraws_it() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let send = |world: &mut World, path: &mut Path| {
        world.request(
            &mut path.to_upstream,
            &format!("GET /h HTTP/1.1\nHost: hello\nX-Forwarded-For: {INGRESS_IP}\n\n"),
        );
        world.request(
            &mut path.to_backend,
            &format!("GET /h HTTP/1.1\nhost: hello\nx-forwarded-for: {INGRESS_IP},{WAYPOINT_IP}\n\n"),
        );
    };
    send(&mut world, &mut path);
    assert_eq!(world.verdicts(), ["Bypassed(WaypointOrigin)"]);

    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/h", "");
    send(&mut world, &mut path);
    world.respond(&mut path.to_backend);
    world.respond(&mut path.to_backend);
    world.respond(&mut path.to_upstream);
    world.respond(&mut path.to_upstream);
    world.respond(&mut path.to_waypoint);
    world.respond(&mut path.client);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Unverified(overdrawn)", "Unverified(overdrawn)"]);
    assert_eq!(world.tally().forced, 1);
}

#[test]
fn a_request_that_entered_elsewhere_than_the_policy_allows_is_not_verified() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let mut direct = world.connect(CLIENT, "10.244.1.1:40100", CADDY, WAYPOINT);
    world.request(&mut direct, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(&mut path.to_upstream, &format!("GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: {CLIENT_IP}\n\n"));
    world.request(
        &mut path.to_backend,
        &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {CLIENT_IP},{WAYPOINT_IP}\n\n"),
    );
    assert_eq!(world.verdicts(), ["Bypassed(UpstreamBypass)"]);

    let anywhere = waypoint_verify::model::CompiledPolicy { entry: None, ..policy() };
    let mut world = World::new(watch_list(anywhere, gateway_guards(), waypoint_guards()));
    let mut path = Path::open(&mut world);
    let mut direct = world.connect(CLIENT, "10.244.1.1:40100", CADDY, WAYPOINT);
    world.request(&mut direct, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(&mut path.to_upstream, &format!("GET / HTTP/1.1\nHost: hello\nX-Forwarded-For: {CLIENT_IP}\n\n"));
    world.request(
        &mut path.to_backend,
        &format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {CLIENT_IP},{WAYPOINT_IP}\n\n"),
    );
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
}

#[test]
fn malformed_bytes_from_a_permitted_hop_are_unverified_and_from_a_client_a_bypass() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    world.request(&mut path.to_backend, "GET / HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2\n\n");
    let mut direct = world.connect_by(7, CLIENT, "10.244.1.1:50000", BACKEND, TARGET, TARGET);
    world.request(&mut direct, "GET / HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2\n\n");
    let mut verdicts = world.verdicts();
    verdicts.sort();
    assert_eq!(verdicts, ["Bypassed(DirectConnection)", "Unverified(malformed)"]);
}

#[test]
fn a_request_is_judged_as_soon_as_its_head_was_read_and_final_when_nothing_more_of_it_can_come() {
    let mut world = World::default();
    let mut direct = world.connect_by(7, CLIENT, "10.244.1.1:50000", BACKEND, TARGET, TARGET);
    world.request(&mut direct, "POST / HTTP/1.1\nHost: a\nContent-Length: 100\n\nten octets");
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"]);
    world.close(&direct);
    assert_eq!((world.tally().requests, world.unsettled()), (1, false));

    let mut world = World::default();
    let mut path = Path::open(&mut world);
    path.upload(&mut world, "/", "Content-Length: 100\n", "ten octets");
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified (provisional)"]);
    path.close(&mut world);
    world.tick(3000);
    assert_eq!(world.verdicts(), ["Verified"]);
}

#[test]
fn bodies_of_other_lengths_tell_equal_heads_apart() {
    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let mut sidecar = world.connect_by(200, SIDECAR, "10.244.1.3:50002", ENVOY, UPSTREAM, UPSTREAM);
    let post = |forwarded: &str, body: &str| {
        format!("POST / HTTP/1.1\nhost: hello\n{forwarded}content-length: {}\n\n{body}", body.len())
    };
    let at_upstream = format!("x-forwarded-for: {INGRESS_IP}\n");
    world.request(&mut path.client, &post("", "genuine"));
    world.request(&mut path.to_waypoint, &post(&format!("x-forwarded-for: {CLIENT_IP}\n"), "genuine"));
    world.request(&mut path.to_upstream, &post(&at_upstream, "genuine"));
    world.request(&mut sidecar, &post(&at_upstream, "made"));
    let at_backend = format!("x-forwarded-for: {INGRESS_IP},{WAYPOINT_IP}\n");
    world.request(&mut path.to_backend, &post(&at_backend, "genuine"));
    world.request(&mut path.to_backend, &post(&at_backend, "made"));
    path.respond(&mut world);
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified", "Bypassed(UpstreamBypass)"]);
}
