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

fn text(folder: &Path, format: &str) -> String {
    fs::read_to_string(folder.join(format)).unwrap()
}

#[test]
fn all_reports_of_a_run_say_what_its_exit_code_says() {
    let name = "all_reports_of_a_run_say_what_its_exit_code_says";
    if !privileged::available(name) || !available(name) {
        return;
    }
    demo::build().unwrap();
    let folder = folder("real");
    let mut lab = Lab::up(&Topology::standard()).unwrap();
    for (exit, paths, result, annotation, summary, records) in [
        (
            3,
            &[][..],
            "Error traffic/tooLittle",
            "::error title=WaypointPolicy hello/",
            "error: 1",
            "error traffic/tooLittle WaypointPolicy hello/hello-through-waypoint:1",
        ),
        (0, &["/", "/"], "", "::notice title=WaypointPolicy hello/", "pass: 1", ""),
        (
            1,
            &["/", "/bypass"],
            "Failure bypass/RouteBypass",
            "::error title=WaypointPolicy hello/",
            "fail: 1",
            "error bypass/RouteBypass WaypointPolicy hello/hello-through-waypoint:1",
        ),
    ] {
        if exit == 1 {
            lab.apply(BYPASS).unwrap();
        }
        assert_eq!(gate(&lab, &folder, paths), exit);
        let suites = read("junit", &folder.join("junit"), &junit::schema());
        assert_eq!(junit::results(&suites), [format!("hello-through-waypoint: {result}")], "{suites:#}");
        assert_eq!(suites[0]["properties"]["requests"], paths.len().to_string());
        let found = sarif::results(&read("sarif", &folder.join("sarif"), &sarif::schema()));
        let expected: Vec<_> = Some(records.to_owned()).filter(|record| !record.is_empty()).into_iter().collect();
        let of_policy: Vec<_> = found.into_iter().filter(|record| !record.contains("observer/finding")).collect();
        assert_eq!(of_policy, expected);
        assert!(
            text(&folder, "github").lines().any(|line| line.starts_with(annotation)),
            "{}",
            text(&folder, "github")
        );
        assert!(text(&folder, "openreports").contains(summary), "{}", text(&folder, "openreports"));
        assert!(text(&folder, "text").contains(&format!("requests {}", paths.len())));
        let summary: Value = serde_json::from_str(&text(&folder, "json")).unwrap();
        assert_eq!(summary["policies"][0]["requests"], paths.len());
    }
    lab.down().unwrap();
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
