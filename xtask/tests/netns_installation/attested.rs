//! What a gate was told of a policy of the cluster, signed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use xtask::client::Request;
use xtask::demo;
use xtask::demo::cluster::{POLICY, Stage};

pub fn what_a_verifier_told_is_signed(stage: &mut Stage) {
    stage.begin_anew().unwrap();
    let dir = stage.experiment.server.dir().join("attested");
    fs::create_dir_all(&dir).unwrap();
    xtask::keys::make(&dir).unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    let (key, file) = (path("key.pem"), path("gate.att"));
    let gate = stage.gate_with(10, &["--attest", &file, "--attest-key", &key]).unwrap();
    stage.send("client-1", stage.lab.gateway("hello-gateway").unwrap(), vec![Request::get("/"); 10]).unwrap();
    let (exit, found) = gate.end().unwrap();
    assert_eq!(exit, 0, "{found}");

    let policy = dir.join("policy.json");
    let kind = "waypointpolicies.waypoint-verify.dev";
    let kubectl = |output: &str| {
        let words = ["get", kind, POLICY.1, "--namespace", POLICY.0, output];
        let got = stage.experiment.server.kubectl().unwrap().args(words).output().unwrap();
        assert!(got.status.success(), "{got:?}");
        got.stdout
    };
    fs::write(&policy, kubectl("--output=json")).unwrap();
    let out = verified(&verify(&dir, &policy), 0);
    let generation = found["generation"].to_string();
    for expected in [
        "PASSED",
        "asks for what the policy asked for that was judged",
        &format!(
            "it is what a verifier told of this object of a cluster (uid {}",
            String::from_utf8_lossy(&kubectl("--output=jsonpath={.metadata.uid}"))
        ),
        &format!("generation {generation})"),
        "it is with the verifier, and only its word is signed",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    // The file that it was once made of asks for another window.
    let manifest = xtask::workspace().join("manifests/experiment/policy.yaml");
    let told = verified(&verify(&dir, &manifest), 1);
    assert!(told.contains("is none of the files that were attested"), "{told}");
    // What was told is not what it says any more.
    let text = fs::read_to_string(dir.join("gate.att")).unwrap();
    fs::write(dir.join("gate.att"), text.replacen("\"payload\":\"e", "\"payload\":\"f", 1)).unwrap();
    assert!(verified(&verify(&dir, &policy), 1).contains("not to be believed"));
}

fn verify(dir: &Path, policy: &Path) -> Output {
    let mut command = Command::new(demo::binary());
    command.args(["attest", "verify", "--key", "pub.pem", "gate.att", "--policy"]).arg(policy);
    command.current_dir(dir).output().unwrap()
}

/// All that it said.
fn verified(output: &Output, code: i32) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
