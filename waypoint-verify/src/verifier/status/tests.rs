use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::*;
use crate::lockstep::Blind;
use crate::model::Reason;
use crate::routes::{Assumptions, Enforcement, analyze_all};
use crate::verifier::sample::OBJECTS;

fn policy(errors: Vec<Problem>) -> Policy {
    Policy { uid: "u".into(), generation: 3, errors, findings: Vec::new(), canary: None }
}

fn seen() -> Coverage {
    Coverage { seen: BTreeSet::from(["node-1".to_owned()]), blind: BTreeMap::new() }
}

fn blind() -> Coverage {
    let why = BTreeSet::from([Blind::Silent, Blind::Said("no ring".into())]);
    Coverage { seen: BTreeSet::new(), blind: BTreeMap::from([("node-2".to_owned(), why)]) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Status and reason of a condition.
fn said(status: &WaypointPolicyStatus, kind: &str) -> (String, String) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn facts<'a>(policy: &'a Policy, said: &'a Said, coverage: &'a Coverage) -> Facts<'a> {
    static NONE: LazyLock<Waits> = LazyLock::new(Waits::default);
    static NO_HOLES: BTreeMap<String, u64> = BTreeMap::new();
    Facts {
        policy,
        said,
        provisional: 0,
        coverage,
        waits: &NONE,
        errors: &[],
        last_bypass: None,
        declared: None,
        undeclared: &NO_HOLES,
        since: Some(at(1)),
    }
}

#[test]
fn conditions_say_what_is_known_and_why_not() {
    let (good, seen, blind) = (policy(Vec::new()), seen(), blind());
    let verified = Said { verified: 5, ..Said::default() };
    let bypassed = Said { bypassed: BTreeMap::from([("RouteBypass".into(), 2)]), ..verified.clone() };
    let doubted = Said { unverified: BTreeMap::from([(Reason::Gap, 1)]), ..verified.clone() };
    let lost = Said { lost: 1, ..verified.clone() };
    let none = Said::default();
    let rows = [
        (&verified, &seen, "True", "Verified", "5 requests"),
        (&bypassed, &seen, "False", "Bypassed", "2 RouteBypass"),
        (&bypassed, &blind, "False", "Bypassed", "2 RouteBypass"),
        (&verified, &blind, "Unknown", "NotCovered", "Covered"),
        (&doubted, &seen, "Unknown", "Unverified", "1 gap"),
        (&lost, &seen, "Unknown", "Lost", "1 records"),
        (&none, &seen, "Unknown", "NoTraffic", "window"),
    ];
    for (said_of, coverage, expected, reason, word) in rows {
        let status = status(&facts(&good, said_of, coverage), None, at(2));
        assert_eq!(said(&status, VERIFIED), (expected.to_owned(), reason.to_owned()));
        assert!(status.conditions[2].message.contains(word), "{}", status.conditions[2].message);
        assert_eq!(said(&status, ACCEPTED).1, "Accepted");
        assert_eq!(status.observed_generation, Some(3));
    }
    let uncovered = status(&facts(&good, &verified, &blind), None, at(2));
    assert_eq!(said(&uncovered, COVERED), ("False".to_owned(), "NodesNotCovered".to_owned()));
    assert!(uncovered.conditions[1].message.contains("node-2: its agent does not answer, no ring"));
    let waiting = status(&Facts { provisional: 2, ..facts(&good, &verified, &seen) }, None, at(2));
    assert_eq!(said(&waiting, VERIFIED).1, "Provisional");
    let unread = [Problem::error("HTTPRoute x cannot be read", "mend it")];
    let unread = status(&Facts { errors: &unread, ..facts(&good, &verified, &seen) }, None, at(2));
    assert_eq!(said(&unread, COVERED).1, "InventoryUnreadable");
    assert_eq!(said(&unread, VERIFIED), ("Unknown".to_owned(), "NotCovered".to_owned()));
}

/// A waypoint that dials the target itself, and what a test adds.
fn declared(more: &str) -> Analysis {
    let more = format!(
        "{OBJECTS}
---
apiVersion: v1
kind: Pod
metadata: {{name: backend, namespace: hello, labels: {{app: backend}}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 8083}}]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: waypoint, namespace: hello, labels: {{app: waypoint}}}}
spec: {{containers: [{{name: c}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: only-the-waypoint, namespace: hello}}
spec: {{podSelector: {{matchLabels: {{app: backend}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: waypoint}}}}}}]}}]}}
---{more}"
    );
    let (objects, problems) = crate::manifest::read_str("test", &more);
    assert_eq!(problems, []);
    let mut problems = Vec::new();
    let (policies, objects) = crate::policy::take_policies(objects, &mut problems);
    assert_eq!(problems, []);
    let assumptions = Assumptions { enforcement: Some(Enforcement::Default), ..Assumptions::default() };
    analyze_all(objects, Vec::new(), &policies, &assumptions).remove(0).unwrap()
}

