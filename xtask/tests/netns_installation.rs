//! Everything together: API server, Cilium's controller, NATS, verifier and an agent on each node, and real traffic in the lab.

use std::collections::BTreeSet;
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

    // Metrics, Events and the last bypass agree with the gate.
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
    stage.down().unwrap();
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
