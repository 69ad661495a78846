//! Everything together: API server, Cilium's controller, NATS, verifier and an agent on each node, and real traffic in the lab.

use std::path::Path;

use xtask::demo::{self, cluster};

#[test]
fn every_row_of_the_demo_in_a_cluster_is_as_expected() {
    if !cluster::available("every_row_of_the_demo_in_a_cluster_is_as_expected") {
        return;
    }
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-installation");
    let mut stage = cluster::Stage::up(&dir, "install", |_| {}).unwrap();
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
    stage.down().unwrap();
}
