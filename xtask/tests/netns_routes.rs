//! Declared paths in the lab: every witness that `routes` prints is sent, and arrives past the waypoint; and the gate names what it saw.

use std::process::Command;

use serde_json::Value;

use xtask::client::{Outcome, Request, Script};
use xtask::demo;
use xtask::lab::privileged::available;
use xtask::lab::{Lab, Topology};

/// Ways past the waypoint that differ in what they ask of a request; some are shadowed in part by others.
const ROUTES: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: sampled, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}, headers: [{type: RegularExpression, name: traceparent, value: ".*0-01"}]}]
      backendRefs: [{name: hello-backend, port: 8083}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shapes, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  hostnames: [shapes.example, "*.shapes.example"]
  rules:
    - matches:
        - {path: {type: Exact, value: /exact}}
        - {path: {type: RegularExpression, value: "/v[0-9]+/(a|b)"}}
        - {path: {type: PathPrefix, value: /p}, method: PUT}
        - {path: {type: PathPrefix, value: /q}, queryParams: [{name: debug, value: "1"}]}
      backendRefs: [{name: hello-backend, port: 8083}]
    - matches: [{path: {type: PathPrefix, value: /}}]
      backendRefs: [{name: hello-waypoint, port: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: narrow, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  hostnames: [shapes.example]
  rules:
    - matches: [{path: {type: PathPrefix, value: /p}, method: PUT, headers: [{name: x, value: y}]}]
      backendRefs: [{name: hello-waypoint, port: 8080}]
"#;

/// Exit code and the analysis.
fn routes(lab: &Lab) -> (i32, Value) {
    let mut command = Command::new(demo::binary());
    command.args(["routes", "--output", "json", "--filename"]).arg(lab.cluster_yaml());
    let output = command.arg("--policy").arg(lab.policy_yaml()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let analysis = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (output.status.code().unwrap(), analysis)
}

fn request(witness: &Value) -> Request {
    let url = witness["url"].as_str().unwrap();
    let target = &url["http://".len()..][url["http://".len()..].find('/').unwrap()..];
    let request = Request::new(witness["method"].as_str().unwrap(), target).host(witness["host"].as_str().unwrap());
    witness["headers"]
        .as_array()
        .unwrap()
        .iter()
        .fold(request, |request, header| request.header(header[0].as_str().unwrap(), header[1].as_str().unwrap()))
}

/// Proxies that it passed: two on the demanded path.
fn hops(outcome: &Outcome) -> usize {
    assert_eq!(outcome.status, 200, "{outcome:?}");
    outcome.header("x-lab-forwarded-for").unwrap_or_default().split(',').filter(|hop| !hop.is_empty()).count()
}

#[test]
fn every_witness_arrives_past_the_waypoint_and_the_gate_says_what_was_declared() {
    if !available("every_witness_arrives_past_the_waypoint_and_the_gate_says_what_was_declared") {
        return;
    }
    let mut lab = Lab::up(&Topology::standard()).expect("the lab comes up");
    let (code, before) = routes(&lab);
    // Service, pods' addresses and hello-upstream are open in every cluster of this shape.
    assert_eq!(code, 1);
    assert!(!before.to_string().contains("RouteBypass"), "{before}");
    lab.apply(ROUTES).unwrap();
    let (code, analysis) = routes(&lab);
    assert_eq!(code, 1);
    let report = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-routes.sarif");
    let (declared, wanted) = (lab.cluster_yaml(), format!("sarif={}", report.display()));
    let more = ["--declared", declared.to_str().unwrap(), "--report", &wanted, "--timeout", "60"];
    let gate = demo::Verifier::gate(&lab, 1, &more).unwrap();
    let client = lab.client("client-1").unwrap();
    let mut sent = 0;
    for path in analysis["paths"].as_array().unwrap().iter().filter(|path| path["class"] == "past") {
        let front = path["hops"][0]["object"].as_str().unwrap();
        let Some(gateway) = front.strip_prefix("Gateway hello/") else { continue };
        let witness = &path["witness"];
        assert!(witness.is_object(), "no witness for {path}");
        let gateway_at = lab.gateway(gateway).unwrap();
        let outcomes = client.run(&Script::keep_alive(gateway_at, [request(witness)])).unwrap();
        // One proxy, hello-upstream or hello-gateway, instead of two.
        assert_eq!(hops(&outcomes[0]), 1, "{witness}");
        sent += 1;
    }
    // Of `sampled` one; of `shapes` four matches for each of two names; hello-upstream's own.
    assert_eq!(sent, 10, "{analysis}");
    // And one that no rule sends past it.
    let honest = Request::new("PUT", "/p").host("shapes.example").header("x", "y");
    let outcomes = client.run(&Script::keep_alive(lab.gateway("hello-gateway").unwrap(), [honest])).unwrap();
    assert_eq!(hops(&outcomes[0]), 2);

    let ended = gate.end().unwrap();
    let policy = &ended.summary["policies"][0];
    assert_eq!(policy["bypassed"], serde_json::json!({"RouteBypass": 9, "UpstreamBypass": 1}), "{policy}");
    assert_eq!(policy["verified"], 1, "{policy}");
    declared_beside_seen(&serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap());
    lab.down().unwrap();
}

fn declared_beside_seen(sarif: &Value) {
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let of = |rule: &str| results.iter().filter(|result| result["ruleId"] == rule).collect::<Vec<_>>();
    let text = |result: &Value| result["message"]["text"].as_str().unwrap().to_owned();
    // Nobody dialled the target itself.
    let unseen = of("declared/unseen");
    assert!(
        !unseen.is_empty() && unseen.iter().all(|result| text(result).starts_with("DirectConnection: ")),
        "{unseen:?}"
    );
    let seen = of("declared/past");
    let shapes = seen.iter().find(|result| text(result).contains("HTTPRoute hello/shapes")).unwrap();
    assert!(text(shapes).contains("a request that takes it, from outside: curl"), "{shapes}");
    let line = &shapes["locations"][0]["physicalLocation"]["region"]["startLine"];
    assert!(line.as_u64().is_some_and(|line| line > 1), "{shapes}");
    assert_eq!(of("declared/undeclared").len(), 0);
}

/// From outside the nodes, as a pipeline would: the gate sends every witness itself.
#[test]
fn the_gate_sends_witnesses_itself_and_catches_each() {
    if !available("the_gate_sends_witnesses_itself_and_catches_each") {
        return;
    }
    let mut lab = Lab::up(&Topology::standard()).expect("the lab comes up");
    lab.apply(ROUTES).unwrap();
    let (code, told) = probing_gate(&lab, &["--probe-any-method"]);
    assert_eq!(code, 1, "{told:#?}");
    let probed = |front: &str| {
        let of = |line: &&Value| line["path"][0].as_str().unwrap().starts_with(front);
        told.iter().filter(|line| line["type"] == "probed").filter(of).map(|line| &line["probed"]).collect::<Vec<_>>()
    };
    let caught = |kinds: &str| serde_json::json!({"result": "caught", "kinds": kinds, "requests": 1, "of": 1});
    let by_routes = probed("Gateway hello/hello-gateway ");
    assert_eq!(by_routes.len(), 9, "{told:#?}");
    assert!(by_routes.iter().all(|probed| **probed == caught("RouteBypass")), "{by_routes:#?}");
    assert_eq!(probed("Gateway hello/hello-upstream "), [&caught("UpstreamBypass")]);
    // A name that only the cluster's DNS knows, or no witness: said, and never taken for an answer.
    let direct = probed("Service hello/hello-backend ");
    assert!(!direct.is_empty() && direct.iter().all(|probed| probed["result"] == "unsent"), "{direct:#?}");
    let tally = &told.last().unwrap()["policies"][0];
    assert_eq!(tally["bypassed"], serde_json::json!({"RouteBypass": 9, "UpstreamBypass": 1}), "{tally}");
    lab.down().unwrap();
}

/// Exit code, and every line that is no verdict; the summary is the last.
fn probing_gate(lab: &Lab, more: &[&str]) -> (i32, Vec<Value>) {
    let mut command = lab.outside().command(demo::binary()).unwrap();
    command
        .args(["gate", "--output", "json", "--timeout", "60", "--probe-witnesses", "--policy"])
        .arg(lab.policy_yaml());
    command.arg("--cgroup-root").arg(lab.nodes_cgroup());
    for flag in ["--inventory", "--declared"] {
        command.arg(flag).arg(lab.cluster_yaml());
    }
    let output = command.args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let kept: Vec<_> = lines.filter(|line| line["type"] != "verdict").collect();
    assert!(!kept.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), kept)
}
