//! JUnit's XML: the schema of Jenkins (junit-10.xsd, as the package pytest 9.2.0 carries it), and junitparser.

use std::path::PathBuf;

use serde_json::{Value, json};

use waypoint_verify::report::junit::junit;

use crate::{available, file, folder, look, outcomes, read};

pub fn schema() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reports/junit-10.xsd")
}

/// `name: result` of each case.
pub fn results(suites: &Value) -> Vec<String> {
    let cases = suites.as_array().unwrap().iter().flat_map(|suite| suite["cases"].as_array().unwrap());
    let result = |case: &Value| {
        case["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["is"], one["type"]))
            .collect::<String>()
    };
    cases.map(|case| format!("{}: {}", case["name"], result(case)).replace('"', "")).collect()
}

#[test]
fn every_outcome_is_as_the_schema_wants_it_and_is_read_as_what_it_is() {
    if !available("every_outcome_is_as_the_schema_wants_it_and_is_read_as_what_it_is") {
        return;
    }
    let folder = folder("junit");
    for (name, outcome) in outcomes::all() {
        let suites = read("junit", &file(&folder, name, &junit(&outcome)), &schema());
        let expected = match name {
            "nothing" => vec!["gate: Error gate/noPolicy"],
            "verified" => vec!["good: "],
            "all-verdicts" => {
                vec!["blind: Error traffic/tooLittle", "good: ", "past: Failure bypass/RouteBypass"]
            }
            _ => vec!["good: ", "past: Failure bypass/RouteBypass"],
        };
        assert_eq!(results(&suites), expected, "{name}: {suites:#}");
        if name == "all-verdicts" {
            assert_eq!(suites[2]["properties"]["bypassed.RouteBypass"], "2");
            assert_eq!(suites[2]["time"], json!(3723.0));
            assert_eq!(suites[2]["cases"][0]["class"], "waypoint-verify.hello");
        }
        if name == "nasty" {
            let text = suites[1]["cases"][0]["result"][0]["text"].as_str().unwrap();
            let read = "100 %\u{fffd}\n::error::\u{fffd}\u{fffd}[31m <&>]]>\"' a: b, c\t\u{fffd}\u{1f980}";
            assert!(text.contains(read), "{text}");
        }
    }
}

/// A schema that lets everything through would say nothing.
#[test]
fn what_the_schema_does_not_know_is_noticed() {
    if !available("what_the_schema_does_not_know_is_noticed") {
        return;
    }
    let (_, outcome) = outcomes::all().remove(1);
    let bad = junit(&outcome).replace("<testcase ", "<testcase verdict=\"True\" ");
    let (problems, _) = look("junit", &file(&folder("junit-bad"), "bad.junit", &bad), &schema());
    assert!(problems.iter().any(|problem| problem.contains("verdict")), "{problems:?}");
}
