//! What is known only when both messages are complete.

use crate::link::testing::{Scene, gateway, request, waypoint};
use crate::model::Guards;

const CLIENT: &str = "10.0.0.9";

#[test]
fn candidates_whose_body_has_another_length_are_taken_out() {
    let mut scene = Scene::of(&gateway());
    let entries: Vec<_> = (0..3).map(|_| scene.enters(&request("POST /a"), CLIENT)).collect();
    let (departure, link) = scene.departs(&request("POST /a").from(CLIENT));
    assert_eq!(link.candidates.len(), 3);
    scene.linker.entry_ended(entries[0], 5);
    scene.linker.entry_ended(entries[1], 7);
    let narrowed = scene.linker.departure_ended(departure, 7).expect("narrower");
    assert_eq!(narrowed.candidates[..], [entries[1], entries[2]], "what is not known stays");
    assert!(narrowed.counted);
    assert_eq!(scene.linker.departure_ended(departure, 5), None, "it ends once");
}

#[test]
fn equal_bodies_narrow_nothing() {
    let mut scene = Scene::of(&gateway());
    let entry = scene.enters(&request("POST /a"), CLIENT);
    let departure = scene.departs(&request("POST /a").from(CLIENT)).0;
    scene.linker.entry_ended(entry, 5);
    assert_eq!(scene.linker.departure_ended(departure, 5), None);
}

#[test]
fn bodies_are_not_compared_where_something_may_change_them() {
    let web = || request("POST /a").with("content-type", "application/grpc-web-text+proto");
    let rows = [(Guards { body: false, ..gateway() }, request("POST /a")), (gateway(), web())];
    for (guards, entry) in rows {
        let mut scene = Scene::of(&guards);
        let cause = scene.enters(&entry, CLIENT);
        let departure = scene.departs(&entry.from(CLIENT)).0;
        scene.linker.entry_ended(cause, 5);
        assert_eq!(scene.linker.departure_ended(departure, 7), None);
    }
}

#[test]
fn only_a_translated_body_is_not_compared() {
    for (name, value) in [("content-type", "application/grpc"), ("x-note", "application/grpc-web"), ("accept", "a/b")] {
        let mut scene = Scene::of(&gateway());
        let entry = request("POST /a").with(name, value);
        let cause = scene.enters(&entry, CLIENT);
        let departure = scene.departs(&entry.from(CLIENT)).0;
        scene.linker.entry_ended(cause, 5);
        assert!(scene.linker.departure_ended(departure, 7).expect("narrower").candidates.is_empty(), "{name}: {value}");
    }
}

#[test]
fn a_departure_that_no_entry_is_left_for_needs_no_payment() {
    let mut scene = Scene::of(&waypoint());
    let entry = scene.enters(&request("POST /a"), CLIENT);
    let sent = request("POST /a").with("x-forwarded-for", CLIENT);
    let made_up = scene.departs(&sent).0;
    let genuine = scene.departs(&sent).0;
    scene.linker.entry_ended(entry, 5);
    let narrowed = scene.linker.departure_ended(made_up, 7).expect("narrower");
    assert!(narrowed.candidates.is_empty() && !narrowed.counted);
    assert_eq!(scene.linker.departure_ended(genuine, 5), None);
    scene.answered(entry);
    scene.passes(30);
    assert_eq!((scene.settled(), scene.overdrawn().len()), ([genuine].into(), 0));
    assert!(!scene.linker.unsettled());
}
