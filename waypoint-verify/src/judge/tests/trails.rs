//! What is found on the way back from one arrival.

use super::scene::{Scene, TARGET, gateway, link, listener, policy};
use crate::link::Link;
use crate::model::{CompiledPolicy, MessageKey, Reason};

pub type Row = (&'static str, fn(&mut Scene) -> MessageKey, &'static str);

pub fn check(policy: impl Fn() -> CompiledPolicy, rows: &[Row]) {
    for (name, play, expected) in rows {
        let mut scene = Scene::of([policy()]);
        let key = play(&mut scene);
        scene.tick();
        scene.tick();
        assert_eq!(scene.verdict(key), *expected, "{name}");
    }
}

/// From a gateway to the target, for what entered it there.
pub fn past(scene: &mut Scene, from: &str, at: &str) -> MessageKey {
    let cause = scene.enter(from, "envoy", listener(at));
    last(scene, link(&[cause]))
}

pub fn last(scene: &mut Scene, link: Link) -> MessageKey {
    let key = scene.depart_as("envoy", link, None, "backend", TARGET.parse().unwrap());
    scene.settle(&[key]);
    scene.arrive(key);
    key
}

/// The waypoint's departure is as given; everything else is in order.
pub fn from_waypoint(scene: &mut Scene, link: impl FnOnce(Link) -> Link, creator: Option<Reason>) -> MessageKey {
    let cause = scene.enter("client", "envoy", listener("front"));
    let entered = scene.depart("envoy", &[cause], "waypoint", "10.244.0.5:8081".parse().unwrap());
    let made = link(super::scene::link(&[entered]));
    let sent = scene.depart_as("waypoint", made, creator, "envoy", listener("back"));
    let key = last(scene, super::scene::link(&[sent]));
    scene.settle(&[entered, sent]);
    key
}

#[test]
fn every_way_to_the_target_has_its_verdict() {
    check(
        policy,
        &[
            ("all the way", |s| from_waypoint(s, |link| link, None), "Verified"),
            ("a payment is missing", |s| s.compliant()[2], "Verified (provisional)"),
            ("a client", |s| s.direct("client"), "Bypassed(DirectConnection)"),
            ("a process of the node", |s| s.direct("host"), "Bypassed(DirectConnection)"),
            ("the target itself", |s| s.direct("backend"), "Bypassed(DirectConnection)"),
            ("the waypoint, though a gateway should follow", |s| s.direct("waypoint"), "Bypassed(DirectConnection)"),
            ("a sidecar of the gateway that is known", |s| s.direct("client/sidecar"), "Bypassed(DirectConnection)"),
            ("a container of the gateway's pod that is not", |s| s.direct("envoy/"), "Unverified(notCovered)"),
            ("a container of an inventory that was", |s| s.direct("gone"), "Unverified(notCovered)"),
            ("a cgroup of which nothing is known", |s| s.direct("unknown"), "Unverified(notCovered)"),
            ("a route", |s| past(s, "client", "front"), "Bypassed(RouteBypass)"),
            ("another gateway", |s| past(s, "client", "side"), "Bypassed(RouteBypass)"),
            ("the gateway behind the waypoint", |s| past(s, "client", "back"), "Bypassed(UpstreamBypass)"),
            ("that gateway, from outside", |s| past(s, "", "back"), "Bypassed(UnknownSender)"),
            ("that gateway, from an unknown cgroup", |s| past(s, "unknown", "back"), "Unverified(notCovered)"),
            ("a listener that nobody knows", |s| past(s, "client", "nowhere"), "Unverified(gatewayUnknown)"),
            ("a gateway for nothing that entered", |s| last(s, link(&[])), "Bypassed(UnknownSender)"),
            (
                "another process of the gateway's",
                |s| last(s, Link { foreign_process: true, ..link(&[]) }),
                "Bypassed(UnknownSender)",
            ),
            ("the waypoint for nothing", |s| from_waypoint(s, |_| link(&[]), None), "Bypassed(WaypointOrigin)"),
            (
                "another process of the waypoint's",
                |s| from_waypoint(s, |link| Link { foreign_process: true, ..link }, None),
                "Bypassed(WaypointOrigin)",
            ),
            (
                "a socket of unknown creation",
                |s| from_waypoint(s, |link| link, Some(Reason::PredatesAgent)),
                "Unverified(predatesAgent)",
            ),
            (
                "what nobody could parse",
                |s| from_waypoint(s, |link| Link { wild: Some(Reason::Opaque), ..link }, None),
                "Unverified(opaque)",
            ),
            (
                "more causes than are named",
                |s| from_waypoint(s, |link| Link { more: true, ..link }, None),
                "Unverified(bound)",
            ),
        ],
    );
}

