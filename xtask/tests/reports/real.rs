//! The program itself on real traffic: several reports of one run, all of which say what its exit code says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use xtask::client::{Request, Script};
use xtask::demo::{self, Verifier};
use xtask::lab::privileged;
use xtask::lab::{Lab, Topology};

use crate::{available, folder, junit, read, sarif};

/// Sends `/bypass` straight to the backend.
const BYPASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: bypass, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /bypass}}]
      backendRefs: [{name: hello-backend, port: 8083}]
";
const FORMATS: [&str; 6] = ["text", "json", "junit", "sarif", "openreports", "github"];

/// Observes requests to these paths, with a report in every format; returns its exit code.
fn gate(lab: &Lab, folder: &Path, paths: &[&str]) -> i32 {
    let reports: Vec<_> = FORMATS.iter().map(|format| format!("{format}={}", folder.join(format).display())).collect();
    let arguments: Vec<_> = reports.iter().flat_map(|report| ["--report", report.as_str()]).collect();
    let mut verifier = Verifier::gate(lab, 1, &arguments).unwrap();
    let requests: Vec<_> = paths.iter().map(|path| Request::get(path)).collect();
    let to = lab.gateway("hello-gateway").unwrap();
    lab.client("client-1").unwrap().run(&Script::keep_alive(to, requests)).unwrap();
    verifier.wait_for_verdicts(paths.len()).unwrap();
    verifier.end().unwrap().counts.exit
}

/// What a run has to come to.
struct Row {
    exit: i32,
    paths: &'static [&'static str],
    /// As junitparser, the runner of GitHub and sarif-tools see it.
    result: &'static str,
    annotation: &'static str,
    record: Option<&'static str>,
    /// Of the Report.
    summary: &'static str,
}

const ROWS: [Row; 3] = [
    Row {
        exit: 3,
        paths: &[],
        result: "Error traffic/tooLittle",
        annotation: "::error file={policy},line=1,title=WaypointPolicy hello/hello-through-waypoint%3A Fewer requests",
        record: Some("error traffic/tooLittle"),
        summary: "error: 1",
    },
    Row {
        exit: 0,
        paths: &["/", "/"],
        result: "",
        annotation: "::notice title=WaypointPolicy hello/hello-through-waypoint::True: requests 2, verified 2",
        record: None,
        summary: "pass: 1",
    },
    Row {
        exit: 1,
        paths: &["/", "/bypass"],
        result: "Failure bypass/RouteBypass",
        annotation: "::error file={policy},line=1,title=WaypointPolicy hello/hello-through-waypoint%3A A gateway reached",
        record: Some("error bypass/RouteBypass"),
        summary: "fail: 1",
    },
];

#[test]
fn all_reports_of_a_run_say_what_its_exit_code_says() {
    let name = "all_reports_of_a_run_say_what_its_exit_code_says";
    if !privileged::available(name) || !available(name) {
        return;
    }
    demo::build().unwrap();
    let folder = folder("real");
    for row in ROWS {
        // Of its own: connections that another run has left open are older than this one's probes.
        let mut lab = Lab::up(&Topology::standard()).unwrap();
        if row.exit == 1 {
            lab.apply(BYPASS).unwrap();
        }
        assert_eq!(gate(&lab, &folder, row.paths), row.exit);
        let policy = lab.policy_yaml();
        lab.down().unwrap();
        check(&row, &folder, &policy);
    }
}

fn check(row: &Row, folder: &Path, policy: &Path) {
    let requests = row.paths.len();
    let suites = read("junit", &folder.join("junit"), &junit::schema());
    assert_eq!(junit::results(&suites), [format!("hello-through-waypoint: {}", row.result)], "{suites:#}");
    assert_eq!(suites[0]["properties"]["requests"], requests.to_string());
    let records = sarif::results(&read("sarif", &folder.join("sarif"), &sarif::schema()));
    let of_policy: Vec<_> = records.iter().filter(|record| !record.contains("observer/finding")).collect();
    // What is found of a policy is found where it is written.
    let place = format!("file://{}:1", policy.display());
    assert_eq!(of_policy, row.record.map(|record| format!("{record} {place}")).iter().collect::<Vec<_>>());
    let text = |format: &str| fs::read_to_string(folder.join(format)).unwrap();
    let annotations = text("github");
    let expected = row.annotation.replace("{policy}", &policy.display().to_string());
    assert!(annotations.lines().any(|line| line.starts_with(&expected)), "{annotations}");
    // Of a request that bypassed it is told who sent it.
    assert_eq!(annotations.contains("/bypass HTTP/1.1, sent by pod clients/client-1 "), row.exit == 1, "{annotations}");
    assert!(text("openreports").contains(row.summary), "{}", text("openreports"));
    assert!(text("text").contains(&format!("requests {requests}")));
    let summary: Value = serde_json::from_str(&text("json")).unwrap();
    assert_eq!(summary["policies"][0]["requests"], requests);
}

fn program(arguments: &[&str], folder: &Path) -> Output {
    Command::new(demo::binary()).args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_else() {
    demo::build().unwrap();
    let folder: PathBuf = folder("refused");
    for (report, says) in [
        ("junit=none/gate.xml", "--report none/gate.xml: folder none: make it first"),
        ("xml=gate.xml", "is no format: text, json, junit, sarif, openreports, github"),
    ] {
        // The policy is not there either: the report comes first.
        let output =
            program(&["gate", "--policy", "none.yaml", "--inventory", "none.yaml", "--report", report], &folder);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
    fs::write(folder.join("gate.xml"), "of an earlier run").unwrap();
    let output =
        program(&["gate", "--policy", "a.yaml", "--inventory", "a.yaml", "--report", "junit=gate.xml"], &folder);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "an old report does not stand for a run that failed");
}
