//! A gate that is told nothing but the policy: it finds the verifier by the API server, and passes.

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

use xtask::client::Request;
use xtask::cluster::Kubelet;
use xtask::cluster::installation::{NAMESPACE, reachable_pod};
use xtask::demo::cluster::Stage;

const NODE: &str = "node-1";

pub fn a_gate_comes_by_port_forward(stage: &mut Stage) {
    let server = &stage.experiment.server;
    let client = server.client();
    let kubelet = Kubelet::start(server.dir()).unwrap();
    client.kubelet(NODE, kubelet.port).unwrap();
    let verifier = &stage.installation.verifiers()[0];
    reachable_pod(server, &kubelet, verifier.identity(), NODE, verifier.address()).unwrap();
    stage.let_pipeline(NAMESPACE, "waypoint-verify-gate").unwrap();
    stage.begin_anew().unwrap();
    let gate = stage.gate_by_port_forward(5, &[]).unwrap();
    stage.send("client-1", stage.lab.gateway("hello-gateway").unwrap(), vec![Request::get("/"); 5]).unwrap();
    let (exit, found) = gate.end().unwrap();
    assert_eq!((exit, &found["since"]["verified"]), (0, &json!(5)), "{found}");
    assert_eq!(kubelet.forwarded(), [verifier.identity()]);
    // Nobody else would end it: the lab's kubelet runs no pods.
    client
        .run(client.api::<Pod>(NAMESPACE).delete(verifier.identity(), &DeleteParams::default().grace_period(0)))
        .unwrap();
}