#[test]
fn enforced_says_what_objects_open_and_what_they_do_not_explain() {
    let (good, seen) = (policy(Vec::new()), seen());
    let bypassed = Said { bypassed: BTreeMap::from([("DirectConnection".into(), 2)]), ..Said::default() };
    let (shut, open) = (
        declared(""),
        declared(
            "\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all, namespace: hello}\nspec: {podSelector: {}, ingress: [{}]}\n",
        ),
    );
    let unread = Analysis { unread: vec![Problem::finding("Gate cannot be listed", "grant it")], ..shut.clone() };
    let forced = Said { forced: 3, ..Said::default() };
    let hole = BTreeMap::from([("RouteBypass".to_owned(), 2)]);
    let none = BTreeMap::new();
    for (declared, said_of, undeclared, expected, reason, word) in [
        (None, &Said::default(), &none, "Unknown", "NotRead", "not read yet"),
        (Some(&shut), &Said::default(), &none, "True", "NoPathOpen", "own node"),
        (Some(&shut), &bypassed, &none, "Unknown", "NotExplained", "2 DirectConnection"),
        (Some(&shut), &forced, &none, "Unknown", "NotExplained", "3 that cannot be named"),
        (Some(&unread), &bypassed, &none, "Unknown", "NotRead", "Gate cannot be listed"),
        (Some(&open), &Said::default(), &none, "False", "PathOpen", "DirectConnection by Pod hello/backend"),
        (Some(&open), &bypassed, &none, "False", "PathOpen", "(its kind was seen)"),
        (Some(&unread), &Said::default(), &none, "Unknown", "NotRead", "Gate cannot be listed (grant it)"),
        (Some(&open), &bypassed, &hole, "False", "Undeclared", "2 RouteBypass"),
    ] {
        let status = status(&Facts { declared, undeclared, ..facts(&good, said_of, &seen) }, None, at(2));
        let condition = status.conditions.iter().find(|condition| condition.type_ == ENFORCED).unwrap();
        assert_eq!((&*condition.status, &*condition.reason), (expected, reason), "{}", condition.message);
        assert!(condition.message.contains(word), "{}", condition.message);
    }
}

#[test]
fn while_connections_into_a_target_are_older_than_its_agent_nothing_is_verified() {
    let (good, seen) = (policy(Vec::new()), seen());
    let verified = Said { verified: 5, ..Said::default() };
    let doubted = Said { unverified: BTreeMap::from([(Reason::PredatesAgent, 1)]), ..verified.clone() };
    let bypassed = Said { forced: 1, ..verified.clone() };
    let words = || "waits for 3 connections".to_owned();
    let (into_target, into_proxy) = (Waits { unseen: 2, words: words() }, Waits { unseen: 0, words: words() });
    let rows = [
        (&verified, &into_target, ("Unknown", "OlderConnections"), true),
        (&doubted, &into_target, ("Unknown", "Unverified"), true),
        (&bypassed, &into_target, ("False", "Bypassed"), false),
        // What comes through a proxy from an older connection is seen, and is Unverified.
        (&doubted, &into_proxy, ("Unknown", "Unverified"), true),
        (&verified, &into_proxy, ("True", "Verified"), false),
    ];
    for (said_of, waits, (expected, reason), named) in rows {
        let status = status(&Facts { waits, ..facts(&good, said_of, &seen) }, None, at(2));
        assert_eq!(said(&status, VERIFIED), (expected.to_owned(), reason.to_owned()));
        let message = &status.conditions[2].message;
        assert_eq!(message.starts_with("waits for 3 connections"), named, "{message}");
    }
}

#[test]
fn a_policy_that_is_not_accepted_says_why_and_is_not_verified() {
    let seen = seen();
    for (nature, reason) in
        [(Nature::Invalid, "Invalid"), (Nature::NotFound, "TargetNotFound"), (Nature::NotPermitted, "RefNotPermitted")]
    {
        let wrong = policy(vec![Problem::error("it is wrong", "mend it").being(nature)]);
        let status = status(&facts(&wrong, &Said::default(), &seen), None, at(2));
        assert_eq!(said(&status, ACCEPTED), ("False".to_owned(), reason.to_owned()));
        assert_eq!(status.conditions[0].message, "it is wrong (mend it)");
        assert_eq!(said(&status, VERIFIED), ("Unknown".to_owned(), "NotAccepted".to_owned()));
    }
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let (good, seen) = (policy(Vec::new()), seen());
    let some = Said { verified: 1, ..Said::default() };
    let more = Said { verified: 9, ..Said::default() };
    let first = status(&facts(&good, &some, &seen), None, at(10));
    let second = status(&facts(&good, &more, &seen), Some(&first), at(20));
    assert_eq!(second.conditions[2].last_transition_time, Time(at(10)));
    assert_ne!(second.conditions[2].message, first.conditions[2].message);
    let bad = Said { forced: 1, ..more };
    let third = status(&facts(&good, &bad, &seen), Some(&second), at(30));
    assert_eq!(third.conditions[2].last_transition_time, Time(at(30)));
    assert_eq!(third.conditions[0].last_transition_time, Time(at(10)));
}

#[test]
fn everything_in_it_is_bounded() {
    let problems = (0..500).map(|n| Problem::error(format!("wrong {n}"), "mend it")).collect();
    let long = policy(problems);
    let many = Said { exempt: (0..500).map(|n| (format!("reason {n}"), 1)).collect(), ..Said::default() };
    let seen = seen();
    let status = status(&facts(&long, &many, &seen), None, at(2));
    assert!(status.conditions[0].message.len() <= MESSAGE);
    let exempt = status.counts.unwrap().exempt;
    assert_eq!((exempt.len(), exempt["others"]), (32, 469));
    assert!(line("é".repeat(5000)).len() <= LINE);
}
