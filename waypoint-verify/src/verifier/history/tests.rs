use std::time::Duration;

use super::*;
use crate::model::{Guards, PodRef, ProxyKind, WatchList};
use crate::verifier::picture::Policy;

const SECOND: BootNs = 1_000_000_000;

fn name(name: &str) -> NamespacedName {
    NamespacedName { namespace: "ns".into(), name: name.into() }
}

/// Pods of one container each, whose id is that of the pod with a `c-` before it. `gateway`: where the one listener leads.
fn picture(pods: &[&str], waypoints: &[&str], targets: &[&str], generation: i64, gateway: &str) -> Picture {
    let id = |pod: &&str| format!("c-{pod}");
    let container = |pod: &&str| {
        let of = PodRef { namespace: "ns".into(), name: (*pod).into(), uid: (*pod).into() };
        (id(pod), Arc::new(ContainerRef { node: "n".into(), pod: of, name: "c".into(), id: id(pod) }))
    };
    let proxy = Arc::new(ProxySpec { kind: ProxyKind::Waypoint, guards: Guards::default() });
    let policy = CompiledPolicy {
        name: name("policy"),
        targets: targets.iter().map(|pod| (*pod).to_owned()).collect(),
        waypoint: waypoints.iter().map(id).collect(),
        via: Vec::new(),
        entry: None,
        exempt: Vec::new(),
        window: Duration::from_secs(600),
    };
    let listener = Listener { gateway: name(gateway), port: 80 };
    let watch = WatchList {
        containers: pods.iter().map(container).collect(),
        pods: pods.iter().map(|pod| ((*pod).to_owned(), (name(pod), "n".to_owned()))).collect(),
        proxies: waypoints.iter().map(|pod| (id(pod), Arc::clone(&proxy))).collect(),
        protected: policy.targets.clone(),
        listeners: [("10.96.0.1:80".parse().unwrap(), listener)].into(),
        policies: vec![Arc::new(policy)],
        ..WatchList::default()
    };
    let of = Policy { uid: "u".into(), generation, errors: Vec::new(), findings: Vec::new(), canary: None };
    Picture { watch: Arc::new(watch), policies: [(name("policy"), of)].into(), ..Picture::default() }
}

/// What the policy of the last picture consists of.
fn roles(history: &mut History, mut picture: Picture, at: BootNs) -> (Vec<String>, Vec<String>) {
    history.add_to(&mut picture, at);
    let policy = &picture.watch.policies[0];
    for id in &policy.waypoint {
        assert!(picture.watch.proxies.contains_key(id) && picture.watch.containers.contains_key(id), "{id}");
    }
    for uid in &policy.targets {
        assert!(picture.watch.protected.contains(uid) && picture.watch.pods.contains_key(uid), "{uid}");
    }
    (policy.waypoint.iter().cloned().collect(), policy.targets.iter().cloned().collect())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn who_has_gone_keeps_its_role_until_its_requests_are_judged() {
    let mut history = History::default();
    let first = || picture(&["w1", "t1"], &["w1"], &["t1"], 1, "front");
    let second = || picture(&["w2", "t2"], &["w2"], &["t2"], 1, "front");
    assert_eq!(roles(&mut history, first(), 0), (texts(&["c-w1"]), texts(&["t1"])));
    let both = (texts(&["c-w1", "c-w2"]), texts(&["t1", "t2"]));
    assert_eq!(roles(&mut history, second(), SECOND), both);
    assert_eq!(roles(&mut history, second(), 60 * SECOND), both);
    assert_eq!(roles(&mut history, second(), 61 * SECOND), (texts(&["c-w2"]), texts(&["t2"])));
    assert!(history.is_empty());
}

#[test]
fn who_is_still_there_and_lost_its_role_has_lost_it_at_once() {
    let mut history = History::default();
    roles(&mut history, picture(&["w1", "w2", "t1", "t2"], &["w1", "w2"], &["t1", "t2"], 1, "front"), 0);
    let mut now = picture(&["w1", "w2", "t1", "t2"], &["w2"], &["t2"], 1, "front");
    let known = history.add_to(&mut now, SECOND);
    assert_eq!(now.watch.policies[0].waypoint, BTreeSet::from(["c-w2".to_owned()]));
    assert_eq!(now.watch.policies[0].targets, BTreeSet::from(["t2".to_owned()]));
    // What an agent tells of it that has not heard is no news.
    let all = ["c-w1", "c-w2", "t1", "t2"].map(str::to_owned);
    assert_eq!(known, Roles::new(&WatchList::default(), all.iter()));
}

#[test]
fn another_spec_inherits_nothing() {
    let mut history = History::default();
    roles(&mut history, picture(&["w1", "t1"], &["w1"], &["t1"], 1, "front"), 0);
    let now = roles(&mut history, picture(&["w2", "t2"], &["w2"], &["t2"], 2, "front"), SECOND);
    assert_eq!(now, (texts(&["c-w2"]), texts(&["t2"])));
}

#[test]
fn who_comes_back_without_its_role_does_not_have_it() {
    let mut history = History::default();
    roles(&mut history, picture(&["w1", "t1"], &["w1"], &["t1"], 1, "front"), 0);
    roles(&mut history, picture(&["t1"], &[], &["t1"], 1, "front"), SECOND);
    let now = roles(&mut history, picture(&["w1", "t1"], &[], &["t1"], 1, "front"), 2 * SECOND);
    assert_eq!(now, (texts(&[]), texts(&["t1"])));
}

#[test]
fn an_address_that_leads_elsewhere_now_leads_nowhere_for_a_while() {
    let mut history = History::default();
    let mut listeners = |gateway, at| {
        let mut picture = picture(&["t1"], &[], &["t1"], 1, gateway);
        history.add_to(&mut picture, at);
        picture.watch.listeners.len()
    };
    assert_eq!(listeners("front", 0), 1);
    assert_eq!(listeners("front", SECOND), 1);
    assert_eq!(listeners("side", 2 * SECOND), 0);
    assert_eq!(listeners("side", 30 * SECOND), 0);
    assert_eq!(listeners("side", 62 * SECOND), 1);
}
