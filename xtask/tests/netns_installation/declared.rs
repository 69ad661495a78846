//! What objects declare, beside what was seen: the verifier tells both, and a gate sends the requests that objects let past the waypoint.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};

use xtask::demo;
use xtask::demo::cluster::{AUDITOR, PIPELINE, POLICY, Stage};
use xtask::lab::patience;
use xtask::lab::relay::Relay;

use crate::ask;

const ROUTE: (&str, &str) = ("hello", "hello-gateway");
/// What manifests/experiment/bypass-route is told as.
const BY_ROUTE: &str = "Gateway hello/hello-gateway > HTTPRoute hello/sampled > Service hello/hello-backend";
const BY_UPSTREAM: &str = "Gateway hello/hello-upstream > HTTPRoute hello/hello-upstream > Service hello/hello-backend";

pub fn what_objects_open_is_told_and_what_takes_it_is_caught(stage: &mut Stage) {
    stage.begin_anew().unwrap();
    let refused = ask(stage, PIPELINE.1, "declared").unwrap_err();
    assert_eq!(refused, (403, "this token may not get waypointpolicies/declared in namespace hello\n".to_owned()));
    let before = told(stage, "the ways of the experiment", |paths| paths.contains(&BY_UPSTREAM.to_owned()));
    assert!(!past(&before).contains(&BY_ROUTE.to_owned()), "{before}");
    assert_eq!((&before["unread"], &before["undeclared"]), (&json!([]), &json!({})));
    stage.wait_for("Enforced", "False", "PathOpen").unwrap();

    stage.open("bypass-route", Some(ROUTE)).unwrap();
    told(stage, "the route", |paths| paths.contains(&BY_ROUTE.to_owned()));
    let refused = probing_gate(stage, true).unwrap();
    assert_eq!(refused.0, Some(2), "{refused:?}");
    assert!(refused.2.contains("may not get waypointpolicies/verdicts in namespace hello"), "{refused:?}");
    let_see(stage);
    let (code, lines, said) = probing_gate(stage, false).unwrap();
    assert_eq!(code, Some(1), "{said}{lines:#?}");
    let probed = |front: &str| {
        let of = |line: &&Value| line["path"][0].as_str().unwrap().starts_with(front);
        lines.iter().filter(|line| line["type"] == "probed").filter(of).map(|line| &line["probed"]).collect::<Vec<_>>()
    };
    let caught = |kinds: &str| json!({"result": "caught", "kinds": kinds, "requests": 1, "of": 1});
    assert_eq!(probed("Gateway hello/hello-gateway "), [&caught("RouteBypass")], "{lines:#?}");
    assert_eq!(probed("Gateway hello/hello-upstream "), [&caught("UpstreamBypass")], "{lines:#?}");
    let found = lines.last().unwrap();
    assert_eq!(found["since"]["bypassed"], json!({"RouteBypass": 1, "UpstreamBypass": 1}), "{found}");

    // Seen, and declared.
    let told_of = told(stage, "what was seen", |_| true);
    assert_eq!(told_of["seen"], json!({"RouteBypass": 1, "UpstreamBypass": 1}), "{told_of}");
    reported(stage);
    let metrics = stage.installation.metrics().unwrap();
    let count = told_of["paths"].as_array().unwrap().iter().filter(|path| path["class"] == "past").count();
    let gauge =
        format!(r#"waypoint_verify_declared_paths{{policy="hello/hello-through-waypoint",class="past"}} {count}"#);
    assert!(metrics.contains(&gauge), "{gauge}: {metrics}");

    // What was open when it was taken explains what was seen.
    stage.close("bypass-route", Some(ROUTE)).unwrap();
    let after = told(stage, "the route to be gone", |paths| !paths.contains(&BY_ROUTE.to_owned()));
    assert_eq!((&after["seen"]["RouteBypass"], &after["undeclared"]), (&json!(1), &json!({})), "{after}");
    stage.wait_for("Enforced", "False", "PathOpen").unwrap();
}

/// Waits until these are the ways past the waypoint.
fn told(stage: &Stage, what: &str, is_it: impl Fn(&[String]) -> bool) -> Value {
    patience::wait(what, || {
        let declared = ask(stage, AUDITOR, "declared").map_err(|(code, said)| anyhow!("{code}: {said}"))?;
        Ok(is_it(&past(&declared)).then_some(declared))
    })
    .unwrap()
}

/// The objects of each way past the waypoint.
fn past(declared: &Value) -> Vec<String> {
    let line = |path: &Value| {
        let hops: Vec<_> = path["hops"].as_array().unwrap().iter().map(|hop| hop["object"].as_str().unwrap()).collect();
        hops.join(" > ")
    };
    declared["paths"].as_array().unwrap().iter().filter(|path| path["class"] == "past").map(line).collect()
}

/// The pipeline may look into single requests from now on.
fn let_see(stage: &Stage) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "pipeline-audits", "namespace": POLICY.0},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "waypoint-verify-audit"},
        "subjects": [{"kind": "ServiceAccount", "name": PIPELINE.1, "namespace": PIPELINE.0}],
    });
    stage.experiment.server.client().create(&binding).unwrap();
}

