//! WaypointPolicy on the real API server: what the reader of files refuses is refused at admission, too.

use std::path::{Path, PathBuf};

use kube::api::{DynamicObject, Patch, PatchParams};
use serde::Deserialize;
use serde_json::json;

use xtask::cluster::{ApiServer, available};

#[derive(Deserialize)]
struct Mistake {
    from: String,
    to: String,
    says: String,
}

#[derive(Deserialize)]
struct Variant {
    from: String,
    to: String,
}

fn testdata(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../waypoint-verify/tests/testdata").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn start(test: &str) -> ApiServer {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&dir);
    let server = ApiServer::start(&dir).expect("the API server starts");
    server.define_policies().expect("the definition is accepted");
    server.client().namespace("hello").unwrap();
    server
}

#[test]
fn what_the_reader_of_files_refuses_is_refused_at_admission() {
    if !available("what_the_reader_of_files_refuses_is_refused_at_admission") {
        return;
    }
    let server = start("policy-mistakes");
    let good = testdata("policy.yaml");
    server.client().apply(&good).expect("the good policy is accepted");
    let mistakes: Vec<Mistake> = serde_norway::from_str(&testdata("bad-policies.yaml")).unwrap();
    assert!(mistakes.len() > 40);
    let mut accepted = Vec::new();
    for Mistake { from, to, says } in mistakes {
        match server.client().apply(&good.replace(&from, &to)) {
            Ok(_) => accepted.push(format!("{to}: {says}")),
            Err(error) => {
                let said = format!("{error:#}");
                println!("{to}\n    file:   {says}\n    server: {}", said.replace('\n', " "));
                // Refused as what it is, and not because something else went wrong. (A label that is a map never leaves the client.)
                let refusals = [
                    "invalid type: map",
                    "(422)",
                    "(400)",
                    "failed to create typed patch object",
                    "waypoint-verify.dev/v1 has no WaypointPolicy",
                    "has no WaypointPolice",
                ];
                assert!(refusals.iter().any(|refusal| said.contains(refusal)), "{to}: {said}");
            }
        }
    }
    assert!(accepted.is_empty(), "the server took what the reader of files refuses:\n{}", accepted.join("\n"));
}

#[test]
fn what_the_reader_of_files_takes_is_admitted() {
    if !available("what_the_reader_of_files_takes_is_admitted") {
        return;
    }
    let server = start("policy-variants");
    let good = testdata("policy.yaml");
    let variants: Vec<Variant> = serde_norway::from_str(&testdata("good-policies.yaml")).unwrap();
    assert!(variants.len() >= 10);
    for Variant { from, to } in variants {
        let text = good.replace(&from, &to);
        server.client().apply(&text).unwrap_or_else(|error| panic!("{to}: {error:#}"));
    }
}

/// The server cannot know the policy's own namespace in a rule: this one is left to the verifier, which reports it as Accepted=False.
#[test]
fn only_what_needs_the_policys_own_namespace_passes_admission() {
    if !available("only_what_needs_the_policys_own_namespace_passes_admission") {
        return;
    }
    let server = start("policy-namespace");
    let good = testdata("policy.yaml");
    let alike = |namespace: &str| {
        good.replace("name: hello-backend", &format!("name: hello-waypoint, namespace: {namespace}"))
            .replace("name: hello-waypoint}", "name: hello-waypoint, namespace: hello}")
    };
    server.client().apply(&alike("hello")).unwrap_err();
    server.client().apply(&alike("other")).unwrap();
    server.client().apply(&good.replace("name: hello-backend", "name: hello-waypoint, namespace: hello")).unwrap();
}

#[test]
fn a_status_is_kept_bounded_and_shown_in_columns() {
    if !available("a_status_is_kept_bounded_and_shown_in_columns") {
        return;
    }
    let server = start("policy-status");
    let client = server.client();
    let policy = client.apply(&testdata("policy.yaml")).unwrap().remove(0);
    let api = client.api_of(&policy).unwrap();
    let write = |status: serde_json::Value| -> Result<DynamicObject, kube::Error> {
        let patch = Patch::Merge(json!({ "status": status }));
        client.run(api.patch_status("hello-through-waypoint", &PatchParams::default(), &patch))
    };
    let condition = |kind: &str, status: &str, reason: &str| json!({ "type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-26T08:00:00Z" });
    let conditions = json!([condition("Accepted", "True", "Accepted"), condition("Verified", "False", "RouteBypass")]);
    let last =
        json!({ "time": "2026-11-26T08:00:00Z", "kinds": "RouteBypass", "request": "GET /", "from": "a", "at": "b" });
    write(json!({
        "observedGeneration": 1, "conditions": conditions, "since": "2026-11-26T07:00:00Z", "lastBypass": last,
        "counts": { "requests": 12, "verified": 11, "bypassed": { "RouteBypass": 1 } },
    }))
    .unwrap();
    let output = server.kubectl().unwrap().args(["get", "wpp", "-n", "hello"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row: Vec<_> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..6], ["hello-through-waypoint", "hello-backend", "True", "False", "RouteBypass", "12"], "{text}");
    let by_category = server.kubectl().unwrap().args(["get", "waypoint-verify", "-A"]).output().unwrap();
    assert!(String::from_utf8_lossy(&by_category.stdout).contains("hello-through-waypoint"), "{by_category:?}");

    let twice = json!([condition("Verified", "True", "a"), condition("Verified", "False", "b")]);
    write(json!({ "conditions": twice })).unwrap_err();
    write(json!({ "conditions": [condition("Verified", "Maybe", "a")] })).unwrap_err();
    let many: serde_json::Map<_, _> = (0..33).map(|n| (format!("reason{n}"), json!(1))).collect();
    write(json!({ "counts": { "unverified": many } })).unwrap_err();
    let mut long = last;
    long["request"] = "x".repeat(1025).into();
    write(json!({ "lastBypass": long })).unwrap_err();
}
