//! Policies with no gateway behind the waypoint, with two, and with several targets.

use std::sync::Arc;

use waypoint_verify::model::CompiledPolicy;

use crate::world::{
    BACKEND, CADDY, ENVOY, OTHER, Path, SECOND, TARGET, UPSTREAM, World, gateway_guards, name, policy, texts,
    watch_list, waypoint_guards, words,
};

fn world_of(policy: CompiledPolicy) -> World {
    World::new(watch_list(policy, gateway_guards(), waypoint_guards()))
}

#[test]
fn a_waypoint_that_dials_the_target_itself_is_the_last_hop() {
    let mut world = world_of(CompiledPolicy { via: Vec::new(), ..policy() });
    let mut path = Path::open(&mut world);
    path.to_backend = world.connect(CADDY, "10.244.1.3:40300", BACKEND, TARGET);
    let texts = texts("GET", "/", "");
    for (place, text) in [(0, 0), (1, 1), (3, 2)] {
        world.request(path.connection(place), &texts[text]);
    }
    for connection in [&mut path.to_backend, &mut path.to_waypoint, &mut path.client] {
        world.respond(connection);
    }
    world.tick(50);
    assert_eq!(world.verdicts(), ["Verified"]);
}

#[test]
fn a_gateway_is_a_bypass_where_the_waypoint_dials_itself_and_the_waypoint_where_it_should_not() {
    let mut world = world_of(CompiledPolicy { via: Vec::new(), ..policy() });
    Path::open(&mut world).request(&mut world, "/", "");
    assert_eq!(world.verdicts(), ["Bypassed(RouteBypass)"]);

    let mut world = World::default();
    let mut path = Path::open(&mut world);
    let mut own = world.connect(CADDY, "10.244.1.3:40300", BACKEND, TARGET);
    let texts = texts("GET", "/", "");
    world.request(&mut path.client, &texts[0]);
    world.request(&mut path.to_waypoint, &texts[1]);
    world.request(&mut own, &texts[2]);
    assert_eq!(world.verdicts(), ["Bypassed(DirectConnection)"]);
}

/// A limit: both gateways are one Envoy, which appends its own address, so that nothing tells its three entries apart.
#[test]
fn two_gateways_of_one_envoy_behind_the_waypoint_are_ambiguous() {
    let via = vec![name("hello", "other-gateway"), name("hello", "hello-upstream")];
    let mut world = world_of(CompiledPolicy { via, ..policy() });
    let mut path = Path::open(&mut world);
    let mut to_other = world.connect(CADDY, "10.244.1.3:40400", ENVOY, OTHER);
    path.to_upstream = world.connect(ENVOY, "10.244.1.100:40401", ENVOY, UPSTREAM);
    let forwarded = |list: &str| format!("GET / HTTP/1.1\nhost: hello\nx-forwarded-for: {list}\n\n");
    world.request(&mut path.client, "GET / HTTP/1.1\nHost: hello\n\n");
    world.request(&mut path.to_waypoint, &forwarded("10.244.1.1"));
    world.request(&mut to_other, &forwarded("10.244.1.100"));
    world.request(&mut path.to_upstream, &forwarded("10.244.1.100,10.244.1.3"));
    world.request(&mut path.to_backend, &forwarded("10.244.1.100,10.244.1.3,10.244.1.100"));
    assert_eq!(world.verdicts(), ["Unverified(ambiguous)"]);
}

#[test]
fn two_policies_with_different_targets_are_judged_alone() {
    let second = CompiledPolicy {
        name: name("hello", "second"),
        targets: ["uid-second".to_owned()].into(),
        via: Vec::new(),
        ..policy()
    };
    let mut watch = watch_list(policy(), gateway_guards(), waypoint_guards());
    watch.protected.insert("uid-second".into());
    watch.policies.push(Arc::new(second));
    let mut world = World::new(watch);
    let mut path = Path::open(&mut world);
    path.request(&mut world, "/", "");
    let mut to_second = world.connect(ENVOY, "10.244.1.100:40901", SECOND, "10.244.1.9:8084");
    world.request(&mut path.client, "GET /2 HTTP/1.1\nHost: hello\n\n");
    world.request(&mut to_second, &texts("GET", "/2", "")[1]);
    path.respond(&mut world);
    world.tick(50);
    let found: Vec<_> = words(&world.judged).into_iter().map(|((policy, _), (words, _))| (policy, words)).collect();
    let expected = [("hello/policy", "Verified"), ("hello/second", "Bypassed(RouteBypass)")];
    assert_eq!(found, expected.map(|(policy, words)| (policy.to_owned(), words.to_owned())));
}
