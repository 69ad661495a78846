//! SARIF: the published schema (as the crate serde-sarif carries it), sarif-tools, and the types of serde-sarif.

use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_sarif::sarif::{ResultLevel, Sarif};

use waypoint_verify::report::sarif::sarif;
use xtask::cargo;

use crate::{available, file, folder, look, outcomes, read};

/// Where cargo has put the crate that carries it.
pub fn schema() -> PathBuf {
    let output = cargo::command(&["metadata", "--format-version", "1", "--locked"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let packages = metadata["packages"].as_array().unwrap();
    let carrier = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    Path::new(carrier["manifest_path"].as_str().unwrap()).with_file_name("src").join("schema.json")
}

/// `severity rule location:line` of each record of sarif-tools.
pub fn results(records: &Value) -> Vec<String> {
    let shown = |one: &Value| format!("{} {} {}:{}", one["Severity"], one["Code"], one["Location"], one["Line"]);
    records.as_array().unwrap().iter().map(|one| shown(one).replace('"', "")).collect()
}

#[test]
fn every_outcome_is_as_the_schema_wants_it_and_is_read_as_what_it_is() {
    if !available("every_outcome_is_as_the_schema_wants_it_and_is_read_as_what_it_is") {
        return;
    }
    let (folder, schema) = (folder("sarif"), schema());
    for (name, outcome) in outcomes::all() {
        let text = sarif(&outcome, 3);
        let records = read("sarif", &file(&folder, name, &text), &schema);
        let policy = "WaypointPolicy hello/past:1";
        let past = ["bypass/RouteBypass", "bypass/several", "unverified/gap"];
        let past = past.map(|rule| format!("error {rule} {policy}"));
        let owned = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = match name {
            "nothing" => owned(&["error gate/noPolicy -:1"]),
            "verified" => vec![],
            "all-verdicts" => {
                [owned(&["error traffic/tooLittle WaypointPolicy hello/blind:1"]), past.to_vec()].concat()
            }
            _ => {
                let rest = [
                    "warning declared/past routes/by%20pass%231.yaml:7",
                    "warning declared/past routes/by%20pass%231.yaml:1",
                    "note observer/finding -:1",
                ];
                [past.to_vec(), owned(&rest)].concat()
            }
        };
        assert_eq!(results(&records), expected, "{name}");

        let typed: Sarif = serde_json::from_str(&text).unwrap();
        let run = &typed.runs[0];
        let results = run.results.as_deref().unwrap_or_default();
        assert_eq!(results.len(), expected.len());
        let rules = run.tool.driver.rules.as_deref().unwrap_or_default();
        for result in results {
            let rule = &rules[usize::try_from(result.rule_index.unwrap()).unwrap()];
            assert_eq!(Some(&rule.id), result.rule_id.as_ref());
            assert!(rule.help.is_some() && rule.short_description.is_some(), "{rule:?}");
            assert_ne!(result.level, Some(ResultLevel::None));
        }
        if name == "nasty" {
            let message = results.iter().find_map(|one| one.message.text.as_ref().filter(|text| text.contains('\0')));
            assert_eq!(message.map(String::as_str), Some(outcomes::NASTY), "JSON holds everything");
        }
    }
}

/// A schema that lets everything through would say nothing.
#[test]
fn what_the_schema_does_not_know_is_noticed() {
    if !available("what_the_schema_does_not_know_is_noticed") {
        return;
    }
    let (_, outcome) = outcomes::all().remove(2);
    let bad = sarif(&outcome, 0).replace("\"level\": \"error\"", "\"level\": \"fatal\"");
    let (problems, _) = look("sarif", &file(&folder("sarif-bad"), "bad.sarif", &bad), &schema());
    assert!(problems.iter().any(|problem| problem.contains("fatal")), "{problems:?}");
}
