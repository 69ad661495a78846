//! One entry pays for one departure, or for the attempts of one.

use crate::link::testing::{GuardsExt, Request, Scene, envoy_retry, gateway, request, set, waypoint};
use crate::link::{Limits, LinkEvent};
use crate::model::{ForwardedFor, Guards};

const CLIENT: &str = "10.0.0.9";

fn through_caddy() -> Request {
    request("GET /a").with("X-Forwarded-For", CLIENT)
}

#[test]
fn what_departs_once_is_paid_for_when_its_entry_is_over() {
    let mut scene = Scene::of(&waypoint());
    let entry = scene.enters(&request("GET /a"), CLIENT);
    let (departure, link) = scene.departs(&through_caddy());
    assert!(link.counted && scene.linker.unsettled());
    scene.passes(1_000);
    assert!(scene.events.is_empty(), "a genuine one may still come");
    scene.answered(entry);
    scene.passes(30);
    assert_eq!(scene.settled(), [departure].into());
    assert!(!scene.linker.unsettled() && scene.linker.live() == 0);
}

#[test]
fn what_is_made_up_cannot_ride_on_a_genuine_request_that_looks_like_it() {
    for made_up_first in [true, false] {
        let mut scene = Scene::of(&waypoint());
        let entry = scene.enters(&request("GET /a"), CLIENT);
        let departures: Vec<_> = (0..2).map(|_| scene.departs(&through_caddy()).0).collect();
        scene.answered(entry);
        scene.passes(30);
        assert_eq!(scene.overdrawn(), departures.into_iter().collect(), "{made_up_first}");
        assert_eq!(scene.unpaid(), 1);
    }
}

#[test]
fn as_many_as_entered_are_paid_in_any_order_of_answers() {
    let mut scene = Scene::of(&waypoint());
    let entries: Vec<_> = (0..16).map(|_| scene.enters(&request("GET /a"), CLIENT)).collect();
    let departures: Vec<_> = (0..16).map(|_| scene.departs(&through_caddy()).0).collect();
    for entry in entries.iter().rev() {
        scene.answered(*entry);
        scene.passes(3);
    }
    scene.passes(30);
    assert_eq!(scene.settled(), departures.into_iter().collect());
}

#[test]
fn exchanges_end_in_the_order_of_time_whatever_ended_them() {
    let mut scene = Scene::of(&waypoint());
    let closed = scene.enters(&request("GET /a"), CLIENT);
    let answered = scene.enters(&request("GET /a"), CLIENT);
    scene.closed(closed);
    let first = scene.departs(&through_caddy()).0;
    scene.ns += 1_998_000_000;
    scene.answered(answered);
    // The one that was closed is over before the one that was answered; only the latter could cause this.
    scene.passes(4);
    let second = scene.departs(&through_caddy()).0;
    scene.passes(100);
    assert_eq!(scene.settled(), [first, second].into());

    // And the other way round, told at once.
    let mut scene = Scene::of(&waypoint());
    let closed = scene.enters(&request("GET /a"), CLIENT);
    let answered = scene.enters(&request("GET /a"), CLIENT);
    scene.closed(closed);
    let first = scene.departs(&through_caddy()).0;
    scene.ns += 1_900_000_000;
    scene.answered(answered);
    scene.passes(8);
    let second = scene.departs(&through_caddy()).0;
    scene.passes(3_000);
    assert_eq!(scene.settled(), [first, second].into());
}

#[test]
fn what_was_never_acknowledged_pays_for_nothing() {
    let mut scene = Scene::of(&waypoint());
    let entry = scene.enters_unacknowledged(&request("GET /a"), CLIENT);
    let departure = scene.departs(&through_caddy()).0;
    scene.closed(entry);
    scene.passes(3_000);
    assert_eq!(scene.overdrawn(), [departure].into());
}

#[test]
fn attempts_that_envoy_named_alike_need_one_payment() {
    let mut scene = Scene::of(&gateway());
    let entry = scene.enters(&request("GET /a").with("x-envoy-retry-on", "5xx"), CLIENT);
    let first = request("GET /a").from(CLIENT);
    let attempts: Vec<_> = (0..4).map(|n| scene.departs(&envoy_retry(&first, n)).0).collect();
    scene.answered(entry);
    scene.passes(30);
    assert_eq!(scene.settled(), attempts.into_iter().collect());
}

