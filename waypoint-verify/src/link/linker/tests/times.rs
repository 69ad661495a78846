//! When an entry could have caused a departure.

use crate::link::Limits;
use crate::link::testing::{Scene, gateway, request};
use crate::model::{MessageKey, Reason};

const CLIENT: &str = "10.0.0.9";

#[test]
fn an_entry_causes_nothing_before_its_head_is_complete_or_after_its_exchange() {
    let mut scene = Scene::of(&gateway());
    let before = scene.departs(&request("GET /a").from(CLIENT)).1;
    assert!(before.candidates.is_empty());
    let cause = scene.enters(&request("GET /a"), CLIENT);
    scene.answered(cause);
    scene.passes(4);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [cause]);
    scene.passes(2);
    assert!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates.is_empty());
}

/// Both when it is linked at once and when its head is told after the entry was forgotten.
#[test]
fn a_departure_that_began_at_the_very_end_of_an_exchange_may_have_been_caused_by_it() {
    for (later, expected) in [(0, (1, None)), (1, (0, None)), (0, (0, Some(Reason::Evicted)))] {
        let told_late = expected.1.is_some();
        let mut scene = Scene::of(&gateway());
        let entry = scene.enters(&request("GET /a"), CLIENT);
        scene.answered(entry);
        let end = scene.ns + Limits::default().answered_slack;
        scene.ns = end + later;
        scene.passes(0);
        scene.order += 1;
        let began = scene.order;
        if told_late {
            scene.passes(30);
        }
        let link = scene.departs_late(&request("GET /a").from(CLIENT), began).1;
        assert_eq!((link.candidates.len(), link.wild), expected);
    }
}

#[test]
fn when_a_departure_began_is_remembered_however_long_nothing_happens_but_not_for_ever() {
    for busy in [false, true] {
        let mut scene = Scene::of(&gateway());
        let forgotten = scene.enters(&request("GET /a"), CLIENT);
        scene.answered(forgotten);
        scene.passes(30);
        let cause = scene.enters(&request("GET /a"), CLIENT);
        scene.passes(1);
        scene.order += 1;
        let began = scene.order;
        for _ in 0..300 {
            scene.order += u64::from(busy);
            scene.passes(1);
        }
        let link = scene.departs_late(&request("GET /a").from(CLIENT), began).1;
        assert_eq!((&link.candidates[..], link.wild), (&[cause][..], busy.then_some(Reason::Evicted)));
    }
}

#[test]
fn a_request_that_its_sender_resets_ends_alone_and_after_a_while() {
    let mut scene = Scene::of(&gateway());
    let given_up = scene.enters(&request("GET /a"), CLIENT);
    let kept = MessageKey { stream: 3, ..given_up };
    scene.enters_as(kept, &request("GET /a"), CLIENT.parse().unwrap());
    scene.linker.reset(given_up, scene.ns);
    scene.passes(1_900);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [given_up, kept]);
    scene.passes(200);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [kept]);
}

#[test]
fn a_closed_connection_ends_an_exchange_after_a_while() {
    let mut scene = Scene::of(&gateway());
    let cause = scene.enters(&request("GET /a"), CLIENT);
    scene.closed(cause);
    scene.passes(1_900);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [cause]);
    scene.passes(200);
    assert!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates.is_empty());
}

#[test]
fn a_later_request_on_the_same_connection_ends_nothing() {
    let mut scene = Scene::of(&gateway());
    let first = scene.enters(&request("GET /a"), CLIENT);
    let second = crate::model::MessageKey { offset: 100, ..first };
    scene.enters_as(second, &request("GET /b"), CLIENT.parse().unwrap());
    scene.passes(2_600);
    assert_eq!(scene.departs(&request("GET /a").from(CLIENT)).1.candidates[..], [first]);
}

#[test]
fn a_departure_whose_head_came_in_pieces_is_linked_by_its_beginning() {
    let mut scene = Scene::of(&gateway());
    let cause = scene.enters(&request("GET /a"), CLIENT);
    scene.order += 1;
    let began = scene.order;
    scene.passes(1);
    let late = scene.enters(&request("GET /a"), CLIENT);
    scene.answered(cause);
    scene.passes(10);
    let link = scene.departs_late(&request("GET /a").from(CLIENT), began).1;
    assert_eq!((&link.candidates[..], link.wild), (&[cause][..], None));
    assert_ne!(late, cause);
    // Long after, what was open then is forgotten: this is said.
    scene.passes(100);
    assert_eq!(scene.departs_late(&request("GET /a").from(CLIENT), began).1.wild, Some(Reason::Evicted));
}
