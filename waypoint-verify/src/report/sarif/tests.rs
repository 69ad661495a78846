use proptest::prelude::*;

use super::*;
use crate::report::outcome::samples::{all_verdicts, any, declared, outcome, verified};

fn read(outcome: &Outcome) -> Value {
    let log: Value = serde_json::from_str(&sarif(outcome, 1)).unwrap();
    log["runs"][0].clone()
}

#[test]
fn each_finding_is_a_result_of_its_rule_and_what_fails_the_gate_is_an_error() {
    let run = read(&all_verdicts());
    let told: Vec<_> = run["results"].as_array().unwrap().iter().map(|one| (&one["ruleId"], &one["level"])).collect();
    assert_eq!(
        told,
        [
            (&json!("traffic/tooLittle"), &json!("error")),
            (&json!("bypass/RouteBypass"), &json!("error")),
            (&json!("unverified/gap"), &json!("error"))
        ]
    );
    let result = &run["results"][1];
    assert_eq!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "WaypointPolicy hello/past");
    assert_eq!(result["locations"][0].get("physicalLocation"), None);
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    assert_eq!(run["invocations"][0]["startTimeUtc"], "2026-11-26T20:00:00.000Z");
    let counts = &run["properties"]["policies"][2];
    assert_eq!((&counts["verdict"], &counts["counts"]["bypassed.RouteBypass"]), (&json!("False"), &json!(2)));
}

#[test]
fn a_place_in_a_file_is_a_uri_and_a_line() {
    let relative = "a%20b/c%3Ad%23%25.yaml";
    for (file, line, uri, region) in [
        ("a b/c:d#%.yaml", Some(7), relative, json!({"startLine": 7})),
        ("./a b/c:d#%.yaml", Some(0), relative, json!({"startLine": 1})),
        ("/srv/routes.yaml", None, "file:///srv/routes.yaml", Value::Null),
        ("é.yaml", None, "%C3%A9.yaml", Value::Null),
    ] {
        let mut policy = verified("good");
        policy.findings.push(declared(file, line));
        let run = read(&outcome(vec![policy]));
        let result = &run["results"][0];
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!((&place["artifactLocation"]["uri"], &place["region"]), (&json!(uri), &region), "{file}");
        assert_eq!(result["level"], "warning");
        assert_eq!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "HTTPRoute hello/bypass");
    }
}

#[test]
fn the_same_finding_is_known_again_whatever_its_counts_and_lines() {
    let print = |line, name| {
        let mut policy = verified(name);
        policy.findings.push(Finding { object: None, ..declared("a.yaml", Some(line)) });
        read(&outcome(vec![policy]))["results"][0]["partialFingerprints"].clone()
    };
    assert_eq!(print(3, "one"), print(9, "one"));
    assert_ne!(print(3, "one"), print(3, "other"));
}

proptest! {
    #[test]
    fn every_result_is_of_a_rule_that_is_described(outcome in any()) {
        let run = read(&outcome);
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let results = run["results"].as_array().unwrap();
        prop_assert_eq!(results.len(), outcome.all_findings().count());
        for (result, (_, finding)) in results.iter().zip(outcome.all_findings()) {
            let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            prop_assert_eq!(&rule["id"], &result["ruleId"]);
            prop_assert_eq!(&result["message"]["text"], &json!(finding.message));
        }
    }
}
