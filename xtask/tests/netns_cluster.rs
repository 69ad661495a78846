//! The experiment whole: its manifests in a real API server, Cilium's own controller, the lab's Envoys configured by what that
//! controller wrote, real traffic, and the program's verdicts by nothing but what the API server lists.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use xtask::client::{Request, Script};
use xtask::cluster::{self, Controller, experiment};
use xtask::demo::{self, Verifier};
use xtask::lab::{Lab, Plan, Topology, privileged};

const REQUESTS: usize = 20;

struct Cluster {
    experiment: experiment::Cluster,
    inventory: PathBuf,
}

fn start() -> Result<Cluster> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-cluster");
    let _ = fs::remove_dir_all(&dir);
    let experiment = experiment::start(&dir, Plan::new("cluster", &Topology::standard())?)?;
    Ok(Cluster { experiment, inventory: dir.join("inventory.json") })
}

impl Cluster {
    /// A lab of its own for each row: connections that are older than the verifier would say nothing. Its Envoys and the verifier's
    /// inventory are of the same list.
    fn row(&self, gateway: &str) -> Result<(u64, u64)> {
        let listed = cluster::everything(&self.experiment.server)?;
        fs::write(&self.inventory, listed.to_string())?;
        let mut lab = Lab::up_planned(self.experiment.plan.clone())?;
        lab.follow(listed)?;
        let mut verifier = Verifier::gate_by(&self.inventory, &lab, &["--min-verified", "1"])?;
        let findings = verifier.ready["findings"].to_string();
        ensure!(!findings.contains("destroys evidence"), "{findings}");
        // What bypass-route takes for sampled.
        let traceparent = "00-00000000000000000000000000000abc-0000000000000010-01";
        let requests = vec![Request::get("/").header("traceparent", traceparent); REQUESTS];
        let answers = lab.client("client-1")?.run(&Script::keep_alive(lab.gateway(gateway)?, requests))?;
        ensure!(answers.len() == REQUESTS && answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        verifier.wait_for_verdicts(REQUESTS)?;
        let counts = verifier.end()?.counts;
        lab.down()?;
        Ok((counts.verified, counts.bypassed.get("RouteBypass").copied().unwrap_or(0)))
    }
}

#[test]
fn what_is_applied_to_the_api_server_decides_where_requests_go_and_what_is_said_of_them() {
    let test = "what_is_applied_to_the_api_server_decides_where_requests_go_and_what_is_said_of_them";
    if !privileged::available(test) || !Controller::available(test) {
        return;
    }
    demo::build().unwrap();
    let cluster = start().unwrap();
    let all = REQUESTS as u64;
    assert_eq!(cluster.row("hello-gateway").unwrap(), (all, 0), "the demanded path");

    // Before it is there, nobody answers at its address; afterwards it is one more Gateway of every node's Envoy.
    cluster.experiment.open("bypass-gateway", Some(("other", "other-gateway"))).unwrap();
    assert_eq!(cluster.row("other-gateway").unwrap(), (0, all), "a Gateway of another namespace");
    assert_eq!(cluster.row("hello-gateway").unwrap(), (all, 0), "the demanded path, beside it");
    cluster.experiment.close("bypass-gateway", None).unwrap();

    cluster.experiment.open("bypass-route", Some(("hello", "hello-gateway"))).unwrap();
    assert_eq!(cluster.row("hello-gateway").unwrap(), (0, all), "a second route");
}
