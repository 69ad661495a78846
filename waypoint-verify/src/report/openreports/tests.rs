use proptest::prelude::*;

use super::*;
use crate::report::outcome::samples::{all_verdicts, any, at, declared, outcome, verified};

#[test]
fn a_bypass_fails_and_what_is_not_verifiable_is_an_error() {
    let objects = objects(&all_verdicts());
    let told: Vec<_> = objects.iter().map(|one| (&one["metadata"]["name"], &one["summary"])).collect();
    let summary = |pass, fail, error| json!({"pass": pass, "fail": fail, "warn": 0, "error": error, "skip": 0});
    assert_eq!(
        told,
        [
            (&json!("waypoint-verify-blind"), &summary(0, 0, 1)),
            (&json!("waypoint-verify-good"), &summary(1, 0, 0)),
            (&json!("waypoint-verify-past"), &summary(0, 1, 1))
        ]
    );
    let [fail, error] = &objects[2]["results"].as_array().unwrap()[..] else { panic!("{:#}", objects[2]) };
    assert_eq!(
        [&fail["rule"], &fail["result"], &fail["severity"], &fail["category"], &fail["policy"]],
        [&json!("bypass/RouteBypass"), &json!("fail"), &json!("high"), &json!("bypass"), &json!("hello/past")]
    );
    assert_eq!([&error["rule"], &error["result"]], [&json!("unverified/gap"), &json!("error")]);
    assert_eq!(fail["properties"]["bypassed.RouteBypass"], "2");
    assert_eq!(fail["timestamp"], json!({"seconds": 1_795_723_212, "nanos": 0}));
    assert_eq!(objects[2]["scope"]["kind"], "WaypointPolicy");
    assert_eq!(objects[2]["metadata"].get("ownerReferences"), None);
}

#[test]
fn the_report_of_an_object_of_a_cluster_goes_with_it() {
    let policy = PolicyOutcome { uid: Some("u1".into()), ..verified("good") };
    let object = object(&policy, &[], at(0));
    let owner = &object["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["uid"], &owner["apiVersion"]), (&json!("u1"), &json!("waypoint-verify.dev/v1alpha1")));
}

#[test]
fn a_risk_warns_names_its_object_and_fails_nothing() {
    let mut policy = verified("good");
    policy.findings.push(declared("a.yaml", Some(3)));
    let object = &objects(&outcome(vec![policy]))[0];
    assert_eq!(object["summary"], json!({"pass": 1, "fail": 0, "warn": 1, "error": 0, "skip": 0}));
    let warning = &object["results"][1];
    let route = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "namespace": "hello", "name": "bypass"}]);
    assert_eq!(warning["resources"], route);
    assert_eq!((&warning["properties"]["location"], &warning["scored"]), (&json!("a.yaml:3"), &json!(false)));
}

#[test]
fn every_policy_has_a_report_of_its_own_whose_name_an_object_may_have() {
    assert_eq!(name("p"), "waypoint-verify-p");
    let long = |tail: &str| format!("{}{tail}", "a".repeat(252));
    let names = [
        name(&long("b")),
        name(&long("c")),
        name(&"a".repeat(237)),
        name(&format!("{}.{}", "a".repeat(219), "b".repeat(33))),
    ];
    for name in &names {
        assert!(name.len() <= 253 && !name.contains(".-"), "{name}");
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(names[2].len(), 253);
}

#[test]
fn one_document_for_each_policy_and_none_for_none() {
    let text = yaml(&all_verdicts()).unwrap();
    assert_eq!(text.split("---\n").count(), 3);
    assert_eq!(yaml(&outcome(Vec::new())).unwrap(), "");
}

proptest! {
    #[test]
    fn whatever_is_told_is_read_again_from_the_yaml_and_summed_up(outcome in any()) {
        use serde::Deserialize as _;
        let text = yaml(&outcome).unwrap();
        let documents = serde_norway::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap());
        let documents: Vec<_> = documents.filter(|one| !one.is_null()).collect();
        prop_assert_eq!(&documents, &objects(&outcome));
        for object in &documents {
            let sum: u64 = object["summary"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
            prop_assert_eq!(sum, object["results"].as_array().unwrap().len() as u64);
        }
    }
}
