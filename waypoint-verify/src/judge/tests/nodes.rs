//! Several nodes: what one says of what another one observed. Everything in the scene is on node-1.

use std::sync::Arc;

use smallvec::smallvec;

use super::super::Testified;
use super::scene::{Scene, TARGET, container, link, owner};
use crate::evidence::{End, Evidence};
use crate::model::{ContainerRef, MessageKey, Side};

fn says(scene: &mut Scene, node: &str, evidence: Evidence) -> bool {
    scene.judge.apply_of(node, evidence, &mut scene.judged) == Testified::Taken
}

#[test]
fn another_node_pays_for_nothing() {
    for (node, expected) in [("node-1", "Verified"), ("node-2", "Verified (provisional)")] {
        let mut scene = Scene::default();
        let keys = scene.compliant();
        let settled = Evidence::Settled { keys: keys.into_iter().collect() };
        assert_eq!(says(&mut scene, node, settled), node == "node-1");
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), expected, "{node}");
    }
}

#[test]
fn nobody_pays_for_what_is_still_to_come() {
    let mut scene = Scene::default();
    // Numbers that the attacker has guessed, before the right node tells of them.
    let next = MessageKey { conn: scene.direct("client").conn, offset: 0, stream: 0 };
    let guessed: Vec<_> = (1..10)
        .map(|n| {
            let mut key = next;
            key.conn.client_isn += n;
            key.conn.server_isn += n;
            key
        })
        .collect();
    assert!(!says(&mut scene, "node-2", Evidence::Settled { keys: guessed.iter().copied().collect() }));
    let keys = scene.compliant();
    assert!(keys.iter().all(|key| guessed.contains(key)), "the guess was right");
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Verified (provisional)");
}

#[test]
fn another_node_narrows_ends_receives_and_closes_nothing() {
    let mut scene = Scene::default();
    let keys = scene.compliant();
    let (arrival, conn) = (keys[2], keys[2].conn);
    let rows = [
        Evidence::Narrowed { key: arrival, link: link(&[]) },
        Evidence::Ended { key: arrival, side: Side::Active, end: 1 },
        Evidence::Ended { key: arrival, side: Side::Passive, end: 1 },
        Evidence::Received { key: arrival, whole: true, at: 1 },
        Evidence::Abandoned { key: arrival, reason: None },
        Evidence::Closed { conn, side: Side::Active },
        Evidence::Closed { conn, side: Side::Passive },
    ];
    for evidence in rows {
        let what = format!("{evidence:?}");
        assert!(!says(&mut scene, "node-2", evidence.clone()), "{what}");
        // The right node may say all of it.
        let mut scene = Scene::default();
        let again = scene.compliant();
        assert_eq!(again, keys);
        assert!(says(&mut scene, "node-1", evidence), "{what}");
    }
    says(&mut scene, "node-1", Evidence::Settled { keys: keys.into_iter().collect() });
    scene.tick();
    assert_eq!(scene.verdict(arrival), "Verified");
}

#[test]
fn an_overdrawn_class_marks_departures_of_its_own_instance_only() {
    let other = Arc::new(ContainerRef { node: "node-2".into(), id: "other".into(), ..(*container("envoy")).clone() });
    for (instance, expected) in [(container("envoy"), "Unverified(overdrawn)"), (other, "Verified")] {
        let mut scene = Scene::default();
        let keys = scene.compliant();
        scene.settle(&keys);
        let node = instance.node.clone();
        let overdrawn = Evidence::Overdrawn { instance, class: 1, unpaid: vec![keys[2]], shared: Vec::new() };
        says(&mut scene, &node, overdrawn);
        scene.tick();
        assert_eq!(scene.verdict(keys[2]), expected, "{node}");
    }
}

#[test]
fn of_what_is_paid_for_together_what_was_forgotten_is_left_out() {
    let mut scene = Scene::default();
    let keys = scene.compliant();
    let mut forgotten = keys[2];
    forgotten.offset = 99;
    assert!(says(&mut scene, "node-1", Evidence::Settled { keys: smallvec![forgotten, keys[2]] }));
    scene.settle(&keys[..2]);
    scene.tick();
    assert_eq!(scene.verdict(keys[2]), "Verified");
}

#[test]
fn an_opening_that_is_told_again_disputes_nothing_unless_it_is_anothers() {
    let rows = [("client", "Bypassed(DirectConnection)"), ("waypoint", "Unverified(conflict)")];
    for (who, expected) in rows {
        let mut scene = Scene::default();
        let key = scene.direct("client");
        let local = ([10, 244, 0, 1], 4000).into();
        let end = End { owner: owner(who), process: None, local, remote: TARGET.parse().unwrap(), at: 0 };
        scene.tell(Evidence::Open { conn: key.conn, side: Side::Active, end: Arc::new(end) });
        scene.tick();
        assert_eq!(scene.verdict(key), expected, "{who}");
    }
    // To a judge that has not heard of it before, it says who dialled.
    let mut scene = Scene::default();
    let conn = scene.connect("", "backend", TARGET.parse().unwrap());
    let local = ([10, 244, 0, 1], 4000).into();
    let end = End { owner: owner("client"), process: None, local, remote: TARGET.parse().unwrap(), at: 0 };
    scene.tell(Evidence::Open { conn, side: Side::Active, end: Arc::new(end) });
    let key = MessageKey { conn, offset: 0, stream: 0 };
    scene.arrive(key);
    scene.tick();
    assert_eq!(scene.verdict(key), "Bypassed(DirectConnection)");
}

#[test]
fn who_dialled_before_all_nodes_were_seen_is_not_known() {
    for (since, expected) in [(false, "Bypassed(UnknownSender)"), (true, "Unverified(predatesAgent)")] {
        let mut scene = Scene::default();
        let key = scene.direct("");
        if since {
            scene.judge.observed_since(scene.now + 1);
        }
        scene.tick();
        scene.tick();
        assert_eq!(scene.verdict(key), expected);
    }
}
