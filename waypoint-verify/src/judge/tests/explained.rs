//! What is explained where explanations are few.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scene::{Scene, TARGET, container, policy};
use crate::evidence::{Evidence, RequestLine};
use crate::judge::{Explain, Limits};
use crate::model::{MessageKey, Verdict};

fn scene(explain: Explain) -> Scene {
    Scene::bounded([policy()], Limits { explain, ..Limits::default() })
}

/// A request that was sent the demanded way, and bears this trace id.
fn traced(scene: &mut Scene, trace_id: &str) -> MessageKey {
    let cause = scene.enter("client", "envoy", super::scene::listener("front"));
    let keys = scene.through(&[cause]);
    let request = RequestLine { trace_id: Some(trace_id.to_owned()), ..RequestLine::default() };
    let (key, at) = (keys[2], scene.now);
    scene.tell(Evidence::Arrived {
        key,
        at_pod: container("backend"),
        local: TARGET.parse().unwrap(),
        peer: "10.244.0.1:4000".parse().unwrap(),
        request: Arc::new(request),
        digest: 5,
        at,
    });
    scene.tell(Evidence::Received { key, whole: true, at });
    scene.settle(&keys);
    key
}

/// How many Verified and how many others have an explanation.
fn explained(scene: &Scene) -> (usize, usize) {
    let all = scene.judged.iter().filter(|judged| judged.explanation.is_some());
    let (verified, others): (Vec<_>, Vec<_>) = all.partition(|judged| judged.verdict == Verdict::Verified);
    (verified.len(), others.len())
}

#[test]
fn every_bypass_and_of_the_verified_as_many_as_are_wanted() {
    let rows = [
        (Explain::Nothing, (0, 0)),
        (Explain::Everything, (3, 2)),
        (Explain::Sparingly { verified: 0 }, (0, 2)),
        (Explain::Sparingly { verified: 2 }, (2, 2)),
    ];
    for (explain, expected) in rows {
        let mut scene = scene(explain);
        for n in 0..3 {
            traced(&mut scene, &format!("{n}"));
        }
        scene.direct("client");
        scene.direct("client");
        scene.tick();
        assert_eq!(explained(&scene), expected, "{explain:?}");
    }
}

#[test]
fn those_that_are_looked_for_are_explained_beside_them() {
    let mut scene = scene(Explain::Sparingly { verified: 0 });
    scene.judge.look_for(BTreeSet::from(["1".to_owned()]));
    let keys = ["0", "1", "2"].map(|id| traced(&mut scene, id));
    scene.tick();
    let explained: Vec<_> = scene.judged.iter().filter(|one| one.explanation.is_some()).map(|one| one.key).collect();
    assert_eq!(explained, [keys[1]]);
}

#[test]
fn each_tick_explains_anew() {
    let mut scene = scene(Explain::Sparingly { verified: 1 });
    for n in 1..=3 {
        traced(&mut scene, "0");
        traced(&mut scene, "1");
        scene.tick();
        assert_eq!(explained(&scene), (n, 0));
    }
}
