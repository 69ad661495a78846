//! A gate that sends requests of its own: what they come to, and what somebody else gets who uses a nonce of theirs.

use std::net::SocketAddr;

use serde_json::{Value, json};

use xtask::client::Request;
use xtask::cluster::Client;
use xtask::cluster::experiment::render;
use xtask::cluster::jobs::Host;
use xtask::demo::cluster::{AUDITOR, PIPELINE, POLICY, Stage};
use xtask::lab::patience;

use crate::ask;

const NAMESPACE: &str = "waypoint-verify-canary";

pub fn a_gate_sends_canaries_and_a_stolen_one_is_a_bypass(stage: &mut Stage) {
    install(stage);
    stage.begin_anew().unwrap();
    let gate = stage.gate_with(1, &["--canary", "--self-attack"]).unwrap();
    let output = host(stage).run(NAMESPACE).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (exit, found) = gate.end().unwrap();
    assert_eq!(exit, 0, "{found}; {said}");
    let mut outcomes: Vec<_> = found["canaries"].as_array().unwrap().iter().map(outcome).collect();
    outcomes.sort();
    let expected = [("compliant", "verified"), ("directConnection", "detected"), ("upstreamBypass", "detected")];
    assert_eq!(outcomes, expected.map(|(kind, outcome)| (kind.to_owned(), outcome.to_owned())));

    // They are shown as what they are, and as nothing else.
    let counted = patience::wait("the canaries in the status", || {
        let status = stage.status()?;
        Ok((status["counts"]["canaries"] == 3).then_some(status))
    });
    let status = counted.unwrap();
    let counts = &status["counts"];
    assert_eq!((&counts["requests"], &counts["verified"]), (&json!(3), &json!(0)), "{status}");
    stage.wait_for("Verified", "Unknown", "NoTraffic").unwrap();
    assert!(counts["bypassed"].is_null() && status["lastBypass"].is_null(), "{status}");

    // Single requests are for those who may see them.
    let verdicts = verdicts(stage, AUDITOR, "verdict=bypassed").unwrap();
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
    assert!(verdicts.iter().all(|one| one["isCanary"] == true), "{verdicts:?}");
    let refused = self::verdicts(stage, PIPELINE.1, "").unwrap_err();
    assert_eq!(refused, (403, "this token may not get waypointpolicies/verdicts in namespace hello\n".to_owned()));

    // Whoever has seen a nonce on its way gains nothing by it.
    let stolen = verdicts.iter().find(|one| one["detail"] == json!(["DirectConnection"])).unwrap();
    let nonce = stolen["explanation"]["request"]["trace_id"].as_str().unwrap();
    let again = Request::get("/").header("traceparent", &format!("00-{nonce}-{}-00", &nonce[..16]));
    stage.send("client-4", stage.lab.service("hello-backend").unwrap(), vec![again]).unwrap();
    let status = stage.wait_for("Verified", "False", "Bypassed").unwrap();
    let counts = &status["counts"];
    assert_eq!((&counts["bypassed"], &counts["canaries"]), (&json!({"DirectConnection": 1}), &json!(3)), "{status}");
    let verdicts = self::verdicts(stage, AUDITOR, "verdict=bypassed&limit=1").unwrap();
    assert_eq!((verdicts.len(), &verdicts[0]["isCanary"]), (1, &json!(false)), "{verdicts:?}");

    events(stage.experiment.server.client());
}

fn outcome(told: &Value) -> (String, String) {
    let text = |field: &str| told[field].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("outcome"))
}

/// manifests/canary, and a pipeline that may use it.
fn install(stage: &Stage) {
    let server = &stage.experiment.server;
    let client = server.client();
    for object in render(server, &xtask::workspace().join("manifests/canary")).unwrap() {
        client.apply_in_cluster(object).unwrap();
    }
    stage.let_pipeline(NAMESPACE, "waypoint-verify-canary-runner").unwrap();
}

fn host(stage: &Stage) -> Host<'_> {
    let url = stage.installation.url();
    let verifier: SocketAddr = url.trim_start_matches("https://").parse().unwrap();
    Host {
        server: &stage.experiment.server,
        lab: &stage.lab,
        network_of: "client-8",
        verifier,
        ca: stage.installation.nats.ca(),
    }
}

fn verdicts(stage: &Stage, account: &str, query: &str) -> Result<Vec<Value>, (u16, String)> {
    ask(stage, account, &format!("verdicts?{query}")).map(|answer| answer.as_array().unwrap().clone())
}

/// The changes of conditions so far were told once each, whatever came and went between them.
fn events(client: &Client) {
    let text = client.get_text(&format!("/apis/events.k8s.io/v1/namespaces/{}/events", POLICY.0)).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    let ours = list["items"].as_array().unwrap().iter().filter(|event| event["regarding"]["name"] == POLICY.1);
    let told: Vec<_> = ours
        .map(|event| {
            let first = event["note"].as_str().unwrap().split(':').next().unwrap();
            format!("{}: {first} ({})", event["type"].as_str().unwrap(), event["reason"].as_str().unwrap())
        })
        .collect();
    for wanted in [
        "Normal: Verified is True (Verified)",
        "Warning: Verified is False (Bypassed)",
        "Normal: Covered is True (Complete)",
    ] {
        let times = told.iter().filter(|one| *one == wanted).count();
        assert_eq!(times, 1, "{wanted}: {told:#?}");
    }
}
