//! What is told of a copy that a mirroring route makes, and of what only looks like one.

use crate::link::Limits;
use crate::link::testing::{GuardsExt, OWN, Request, Scene, gateway, request};
use crate::model::{Guards, Reason};

const CLIENT: &str = "10.0.0.9";
const OTHER: &str = "10.0.0.8";

fn copy(path: &str) -> Request {
    request(path).host("hello-shadow").with("x-forwarded-for", &format!("{CLIENT},{OWN}"))
}

/// A route may leave out the suffix, and an Envoy's addresses may be unknown: one of both signs is enough.
#[test]
fn a_copy_is_known_by_its_name_or_by_the_address_that_is_named_once_more() {
    let unnamed = copy("GET /a").host("hello");
    let nowhere = Guards { own_addresses: Default::default(), ..gateway() };
    let neither = request("GET /a").with("x-forwarded-for", &format!("{CLIENT},10.7.7.7"));
    let rows = [
        (gateway(), copy("GET /a"), true),
        (gateway(), unnamed.clone(), true),
        (nowhere.clone(), copy("GET /a"), true),
        (nowhere, unnamed, false),
        (gateway(), neither, false),
    ];
    for (guards, departure, is_copy) in rows {
        let mut scene = Scene::of(&guards.mirroring());
        let entry = scene.enters(&request("GET /a"), CLIENT);
        scene.answered(entry);
        scene.passes(100);
        let link = scene.departs(&departure).1;
        assert_eq!((link.candidates.len(), link.mirror, link.counted), (usize::from(is_copy), is_copy, false));
    }
}

/// Else whoever asks for a host of that name would have everything made up beside it, uncounted.
#[test]
fn a_request_that_entered_under_such_a_name_is_no_copy_and_is_counted() {
    let mut scene = Scene::of(&gateway().mirroring());
    let entered = request("GET /a").host("hello-shadow");
    let entry = scene.enters(&entered, CLIENT);
    let link = scene.departs(&entered.from(CLIENT)).1;
    assert_eq!((&link.candidates[..], link.mirror, link.counted), (&[entry][..], false, true));
}

#[test]
fn an_entry_is_copied_after_it_is_complete_and_not_for_ever() {
    let mut scene = Scene::of(&gateway().mirroring());
    scene.order += 1;
    let before = scene.order;
    let entry = scene.enters(&request("GET /a"), CLIENT);
    assert!(scene.departs_late(&copy("GET /a"), before).1.candidates.is_empty());
    scene.answered(entry);
    let limits = Limits::default();
    let last = scene.ns + limits.answered_slack + limits.mirror_life;
    for (at, linked) in [(last, 1), (last + 1, 0)] {
        scene.ns = at;
        scene.passes(0);
        assert_eq!(scene.departs(&copy("GET /a")).1.candidates.len(), linked);
    }
}

/// As many as fit are remembered for their copies; of one that is not, no copy is called made up while it may come.
#[test]
fn a_late_copy_is_named_or_doubtful() {
    let limits = Limits { live_entries: 2, ..Limits::default() };
    let mut scene = Scene::limited(&gateway().mirroring(), limits.clone());
    let paths = ["GET /1", "GET /2", "GET /3"];
    let ends = paths.map(|path| {
        let entry = scene.enters(&request(path), CLIENT);
        scene.answered(entry);
        let end = scene.ns + limits.answered_slack;
        scene.passes(30);
        (entry, end)
    });
    let (entries, first_ends) = (ends.map(|(entry, _)| entry), ends[0].1);
    for (path, expected) in paths.iter().zip([None, Some(entries[1]), Some(entries[2])]) {
        let link = scene.departs(&copy(path)).1;
        assert_eq!((link.candidates.first().copied(), link.wild), (expected, Some(Reason::Evicted)), "{path}");
    }
    // To the nanosecond: the first of them may be copied until then.
    scene.ns = first_ends + limits.mirror_life;
    scene.passes(0);
    assert_eq!(scene.departs(&copy("GET /1")).1.wild, Some(Reason::Evicted));
    scene.ns = first_ends + limits.mirror_life + 1;
    scene.passes(0);
    assert_eq!(scene.departs(&copy("GET /1")).1.wild, None);
    scene.passes(100);
    for path in paths {
        let link = scene.departs(&copy(path)).1;
        assert_eq!((link.candidates.len(), link.wild, link.mirror), (0, None, false), "{path}");
    }
}

#[test]
fn a_mirror_behind_a_gateway_is_a_copy_of_its_entry_also_when_it_is_late() {
    let copy = |path: &str| request(path).host("hello-shadow:80").with("x-forwarded-for", &format!("{CLIENT},{OWN}"));
    let mut scene = Scene::of(&gateway().mirroring());
    let cause = scene.enters(&request("GET /a").host("hello:80"), CLIENT);
    scene.enters(&request("GET /a").host("hello:80"), OTHER);
    let link = scene.departs(&copy("GET /a")).1;
    assert_eq!((&link.candidates[..], link.mirror, link.counted), (&[cause][..], true, false));
    assert!(scene.departs(&copy("GET /b")).1.candidates.is_empty());
    scene.answered(cause);
    scene.closed(cause);
    scene.passes(2_600);
    assert_eq!(scene.departs(&copy("GET /a")).1.candidates[..], [cause]);
    scene.passes(15_000);
    assert!(scene.departs(&copy("GET /a")).1.candidates.is_empty());

    let mut plain = Scene::of(&gateway());
    plain.enters(&request("GET /a").host("hello:80"), CLIENT);
    assert!(plain.departs(&copy("GET /a")).1.candidates.is_empty(), "no route mirrors");
}

#[test]
fn a_copy_of_something_forgotten_is_not_called_made_up() {
    let mut scene = Scene::limited(&gateway().mirroring(), Limits { live_entries: 1, ..Limits::default() });
    for _ in 0..3 {
        let entry = scene.enters(&request("GET /a"), CLIENT);
        scene.answered(entry);
        scene.passes(30);
    }
    let copy = request("GET /a").host("hello-shadow").with("x-forwarded-for", &format!("{CLIENT},{OWN}"));
    assert_eq!(scene.departs(&copy).1.wild, Some(Reason::Evicted));
}
