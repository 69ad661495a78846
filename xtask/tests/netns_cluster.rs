//! The lab built from a plan that an API server knows: real traffic in it, judged by what that API server hands out.

use std::fs;
use std::path::Path;

use xtask::client::{Request, Script};
use xtask::cluster::{self, ApiServer, Controller, experiment, populate};
use xtask::demo::{self, Verifier};
use xtask::lab::{Lab, Plan, Topology, privileged};
use xtask::setup::{CILIUM, GATEWAY_API};

const REQUESTS: usize = 20;

/// Sends requests by hello-gateway, each sampled by the bypassing route, and returns how many were verified and bypassed.
fn judged(lab: &Lab, inventory: &Path) -> (u64, u64) {
    let mut verifier = Verifier::gate_by(inventory, lab, &["--min-verified", "1"]).unwrap();
    assert!(!verifier.ready["findings"].to_string().contains("destroys evidence"), "{}", verifier.ready);
    let traceparent = "00-00000000000000000000000000000abc-0000000000000010-01";
    let requests = vec![Request::get("/").header("traceparent", traceparent); REQUESTS];
    let script = Script::keep_alive(lab.gateway("hello-gateway").unwrap(), requests);
    let answers = lab.client("client-1").unwrap().run(&script).unwrap();
    assert_eq!(answers.len(), REQUESTS);
    verifier.wait_for_verdicts(REQUESTS).unwrap();
    let counts = verifier.end().unwrap().counts;
    (counts.verified, counts.bypassed.get("RouteBypass").copied().unwrap_or(0))
}

#[test]
fn the_api_server_s_view_of_the_lab_verifies_and_finds_a_bypass() {
    let test = "the_api_server_s_view_of_the_lab_verifies_and_finds_a_bypass";
    if !privileged::available(test) || !Controller::available(test) {
        return;
    }
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-cluster");
    let _ = fs::remove_dir_all(&dir);
    let server = ApiServer::start(&dir).unwrap();
    server.define(&GATEWAY_API).unwrap();
    server.define(&CILIUM).unwrap();
    server.define_policies().unwrap();
    server.client().service_accounts().unwrap();
    let _controller = Controller::start(&server).unwrap();
    let mut plan = Plan::new("cluster", &Topology::standard()).unwrap();
    experiment::apply(&server, &plan, &experiment::base()).unwrap();
    populate(&server, &mut plan).unwrap();
    populate::gateways(&server, &plan).unwrap();
    let inventory = dir.join("inventory.json");
    let list = |server: &ApiServer| fs::write(&inventory, cluster::everything(server).unwrap().to_string()).unwrap();

    list(&server);
    let lab = Lab::up_planned(plan.clone()).unwrap();
    assert_eq!(judged(&lab, &inventory), (REQUESTS as u64, 0));
    lab.down().unwrap();

    // Another lab of the same identities: connections that are older than the verifier would say nothing.
    let mut lab = Lab::up_planned(plan.clone()).unwrap();
    experiment::apply(&server, &plan, &experiment::bypass("bypass-route")).unwrap();
    // The lab's Envoy gets it by the lab's own translation, which is Cilium's (cluster_experiment).
    lab.apply(&fs::read_to_string(experiment::bypass("bypass-route").join("route.yaml")).unwrap()).unwrap();
    list(&server);
    assert_eq!(judged(&lab, &inventory), (0, REQUESTS as u64));
    lab.down().unwrap();
}
