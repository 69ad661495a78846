//! Everything together: API server, Cilium's controller, NATS, verifier and an agent on each node, and real traffic in the lab.

use std::fs;
use std::path::Path;

use xtask::client::{Request, Script};
use xtask::cluster::installation::wait_for;
use xtask::cluster::{self, ApiServer, Controller, Installation, experiment, populate};
use xtask::demo;
use xtask::lab::{Lab, Plan, Topology, privileged};
use xtask::setup::{CILIUM, GATEWAY_API};

const POLICY: (&str, &str) = ("hello", "hello-through-waypoint");
const REQUESTS: u64 = 50;

#[test]
fn a_cluster_is_verified_until_something_goes_past_the_waypoint() {
    let test = "a_cluster_is_verified_until_something_goes_past_the_waypoint";
    if !privileged::available(test) || !cluster::available(test) {
        return;
    }
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-installation");
    let _ = fs::remove_dir_all(&dir);
    let server = ApiServer::start(&dir).unwrap();
    server.define(&GATEWAY_API).unwrap();
    server.define(&CILIUM).unwrap();
    server.define_policies().unwrap();
    server.client().service_accounts().unwrap();
    let _controller = Controller::start(&server).unwrap();
    let mut plan = Plan::new("install", &Topology::standard()).unwrap();
    experiment::apply(&server, &plan, &experiment::base()).unwrap();
    populate(&server, &mut plan).unwrap();
    populate::gateways(&server, &plan).unwrap();
    let lab = Lab::up_planned(plan).unwrap();
    let installation = Installation::start(&server, &lab).unwrap();

    wait_for(&server, POLICY, "Accepted", "True", "Accepted").unwrap();
    wait_for(&server, POLICY, "Covered", "True", "Complete").unwrap();
    wait_for(&server, POLICY, "Verified", "Unknown", "NoTraffic").unwrap();

    let requests = |count: u64| vec![Request::get("/"); usize::try_from(count).unwrap()];
    let compliant = Script::keep_alive(lab.gateway("hello-gateway").unwrap(), requests(REQUESTS));
    let answers = lab.client("client-1").unwrap().run(&compliant).unwrap();
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let status = wait_for(&server, POLICY, "Verified", "True", "Verified").unwrap();
    assert!(status["counts"]["bypassed"].is_null(), "{status}");

    let direct = Script::keep_alive(lab.service("hello-backend").unwrap(), requests(3));
    lab.client("client-2").unwrap().run(&direct).unwrap();
    let status = wait_for(&server, POLICY, "Verified", "False", "Bypassed").unwrap();
    assert_eq!(status["lastBypass"]["kinds"], "DirectConnection", "{status}");
    assert!(status["lastBypass"]["from"].as_str().unwrap().contains("client-2"), "{status}");
    let metrics = installation.metrics().unwrap();
    assert!(
        metrics.contains(
            r#"waypoint_verify_requests_total{policy="hello/hello-through-waypoint",verdict="Verified",reason=""} 50"#
        ),
        "{metrics}"
    );
    assert!(metrics.contains(r#"verdict="Bypassed",reason="DirectConnection"} 3"#), "{metrics}");
    lab.down().unwrap();
}
