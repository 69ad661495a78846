//! Every constraint: used where it is guarded, not used where it is not.

use super::{Constraints, Plan};
use crate::link::testing::{GuardsExt, OWN, Request, gateway, hasher, request, set, waypoint};
use crate::model::{Appends, ForwardedFor, Guards, Touch};

const ALL: Constraints =
    Constraints { method: true, target: true, authority: true, forwarded: true, trace: true, headers: true };

fn used(guards: &Guards, departure: &Request) -> Constraints {
    Plan::new(guards, &hasher()).for_departure(&departure.head(), &departure.facts())
}

fn departure() -> Request {
    request("GET /a?q=1")
        .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .from("10.0.0.9")
}

#[test]
fn an_untouched_gateway_is_held_to_everything() {
    assert_eq!(used(&gateway(), &departure()), ALL);
}

#[test]
fn an_undeclared_waypoint_is_held_to_nothing() {
    assert_eq!(used(&Guards::default(), &departure()), Constraints::default());
}

#[test]
fn a_waypoint_is_held_to_what_its_policy_declares() {
    let declared = Constraints { trace: false, headers: false, ..ALL };
    assert_eq!(used(&waypoint(), &departure()), declared);
    assert_eq!(declared.names(), ["method", "path", "authority", "forwarded-for"], "as it is explained");
    assert_eq!(Constraints { trace: true, headers: true, ..Default::default() }.names(), ["trace", "headers"]);
    assert_eq!(used(&waypoint().correlated_by("x-order-id"), &departure()), Constraints { headers: true, ..declared });
    assert_eq!(used(&waypoint().correlated_by("traceparent"), &departure()), Constraints { trace: true, ..declared });
    let none = Guards { method: None, path: None, authority: None, ..waypoint() };
    assert_eq!(used(&none, &departure()), Constraints { forwarded: true, ..Constraints::default() });
}

#[test]
fn what_anything_may_touch_is_never_used() {
    let row = |guards: Guards| Plan::new(&guards, &hasher()).general;
    let unknown = || Touch::Unknown;
    assert!(!row(gateway().touching("x-forwarded-for", unknown())).forwarded);
    assert!(!row(gateway().touching("traceparent", unknown())).trace);
    assert!(!row(gateway().rewriting_path(unknown())).target);
    assert!(!row(gateway().rewriting_authority(unknown())).authority);
    assert!(!row(Guards { forwarded_for: ForwardedFor::Unknown, ..gateway() }).forwarded);
    let mut any = gateway();
    any.headers.any = true;
    assert_eq!(row(any), Constraints { forwarded: false, trace: false, headers: false, ..ALL });
}

#[test]
fn a_constant_takes_a_constraint_only_from_departures_that_carry_it() {
    let forged = gateway().touching("x-forwarded-for", set("10.0.0.9"));
    assert_eq!(used(&forged, &departure()), Constraints { forwarded: false, ..ALL });
    assert_eq!(used(&forged, &request("GET /").from("10.0.0.8")), ALL);

    let added = gateway().touching("x-forwarded-for", Touch::Add("10.0.0.9".into()));
    let (with, without) = (request("GET /").with("x-forwarded-for", "1.1.1.1"), request("GET /").from("10.0.0.8"));
    assert_eq!(used(&added, &with.from("10.0.0.9")), Constraints { forwarded: false, ..ALL });
    assert_eq!(used(&added, &without), ALL);

    let removed = gateway().touching("traceparent", Touch::Remove);
    assert_eq!(used(&removed, &request("GET /").from("10.0.0.9")), Constraints { trace: false, ..ALL });
    assert_eq!(used(&removed, &departure()), ALL);
}

#[test]
fn a_rewritten_path_or_host_is_judged_by_the_departure() {
    let rows = [
        (set("/a"), "GET /a?q=1", false),
        (set("/a"), "GET /a", false),
        (set("/a"), "GET /ab", true),
        (Touch::Prefix("/a".into()), "GET /abc", false),
        (Touch::Prefix("/a/".into()), "GET /a?q", false),
        (Touch::Prefix("/a".into()), "GET /b", true),
        (Touch::Prefix("/".into()), "GET /b", false),
    ];
    for (touch, line, kept) in rows {
        let guards = gateway().rewriting_path(touch.clone());
        assert_eq!(used(&guards, &request(line).from("10.0.0.9")).target, kept, "{touch:?} {line}");
    }
    let rehosted = gateway().rewriting_authority(set("inner"));
    assert!(!used(&rehosted, &request("GET /").host("inner").from("10.0.0.9")).authority);
    assert!(used(&rehosted, &request("GET /").host("hello").from("10.0.0.9")).authority);
}

#[test]
fn a_last_element_that_is_envoys_own_says_nothing_of_the_peer() {
    for last in [OWN, "127.0.0.1", "::1"] {
        let departure = request("GET /").with("x-forwarded-for", last);
        assert!(!used(&gateway(), &departure).forwarded, "{last}");
    }
    // Who appends or replaces by declaration writes the peer as it is.
    for forwarded_for in [ForwardedFor::Replaces, ForwardedFor::Appends(Appends::Declared)] {
        let guards = Guards { forwarded_for, ..waypoint() };
        assert!(used(&guards, &request("GET /").with("x-forwarded-for", "127.0.0.1")).forwarded);
    }
}

#[test]
fn a_mirrored_copy_is_held_to_what_its_route_did_before_it_was_renamed() {
    let copy = request("GET /").host("inner-shadow").with("x-forwarded-for", &format!("10.0.0.9,{OWN}"));
    let row = |guards: Guards| Plan::new(&guards.mirroring(), &hasher()).for_copy(&copy.head(), &copy.facts());
    assert_eq!(row(gateway()), ALL);
    assert!(!row(gateway().rewriting_authority(set("inner"))).authority);
    assert!(!row(gateway().touching("x-forwarded-for", set("10.0.0.9"))).forwarded);
    assert!(!row(Guards { own_addresses: Default::default(), ..gateway() }).forwarded);
}

#[test]
fn attempts_are_grouped_only_where_envoy_alone_makes_the_id() {
    let row = |guards: Guards| Plan::new(&guards, &hasher()).groups;
    assert!(row(gateway()));
    assert!(!row(gateway().touching("x-request-id", set("constant"))));
    assert!(!row(waypoint()));
}

#[test]
fn correlation_headers_that_cannot_be_compared_are_left_out() {
    let plan = |name: &str| Plan::new(&waypoint().correlated_by(name), &hasher());
    for name in ["x-request-id", "user-agent", "x-forwarded-host", "traceparent"] {
        assert!(plan(name).correlation.is_empty() && !plan(name).general.headers, "{name}");
    }
    let many = ["x-a", "x-b", "x-c", "x-d"].iter().fold(waypoint(), |guards, name| guards.correlated_by(name));
    assert_eq!(Plan::new(&many, &hasher()).correlation.len(), super::CORRELATED);
}