#[test]
fn of_several_causes_only_what_all_have_in_common_is_claimed() {
    fn of_two(scene: &mut Scene, one: (&str, &str), other: (&str, &str)) -> MessageKey {
        let causes = [one, other].map(|(from, at)| scene.enter(from, "envoy", listener(at)));
        last(scene, link(&causes))
    }
    check(
        policy,
        &[
            ("both past it, alike", |s| of_two(s, ("client", "side"), ("client", "front")), "Bypassed(RouteBypass)"),
            (
                "both past it, each its way",
                |s| of_two(s, ("client", "side"), ("client", "back")),
                "Bypassed(RouteBypass or UpstreamBypass)",
            ),
            ("one is unknown", |s| of_two(s, ("client", "side"), ("client", "nowhere")), "Unverified(gatewayUnknown)"),
            (
                "one was forgotten",
                |s| {
                    let cause = s.enter("client", "envoy", listener("front"));
                    let [entered, sent, _] = s.through(&[cause]);
                    s.settle(&[entered, sent]);
                    let forgotten = MessageKey { offset: 500, ..sent };
                    last(s, link(&[sent, forgotten]))
                },
                "Unverified(evicted)",
            ),
            (
                "one came through",
                |s| {
                    let cause = s.enter("client", "envoy", listener("front"));
                    let [entered, sent, _] = s.through(&[cause]);
                    let other = s.enter("client", "envoy", listener("side"));
                    s.settle(&[entered, sent]);
                    last(s, link(&[sent, other]))
                },
                "Unverified(ambiguous)",
            ),
            (
                "one entered where it must not",
                |s| {
                    let causes = ["front", "side"].map(|at| s.enter("client", "envoy", listener(at)));
                    let keys = s.through(&causes);
                    s.settle(&keys);
                    s.arrive(keys[2]);
                    keys[2]
                },
                "Unverified(ambiguous)",
            ),
        ],
    );
}

/// Rows: gateways between waypoint and target, and where requests may enter.
#[test]
fn via_and_entry_may_be_left_out_and_via_may_be_two() {
    let anywhere = || CompiledPolicy { entry: None, ..policy() };
    check(
        anywhere,
        &[(
            "from a client to the waypoint itself",
            |s| {
                let entered = s.enter("client", "waypoint", "10.244.0.5:8081".parse().unwrap());
                let sent = s.depart("waypoint", &[entered], "envoy", listener("back"));
                s.settle(&[sent]);
                last(s, link(&[sent]))
            },
            "Verified",
        )],
    );
    check(
        policy,
        &[(
            "the same where an entry is demanded",
            |s| {
                let entered = s.enter("client", "waypoint", "10.244.0.5:8081".parse().unwrap());
                let sent = s.depart("waypoint", &[entered], "envoy", listener("back"));
                s.settle(&[sent]);
                last(s, link(&[sent]))
            },
            "Bypassed(UpstreamBypass)",
        )],
    );
    check(
        || CompiledPolicy { via: Vec::new(), ..policy() },
        &[
            (
                "the waypoint dials the target",
                |s| {
                    let cause = s.enter("client", "envoy", listener("front"));
                    let entered = s.depart("envoy", &[cause], "waypoint", "10.244.0.5:8081".parse().unwrap());
                    let key = s.depart("waypoint", &[entered], "backend", TARGET.parse().unwrap());
                    s.settle(&[entered, key]);
                    s.arrive(key);
                    key
                },
                "Verified",
            ),
            ("a gateway dials it", |s| past(s, "client", "front"), "Bypassed(RouteBypass)"),
            ("a gateway dials it for the waypoint", |s| s.compliant()[2], "Bypassed(RouteBypass)"),
        ],
    );
    fn two(scene: &mut Scene, order: [&str; 2]) -> MessageKey {
        let cause = scene.enter("client", "envoy", listener("front"));
        let entered = scene.depart("envoy", &[cause], "waypoint", "10.244.0.5:8081".parse().unwrap());
        let first = scene.depart("waypoint", &[entered], "envoy", listener(order[0]));
        let second = scene.depart("envoy", &[first], "envoy", listener(order[1]));
        scene.settle(&[entered, first, second]);
        last(scene, link(&[second]))
    }
    check(
        || CompiledPolicy { via: vec![gateway("side"), gateway("back")], ..policy() },
        &[
            ("both in order", |s| two(s, ["side", "back"]), "Verified"),
            ("the other way round", |s| two(s, ["back", "side"]), "Bypassed(RouteBypass)"),
            ("one left out", |s| from_waypoint(s, |link| link, None), "Bypassed(UpstreamBypass)"),
        ],
    );
}

/// Whoever mends it has to know which listener let it in, at whichever stage it was missed.
#[test]
fn the_listeners_through_which_a_bypass_came_are_named() {
    let past_entry = |s: &mut Scene| {
        let cause = s.enter("client", "envoy", listener("side"));
        let keys = s.through(&[cause]);
        s.arrive(keys[2]);
        keys[2]
    };
    let rows: [(Row, &str); 5] = [
        (("a route", |s| past(s, "client", "front"), "Bypassed(RouteBypass)"), "front"),
        (("another gateway", |s| past(s, "client", "side"), "Bypassed(RouteBypass)"), "side"),
        (("the gateway behind the waypoint", |s| past(s, "client", "back"), "Bypassed(UpstreamBypass)"), "back"),
        (("that gateway, from outside", |s| past(s, "", "back"), "Bypassed(UnknownSender)"), "back"),
        (("an entry that is not allowed", past_entry, "Bypassed(RouteBypass)"), "side"),
    ];
    for ((name, play, verdict), through) in rows {
        let mut scene = Scene::default();
        let key = play(&mut scene);
        scene.tick();
        scene.tick();
        assert_eq!(scene.verdict(key), verdict, "{name}");
        let explanation = scene.judged.last().unwrap().explanation.as_ref().unwrap();
        assert_eq!(explanation.listeners, [format!("Gateway ns/{through} port 80")], "{name}");
    }
}