/// A gate outside the nodes, which reaches the API server and the verifier through relays: exit code, lines, what else it said.
fn probing_gate(stage: &Stage, is_short: bool) -> Result<(Option<i32>, Vec<Value>, String)> {
    let server = &stage.experiment.server;
    let outside = stage.lab.outside();
    let at = |url: &str| -> Result<SocketAddr> { Ok(url.trim_start_matches("https://").parse()?) };
    let to_server = Relay::start_in(outside.netns(), at(&server.url())?)?;
    let to_verifier = Relay::start_in(outside.netns(), at(&stage.installation.url())?)?;
    let kubeconfig = server.dir().join("outside.kubeconfig");
    let text = fs::read_to_string(server.kubeconfig())?;
    let relayed = text.replace(&server.url(), &format!("https://127.0.0.1:{}", to_server.port));
    ensure!(relayed != text, "the kubeconfig does not name {}", server.url());
    fs::write(&kubeconfig, relayed)?;
    let token: PathBuf = server.dir().join("outside.token");
    fs::write(&token, stage.token()?)?;
    let timeout = if is_short { "20" } else { "90" };
    let output = outside
        .command(demo::binary())?
        .args(["gate", "--output", "json", "--timeout", timeout, "--policy", &format!("{}/{}", POLICY.0, POLICY.1)])
        .args(["--declared", "cluster", "--probe-witnesses", "--kubeconfig"])
        .arg(&kubeconfig)
        .args(["--verifier-url", &format!("https://localhost:{}", to_verifier.port), "--ca"])
        .arg(stage.installation.nats.ca())
        .arg("--token-file")
        .arg(&token)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), lines.collect::<Result<_>>()?, said))
}

/// The policy's Report names the ways, and a request that takes each.
fn reported(stage: &Stage) {
    let name = format!("waypoint-verify-{}", POLICY.1);
    let at = format!("/apis/openreports.io/v1alpha1/namespaces/{}/reports/{name}", POLICY.0);
    // What is not yet told in it is told a minute later.
    let found = patience::wait_for(std::time::Duration::from_secs(90), "the Report", || {
        let report: Value = serde_json::from_str(&stage.experiment.server.client().get_text(&at)?)?;
        let results = report["results"].as_array().cloned().unwrap_or_default();
        let of_route = |result: &&Value| {
            result["rule"] == "declared/past" && result["message"].as_str().is_some_and(|text| text.contains("sampled"))
        };
        Ok(results.iter().find(of_route).cloned())
    });
    let found = found.unwrap();
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("a request that takes it, from outside: curl"), "{message}");
    assert_eq!((&found["result"], &found["resources"][0]["name"]), (&json!("warn"), &json!("sampled")), "{found}");
}
