//! Everything together: API server, Cilium's controller, NATS, verifier and an agent on each node, and real traffic in the lab.

mod attested;
mod canaries;
mod declared;
mod forward;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use xtask::client::Request;
use xtask::cluster::Bound;
use xtask::demo::cluster::{PIPELINE, POLICY};
use xtask::demo::{self, cluster};
use xtask::lab::patience;
use xtask::setup::OPEN_REPORTS;

#[test]
fn every_row_of_the_demo_in_a_cluster_is_as_expected() {
    if !cluster::available("every_row_of_the_demo_in_a_cluster_is_as_expected") {
        return;
    }
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-installation");
    let mut stage = cluster::Stage::up(&dir, "install", |_| {}).unwrap();
    // The verifier looks now and then whether there are such objects.
    stage.experiment.server.define(&OPEN_REPORTS).unwrap();
    let mut wrong = Vec::new();
    for row in cluster::ALL {
        let outcome = row.play(&mut stage).unwrap_or_else(|error| panic!("{}: {error:?}", row.name));
        println!("{}", row.shown(&outcome));
        wrong.extend(row.differences(&outcome).into_iter().map(|difference| format!("{}: {difference}", row.name)));
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));

    // The status and the metrics agree with the gate.
    let status = stage.status().unwrap();
    assert!(status["counts"]["bypassed"].is_null(), "the last row was compliant: {status}");
    let metrics = stage.installation.metrics().unwrap();
    let verified =
        r#"waypoint_verify_requests_total{policy="hello/hello-through-waypoint",verdict="Verified",reason=""} 20"#;
    assert!(metrics.contains(verified), "{metrics}");
    assert!(metrics.contains(r#"waypoint_verify_node_covered{node="node-1"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"waypoint_verify_lost_evidence_total{source="refused"} 0"#), "{metrics}");

    // All that was seen was seen with the DaemonSet's capabilities, and what they are too few for was not passed over in silence.
    for node in ["node-1", "node-2"] {
        let pid = stage.installation.agent_pid(node).unwrap();
        assert_eq!(capabilities(pid), BTreeSet::from([2, 12, 19, 38, 39]), "{node}");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert_eq!(String::from_utf8_lossy(&environment), "RUST_LOG=info\0", "{node}");
        let log = stage.installation.agent_log(node).unwrap();
        for check in ["programs that redirect octets", "AF_XDP sockets of pod hello/"] {
            assert!(log.contains(&format!("not checked: {check}")), "{node}: {log}");
        }
    }

    forward::a_gate_comes_by_port_forward(&mut stage);
    canaries::a_gate_sends_canaries_and_a_stolen_one_is_a_bypass(&mut stage);
    declared::what_objects_open_is_told_and_what_takes_it_is_caught(&mut stage);
    attested::what_a_verifier_told_is_signed(&mut stage);
    a_killed_verifier_goes_on_where_it_was(&mut stage);

    // What one machine says of each scenario, the cluster says, too, and all of its witnesses.
    let mut wrong = Vec::new();
    for scenario in cluster::scenarios() {
        let row;
        (row, stage) = scenario.run_in(stage).unwrap_or_else(|error| panic!("{}: {error:?}", scenario.name));
        println!("{row}");
        wrong.extend(row.wrong.iter().map(|wrong| format!("{}: {wrong}", scenario.name)));
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
    stage.down().unwrap();
}

/// Nothing is counted twice, and what passed while nobody judged is judged.
fn a_killed_verifier_goes_on_where_it_was(stage: &mut cluster::Stage) {
    let requests = |count: usize| vec![Request::get("/"); count];
    stage.begin_anew().unwrap();
    stage.send("client-1", stage.lab.gateway("hello-gateway").unwrap(), requests(10)).unwrap();
    stage.wait_for("Verified", "True", "Verified").unwrap();
    for (round, bypasses) in [(1, 5), (2, 9)] {
        stage.installation.kill_verifier(1).unwrap();
        stage.send("client-2", stage.lab.service("hello-backend").unwrap(), requests(bypasses)).unwrap();
        stage.send("client-3", stage.lab.gateway("hello-gateway").unwrap(), requests(10)).unwrap();
        stage.installation.restart_verifier(1).unwrap();
        let (verified, bypassed) = (10 + 10 * round, if round == 1 { 5 } else { 14 });
        let expected = (verified + bypassed, verified, bypassed);
        let mut seen = (0, 0, 0);
        let counted = patience::wait("the counts of what passed meanwhile", || {
            let counts = stage.status()?["counts"].clone();
            let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
            let bypassed = number(&counts["bypassed"]["DirectConnection"]);
            seen = (number(&counts["requests"]), number(&counts["verified"]), bypassed);
            Ok((seen == expected).then_some(()))
        });
        counted.unwrap_or_else(|error| panic!("round {round}: {seen:?}, not {expected:?}: {error:#}"));
    }
    let status = stage.wait_for("Verified", "False", "Bypassed").unwrap();
    assert!(status["counts"]["unverified"].is_null(), "{status}");
}

/// What the verifier answers to this account of the policy's namespace, who asks for this of the policy; or the code and what it says instead.
fn ask(stage: &cluster::Stage, account: &str, what: &str) -> Result<Value, (u16, String)> {
    let token = stage.experiment.server.token(PIPELINE.0, account, &Bound::default()).unwrap();
    let path = format!("/v1/policies/{}/{}/{what}", POLICY.0, POLICY.1);
    let (code, text) = stage.installation.ask(&path, &token).unwrap();
    if code == 200 { Ok(serde_json::from_str(&text).unwrap()) } else { Err((code, text)) }
}

/// By number: 2 DAC_READ_SEARCH, 12 NET_ADMIN, 19 SYS_PTRACE, 38 PERFMON, 39 BPF.
fn capabilities(pid: u32) -> BTreeSet<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    let effective = set("CapEff:");
    assert_eq!((set("CapPrm:"), set("CapBnd:"), set("CapInh:"), set("CapAmb:")), (effective, effective, 0, 0));
    assert_eq!(set("NoNewPrivs:"), 1);
    (0..64).filter(|number| effective >> number & 1 == 1).collect()
}
