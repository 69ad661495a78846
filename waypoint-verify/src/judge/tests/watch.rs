//! A newer watch list: what goes on, what begins anew, what ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scene::{Scene, container, gateway, policy};
use crate::model::{CompiledPolicy, NamespacedName, WatchList};

/// The scene's own watch list with these policies.
fn watch(policies: Vec<CompiledPolicy>) -> Arc<WatchList> {
    Arc::new(Scene::watch(policies))
}

fn counts(scene: &Scene) -> Vec<(NamespacedName, u64)> {
    scene.judge.tallies().map(|(name, tally)| (name.clone(), tally.requests)).collect()
}

#[test]
fn counts_go_on_unless_the_spec_is_another_one() {
    let mut scene = Scene::default();
    scene.direct("client");
    scene.tick();
    assert_eq!(counts(&scene), [(gateway("policy"), 1)]);
    scene.judge.set_watch(watch(vec![policy()]), &BTreeSet::new());
    assert_eq!(counts(&scene), [(gateway("policy"), 1)]);
    scene.judge.set_watch(watch(vec![policy()]), &BTreeSet::from([gateway("policy")]));
    assert_eq!(counts(&scene), [(gateway("policy"), 0)]);
    scene.direct("client");
    scene.tick();
    assert_eq!(counts(&scene), [(gateway("policy"), 1)]);
}

#[test]
fn a_policy_that_comes_is_judged_from_then_on_and_one_that_goes_no_more() {
    let mut scene = Scene::default();
    scene.direct("client");
    scene.tick();
    let second = CompiledPolicy { name: gateway("second"), ..policy() };
    scene.judge.set_watch(watch(vec![policy(), second.clone()]), &BTreeSet::from([gateway("second")]));
    scene.direct("client");
    scene.tick();
    assert_eq!(counts(&scene), [(gateway("policy"), 2), (gateway("second"), 1)]);
    scene.judge.set_watch(watch(vec![second]), &BTreeSet::new());
    scene.direct("client");
    scene.tick();
    assert_eq!(counts(&scene), [(gateway("second"), 2)]);
}

#[test]
fn what_was_judged_under_a_policy_that_is_gone_is_no_other_policys() {
    let mut scene = Scene::default();
    // Provisional: it is judged again later.
    let keys = scene.compliant();
    scene.tick();
    let other = CompiledPolicy { name: gateway("other"), ..policy() };
    scene.judge.set_watch(watch(vec![other]), &BTreeSet::from([gateway("other")]));
    scene.settle(&keys);
    scene.tick();
    let tally = scene.tally();
    assert_eq!((tally.requests, tally.verified, tally.provisional), (1, 1, 0));
}

#[test]
fn who_is_a_target_is_what_the_newest_list_says() {
    let mut scene = Scene::default();
    let nobody = CompiledPolicy { targets: BTreeSet::from(["uid-another".into()]), ..policy() };
    scene.judge.set_watch(watch(vec![nobody]), &BTreeSet::new());
    scene.direct("client");
    scene.tick();
    assert_eq!(counts(&scene), [(gateway("policy"), 0)], "{:?}", container("backend"));
}