#[test]
fn attempts_are_counted_each_where_a_client_or_a_route_chose_the_id() {
    let own = request("GET /a").with("x-request-id", "chosen");
    let carried = (gateway(), own.clone(), own.from(CLIENT));
    let twice = request("GET /a").with("x-request-id", "one").with("x-request-id", "two");
    let joined = (gateway(), twice.clone(), twice.from(CLIENT));
    let routed = gateway().touching("x-request-id", set("chosen"));
    let mut made = request("GET /a").from(CLIENT);
    made.set("x-request-id", "chosen");
    for (guards, entry, departure) in [carried, joined, (routed, request("GET /a"), made)] {
        let mut scene = Scene::of(&guards);
        let entry = scene.enters(&entry, CLIENT);
        scene.departs(&departure);
        scene.departs(&departure);
        scene.answered(entry);
        scene.passes(30);
        assert_eq!((scene.overdrawn().len(), scene.unpaid()), (2, 1), "{departure:?}");
    }
}

#[test]
fn a_late_attempt_follows_its_first_one() {
    // Two identical requests; the first one's departure is paid for by the other's entry.
    let mut scene = Scene::of(&gateway());
    let slow = scene.enters(&request("GET /a"), CLIENT);
    let quick = scene.enters(&request("GET /a"), CLIENT);
    let mut second = request("GET /a").from(CLIENT);
    second.set("x-request-id", "another");
    let first = request("GET /a").from(CLIENT);
    let one = scene.departs(&first).0;
    let other = scene.departs(&second).0;
    scene.answered(quick);
    scene.passes(30);
    assert_eq!(scene.settled(), [one].into());
    let retry = scene.departs(&first).0;
    scene.passes(1);
    assert_eq!(scene.settled(), [one, retry].into());
    scene.answered(slow);
    scene.passes(30);
    assert_eq!(scene.settled(), [one, other, retry].into());
}

#[test]
fn an_irregular_entry_pays_where_its_class_cannot() {
    let irregular = request("GET /a").with("x-order-id", "1").with("Connection", "x-order-id");
    let guards = waypoint().correlated_by("x-order-id");
    for answered_first in [true, false] {
        let mut scene = Scene::of(&guards);
        let odd = scene.enters(&irregular, CLIENT);
        let plain = scene.enters(&request("GET /a"), CLIENT);
        let departures: Vec<_> = (0..2).map(|_| scene.departs(&through_caddy()).0).collect();
        for entry in if answered_first { [odd, plain] } else { [plain, odd] } {
            scene.answered(entry);
            scene.passes(30);
        }
        assert_eq!(scene.settled(), departures.into_iter().collect());
        assert!(!scene.linker.unsettled());
    }
}

#[test]
fn an_irregular_entry_pays_once() {
    let mut scene = Scene::of(&waypoint().correlated_by("x-order-id"));
    let odd = scene.enters(&request("GET /a").with("x-order-id", "1").with("Connection", "x-order-id"), CLIENT);
    let departures: Vec<_> = (0..2).map(|_| scene.departs(&through_caddy()).0).collect();
    scene.answered(odd);
    scene.passes(30);
    assert_eq!(scene.overdrawn(), departures.into_iter().collect());
    assert_eq!(scene.unpaid(), 1);
    assert!(!scene.linker.unsettled());
}

#[test]
fn irregular_entries_pay_for_what_only_they_can_pay() {
    // The first departure may be of either entry, the second of one only.
    let odd = |number: &str| request("GET /a").with("x-a", number).with("x-b", number).with("Connection", "x-a");
    let mut scene = Scene::of(&waypoint().correlated_by("x-a").correlated_by("x-b"));
    let entries = [
        scene.enters(&odd("1"), CLIENT),
        scene.enters(&request("GET /a").with("x-a", "1").with("Connection", "x-a"), CLIENT),
    ];
    let either = scene.departs(&through_caddy().with("X-B", "1")).0;
    let only = scene.departs(&through_caddy().with("X-B", "1")).0;
    let none = scene.departs(&through_caddy()).1;
    assert_eq!(none.candidates.len(), 1);
    entries.into_iter().for_each(|entry| scene.answered(entry));
    scene.passes(30);
    assert_eq!(scene.unpaid(), 1);
    assert!(scene.overdrawn().contains(&either) && scene.overdrawn().contains(&only));
}

