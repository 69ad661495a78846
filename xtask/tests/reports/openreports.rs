//! Report objects: a real API server with the published definitions takes them, with strict validation.

use serde_json::json;

use waypoint_verify::report::{Format, Outcome, Told};
use xtask::cluster::{ApiServer, available};
use xtask::setup::OPEN_REPORTS;

use crate::{folder, outcomes};

fn yaml(outcome: Outcome) -> String {
    let told = Told { text: String::new(), json: String::new(), outcome, exit_code: 0 };
    told.as_format(Format::Openreports).unwrap()
}

#[test]
fn every_outcome_is_taken_by_the_api_server_and_shown_in_columns() {
    if !available("every_outcome_is_taken_by_the_api_server_and_shown_in_columns") {
        return;
    }
    let server = ApiServer::start(&folder("openreports")).unwrap();
    server.define(&OPEN_REPORTS).unwrap();
    server.client().namespace("hello").unwrap();
    for (name, outcome) in outcomes::all() {
        let text = yaml(outcome);
        let taken = server.client().apply(&text).unwrap_or_else(|error| panic!("{name}: {error:#}\n{text}"));
        for object in taken {
            let sum: u64 =
                object.data["summary"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
            assert_eq!(object.data["results"].as_array().unwrap().len() as u64, sum, "{name}");
        }
    }
    server.client().apply(&yaml(outcomes::all().remove(2).1)).unwrap();
    let output = server.kubectl().unwrap().args(["get", "reports", "-n", "hello", "--no-headers"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<_> = text.lines().map(|line| line.split_whitespace().take(6).collect::<Vec<_>>()).collect();
    assert_eq!(
        rows,
        [
            ["waypoint-verify-blind", "0", "0", "0", "1", "0"],
            ["waypoint-verify-good", "1", "0", "0", "0", "0"],
            ["waypoint-verify-past", "0", "2", "0", "1", "0"]
        ],
        "{text}"
    );

    // It does look.
    let bad = yaml(outcomes::all().remove(1).1).replace("result: pass", "result: maybe");
    let error = format!("{:#}", server.client().apply(&bad).unwrap_err());
    assert!(error.contains("maybe"), "{error}");
    let unknown = json!({"apiVersion": "openreports.io/v1alpha1", "kind": "Report",
                         "metadata": {"name": "a", "namespace": "hello"}, "verdict": "True"});
    server.client().apply(&unknown.to_string()).unwrap_err();
}
