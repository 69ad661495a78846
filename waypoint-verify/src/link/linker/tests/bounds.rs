//! What is bounded: who gives way, and that it makes nothing verified and nothing overdrawn that is not.

use crate::link::Limits;
use crate::link::testing::{GuardsExt, Request, Scene, gateway, request, waypoint};
use crate::model::{MessageKey, Reason};

const CLIENT: &str = "10.0.0.9";
const OTHER: &str = "10.0.0.8";

fn through_caddy() -> Request {
    request("GET /a").with("X-Forwarded-For", CLIENT)
}

/// The open one is the only one that can pay for the second departure; a flood must not make a bypass of that.
#[test]
fn an_entry_that_is_forgotten_pays_after_those_that_are_over() {
    let mut scene = Scene::limited(&waypoint(), Limits { live_entries: 3, ..Limits::default() });
    scene.enters(&request("GET /a"), CLIENT);
    let quick = scene.enters(&request("GET /a"), CLIENT);
    let first = scene.departs(&through_caddy()).0;
    scene.answered(quick);
    scene.passes(6);
    let second = scene.departs(&through_caddy()).0;
    for evicted in [0, 0, 1] {
        scene.enters(&request("GET /flood"), CLIENT);
        assert_eq!(scene.linker.evicted, evicted, "what is over makes room");
    }
    scene.passes(30);
    assert_eq!((scene.settled(), scene.unpaid()), ([first, second].into(), 0));
}

/// Octets that TCP never took may look like a request; who floods with them must not get a departure paid.
#[test]
fn a_forgotten_entry_that_was_never_acknowledged_pays_for_nothing() {
    let mut scene = Scene::limited(&waypoint(), Limits { live_entries: 1, ..Limits::default() });
    scene.enters_unacknowledged(&request("GET /a"), CLIENT);
    let departure = scene.departs(&through_caddy()).0;
    scene.enters(&request("GET /b"), CLIENT);
    scene.passes(1);
    assert_eq!((scene.settled(), scene.overdrawn()), ([].into(), [departure].into()));
}

#[test]
fn no_more_irregular_entries_are_open_than_their_bound_and_those_that_are_over_do_not_count() {
    let irregular = request("GET /a").with("x-a", "1").with("connection", "x-a");
    let mut scene = Scene::limited(&gateway(), Limits { irregular_entries: 2, ..Limits::default() });
    for _ in 0..5 {
        let entry = scene.enters(&irregular, CLIENT);
        scene.answered(entry);
        scene.passes(30);
    }
    assert_eq!(scene.linker.evicted, 0);
    let open: Vec<MessageKey> = (0..4).map(|_| scene.enters(&irregular, CLIENT)).collect();
    scene.enters(&request("GET /a"), CLIENT);
    assert_eq!((scene.linker.evicted, scene.linker.live()), (2, 3));
    let link = scene.departs(&request("GET /a").from(CLIENT)).1;
    assert_eq!((link.candidates.len(), link.wild), (3, Some(Reason::Evicted)), "the first two are forgotten");
    assert!(open[2..].iter().all(|key| link.candidates.contains(key)));
}

#[test]
fn two_requests_at_one_place_of_one_connection_make_their_peer_doubtful() {
    let mut scene = Scene::of(&gateway());
    let key = scene.enters(&request("GET /a"), CLIENT);
    scene.enters_as(key, &request("GET /b"), OTHER.parse().unwrap());
    let departs = |scene: &mut Scene, peer: &str| scene.departs(&request("GET /a").from(peer)).1;
    assert_eq!(departs(&mut scene, OTHER).wild, Some(Reason::Conflict));
    let link = departs(&mut scene, CLIENT);
    assert_eq!((&link.candidates[..], link.wild, scene.linker.live()), (&[key][..], None, 1));
}

#[test]
fn an_unreadable_stream_that_is_over_makes_room_for_another() {
    let mut scene = Scene::limited(&gateway(), Limits { wild: 1, ..Limits::default() });
    for _ in 0..3 {
        let conn = scene.wild(CLIENT, Reason::Gap);
        assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.wild, Some(Reason::Gap));
        scene.linker.closed(conn, scene.ns);
        scene.passes(2_100);
    }
}

#[test]
fn a_forgotten_request_that_its_sender_gives_up_is_over_after_a_while() {
    let mut scene = Scene::limited(&gateway(), Limits { live_entries: 1, ..Limits::default() });
    let forgotten = scene.enters(&request("GET /a"), CLIENT);
    scene.enters(&request("GET /b"), CLIENT);
    scene.linker.reset(forgotten, scene.ns);
    let wild = |scene: &mut Scene| scene.departs(&request("GET /b").from(CLIENT)).1.wild;
    scene.passes(1_900);
    assert_eq!(wild(&mut scene), Some(Reason::Evicted));
    scene.passes(200);
    assert_eq!(wild(&mut scene), None);
}

#[test]
fn something_is_kept_while_something_is_open() {
    let mut scene = Scene::of(&waypoint());
    assert!(scene.linker.is_empty());
    let entry = scene.enters(&request("GET /a"), CLIENT);
    assert!(!scene.linker.is_empty());
    scene.departs(&through_caddy());
    assert!(scene.linker.unsettled());
    scene.answered(entry);
    scene.passes(30);
    assert!(scene.linker.is_empty() && !scene.linker.unsettled());
}

/// A payment by an irregular entry is remembered while another one could change it, but not for ever.
#[test]
fn irregular_entries_that_paid_are_forgotten_without_a_trace() {
    let irregular = |path: &str| request(path).with("x-a", "1").with("connection", "x-a");
    let mut scene = Scene::of(&waypoint().correlated_by("x-a"));
    let kept = scene.enters(&irregular("POST /kept"), CLIENT);
    let mut departures = Vec::new();
    for number in 0..300 {
        let path = format!("GET /{number}");
        let entry = scene.enters(&irregular(&path), CLIENT);
        departures.push(scene.departs(&request(&path).with("x-forwarded-for", CLIENT)).0);
        scene.answered(entry);
        scene.passes(30);
    }
    assert_eq!(scene.settled(), departures.into_iter().collect());
    scene.answered(kept);
    scene.passes(30);
    assert!(scene.linker.is_empty() && !scene.linker.unsettled());
}
