//! Attempts of one request that irregular entries may have caused.

use crate::link::testing::{Request, Scene, envoy_retry, gateway, request};

const CLIENT: &str = "10.0.0.9";

/// It may have caused what carries `x-a` and what does not: Envoy drops what `Connection` names, and a route may set it.
fn irregular() -> Request {
    request("GET /a").with("x-a", "1").with("connection", "x-a")
}

fn named(request: &Request, id: &str) -> Request {
    let mut made = request.clone().from(CLIENT);
    made.set("x-request-id", id);
    made
}

/// Else whatever is overdrawn would be called verified when it is sent once more.
#[test]
fn a_further_attempt_of_what_is_overdrawn_is_overdrawn_too() {
    let other = request("GET /a").with("x-a", "2");
    for made_up in [request("GET /a"), other] {
        let mut scene = Scene::of(&gateway());
        let entry = scene.enters(&irregular(), CLIENT);
        let genuine = scene.departs(&named(&request("GET /a"), "genuine")).0;
        let unpaid = scene.departs(&named(&made_up, "made-up")).0;
        scene.passes(1);
        assert_eq!(scene.overdrawn(), [genuine, unpaid].into());
        // Its class may be forgotten by now, but not the attempt.
        scene.passes(100);
        let again = [named(&made_up, "made-up"), named(&request("GET /a"), "genuine")]
            .map(|request| scene.departs(&envoy_retry(&request, 2)).0);
        scene.passes(1);
        assert_eq!(scene.overdrawn(), [genuine, unpaid].into_iter().chain(again).collect());
        assert_eq!(scene.settled(), [].into());
        scene.answered(entry);
        scene.passes(30);
        assert!(!scene.linker.unsettled() && scene.linker.is_empty());
    }
}

#[test]
fn attempts_are_one_request_as_long_as_an_irregular_entry_that_may_have_caused_them_is_open() {
    for (irregular_first, more) in [(true, true), (false, true), (true, false)] {
        let mut scene = Scene::of(&gateway());
        let (regular, irregular) = if irregular_first {
            let irregular = scene.enters(&irregular(), CLIENT);
            (scene.enters(&request("GET /a"), CLIENT), irregular)
        } else {
            let regular = scene.enters(&request("GET /a"), CLIENT);
            (regular, scene.enters(&irregular(), CLIENT))
        };
        let one = named(&request("GET /a"), "one");
        let mut attempts = vec![scene.departs(&one).0];
        scene.passes(1);
        scene.answered(regular);
        scene.passes(30);
        attempts.push(scene.departs(&envoy_retry(&one, 2)).0);
        scene.passes(1);
        assert_eq!(scene.settled(), attempts.iter().copied().collect());
        // The irregular entry has still its own to pay for.
        attempts.extend(more.then(|| scene.departs(&named(&request("GET /a"), "other")).0));
        scene.answered(irregular);
        scene.passes(30);
        assert_eq!(scene.settled(), attempts.into_iter().collect());
        assert!(scene.linker.is_empty(), "{irregular_first}: nothing is kept when all are over");
    }
}

#[test]
fn what_waits_for_an_acknowledgement_or_is_paid_by_an_irregular_entry_gets_further_attempts() {
    let mut scene = Scene::of(&gateway());
    let entry = scene.enters_unacknowledged(&irregular(), CLIENT);
    let one = named(&request("GET /a"), "one");
    let mut attempts = Vec::new();
    for acknowledged in [false, true] {
        if acknowledged {
            scene.linker.acknowledged(entry);
            scene.passes(1);
        }
        attempts.push(scene.departs(&envoy_retry(&one, 1)).0);
        attempts.push(scene.departs(&envoy_retry(&one, 2)).0);
        scene.passes(1);
        let settled = if acknowledged { attempts.clone() } else { Vec::new() };
        assert_eq!(scene.settled(), settled.into_iter().collect());
    }
    // A request of its own finds nothing left, and all attempts of the first share that.
    let made_up = scene.departs(&named(&request("GET /a"), "another")).0;
    scene.answered(entry);
    scene.passes(30);
    assert_eq!(scene.overdrawn(), attempts.into_iter().chain([made_up]).collect());
    assert_eq!((scene.unpaid(), scene.linker.is_empty()), (1, true));
}