/// Who pays instead of another one must be able to, or the next search goes astray.
#[test]
fn irregular_entries_that_pay_for_each_other_only_pay_for_what_they_can_have_caused() {
    let guards = ["x-a", "x-b", "x-z"].iter().fold(waypoint(), |guards, name| guards.correlated_by(name));
    let mut scene = Scene::of(&guards);
    let entries = [("x-b", "1"), ("x-a", "2"), ("x-b", "2")].map(|(name, value)| {
        scene.enters(&request("GET /a").with(name, value).with("x-z", "1").with("connection", "x-z"), CLIENT)
    });
    let mut departs = |a: &str, b: &str, candidates: &[usize]| {
        let (departure, link) = scene.departs(&through_caddy().with("X-A", a).with("X-B", b));
        let expected: Vec<_> = candidates.iter().map(|at| entries[*at]).collect();
        assert_eq!(link.candidates[..], expected);
        scene.passes(1);
        departure
    };
    let (either, other) = (departs("2", "1", &[0, 1]), departs("2", "2", &[1, 2]));
    let only = departs("1", "1", &[0]);
    let made_up = departs("1", "1", &[0]);
    assert_eq!((scene.settled(), scene.overdrawn()), ([either, other].into(), [only, made_up].into()));
    assert_eq!(scene.unpaid(), 1);
}

#[test]
fn an_irregular_entry_that_is_open_pays_whatever_others_did_before() {
    let irregular = request("GET /a").with("x-a", "1").with("connection", "x-a");
    let mut scene = Scene::of(&waypoint().correlated_by("x-a"));
    let mut departures = Vec::new();
    for _ in 0..3 {
        let entry = scene.enters(&irregular, CLIENT);
        scene.passes(1);
        departures.push(scene.departs(&through_caddy()).0);
        scene.passes(1);
        assert_eq!(scene.settled(), departures.iter().copied().collect());
        scene.answered(entry);
        scene.passes(30);
        assert!(scene.linker.is_empty());
    }
}

#[test]
fn a_forgotten_entry_still_pays_for_what_departed_before() {
    let mut scene = Scene::limited(&waypoint(), Limits { live_entries: 1, ..Limits::default() });
    scene.enters(&request("GET /a"), CLIENT);
    let departure = scene.departs(&through_caddy()).0;
    scene.enters(&request("GET /b"), CLIENT);
    scene.passes(1);
    assert_eq!(scene.settled(), [departure].into());
}

#[test]
fn what_cannot_be_named_is_counted_all_the_same() {
    let mut scene = Scene::limited(&waypoint(), Limits { candidates: 2, ..Limits::default() });
    let entries: Vec<_> = (0..3).map(|_| scene.enters(&request("GET /a"), CLIENT)).collect();
    let departures: Vec<_> = (0..4).map(|_| scene.departs(&through_caddy()).0).collect();
    entries.into_iter().for_each(|entry| scene.answered(entry));
    scene.passes(30);
    assert_eq!(scene.overdrawn(), departures.into_iter().collect());
}

#[test]
fn a_made_up_trace_id_is_paid_by_what_entered_without_one() {
    let trace = |id: u32| format!("00-{id:032x}-b7ad6b7169203331-01");
    let mut scene = Scene::of(&waypoint().correlated_by("traceparent"));
    let traced = scene.enters(&request("GET /a").with("traceparent", &trace(1)), CLIENT);
    let plain = scene.enters(&request("GET /a"), CLIENT);
    let departures: Vec<_> = [1, 2].map(|id| scene.departs(&through_caddy().with("Traceparent", &trace(id))).0).into();
    [traced, plain].into_iter().for_each(|entry| scene.answered(entry));
    scene.passes(30);
    assert_eq!(scene.settled(), departures.into_iter().collect());
}

#[test]
fn an_undeclared_waypoint_is_counted_as_one_class() {
    let mut scene = Scene::of(&Guards { forwarded_for: ForwardedFor::Unknown, ..Guards::default() });
    let entry = scene.enters(&request("GET /a"), CLIENT);
    scene.departs(&request("POST /other"));
    scene.departs(&request("GET /a"));
    scene.answered(entry);
    scene.passes(30);
    assert_eq!((scene.overdrawn().len(), scene.unpaid()), (2, 1));
    assert!(scene.events.iter().all(|event| matches!(event, LinkEvent::Settled(_) | LinkEvent::Overdrawn { .. })));
}

#[test]
fn nothing_is_kept_when_nothing_is_open() {
    let mut scene = Scene::of(&gateway());
    for _ in 0..5_000 {
        let entry = scene.enters(&request("GET /a"), CLIENT);
        scene.departs(&request("GET /a").from(CLIENT));
        scene.answered(entry);
        scene.passes(1);
    }
    scene.passes(30);
    assert_eq!(scene.settled().len(), 5_000);
    assert!(!scene.linker.unsettled() && scene.linker.live() == 0 && scene.linker.is_empty());
}
