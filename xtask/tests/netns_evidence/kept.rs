//! What was kept says what was said.

use std::fs;
use std::process::Command;

use serde_json::Value;
use xtask::lab::privileged::available;
use xtask::lab::{Lab, Topology};
use xtask::setup;

use super::{ALONE, Folder, SAMPLED, gate, waypoint_verify};

fn lines(octets: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(octets).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_recorded_of_real_proxies_is_judged_again_alike_and_attested() {
    if !available("what_was_recorded_of_real_proxies_is_judged_again_alike_and_attested") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    xtask::demo::build().unwrap();
    let folder = Folder::new("kept");
    for (name, route, code, result) in [("good", None, 0, "PASSED"), ("bad", Some(SAMPLED), 1, "FAILED")] {
        // Of its own: what a gate finds open is older than its probes.
        let mut lab = Lab::up(&Topology::standard()).unwrap();
        route.into_iter().for_each(|route| lab.apply(route).unwrap());
        let live = gate(&lab, &folder, name);
        assert_eq!(live.counts.exit, code, "{name}: {:?}", live.summary);
        let (record, attest) = (folder.path(&format!("{name}.rec")), folder.path(&format!("{name}.att")));
        let octets = fs::read(&record).unwrap();
        assert!(!octets.windows(6).any(|window| window == b"secret"), "{name}: queries are not recorded");

        let replay = waypoint_verify(&["replay", "-o", "json", &record]);
        assert_eq!((replay.status.code(), &*replay.stderr), (Some(code), &b""[..]), "{name}");
        let replayed = lines(&replay.stdout);
        assert_eq!(replayed.last(), Some(&live.summary), "{name}");
        let said = |verdicts: &[Value]| -> Vec<[Value; 4]> {
            let verdicts = verdicts.iter().filter(|line| line["type"] == "verdict");
            verdicts.map(|line| ["message", "verdict", "detail", "final"].map(|field| line[field].clone())).collect()
        };
        assert_eq!(said(&replayed), said(&live.verdicts), "{name}");

        let (policy, cluster) = (lab.policy_yaml().display().to_string(), lab.cluster_yaml().display().to_string());
        let public = folder.path("pub.pem");
        let words = ["attest", "verify", "--key", &public, &attest, "--policy", &policy, "--inventory", &cluster];
        let verify = waypoint_verify(&[&words[..], &["--evidence", &record, "--replay"]].concat());
        let (out, told) = (String::from_utf8_lossy(&verify.stdout), String::from_utf8_lossy(&verify.stderr));
        assert_eq!(verify.status.code(), Some(code), "{name}: {out}{told}");
        for expected in [result, "judged again here, says the same", "they make its watch list"] {
            assert!(out.contains(expected), "{name}: {out}");
        }
        is_read_by_another(&folder, &attest, result);
        if name == "bad" {
            // Its inventory has a route more than that of the good one.
            let good = folder.path("good.att");
            let other = waypoint_verify(&["attest", "verify", "--key", &public, &good, "--inventory", &cluster]);
            assert_eq!(other.status.code(), Some(1));
            let told = String::from_utf8_lossy(&other.stderr);
            assert!(told.contains("is none of the files") || told.contains("another content"), "{told}");
        }
        lab.down().unwrap();
    }
}

/// securesystemslib, which in-toto's own tools verify with.
fn is_read_by_another(folder: &Folder, attest: &str, result: &str) {
    let script = xtask::workspace().join("xtask/tests/netns_evidence/read.py");
    let read = |attest: &str| {
        let mut python = Command::new("/usr/bin/python3");
        python.env("PYTHONPATH", setup::securesystemslib().unwrap());
        python.arg(&script).args([attest, &folder.path("pub.pem")]).output().unwrap()
    };
    let output = read(attest);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let statement: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicate"]["result"], result);
    let forged = folder.path("forged.att");
    let mut envelope: Value = serde_json::from_slice(&fs::read(attest).unwrap()).unwrap();
    let payload = envelope["payload"].as_str().unwrap().replacen("ey", "eX", 1);
    envelope["payload"] = payload.into();
    fs::write(&forged, envelope.to_string()).unwrap();
    assert!(!read(&forged).status.success(), "and believes no other");
}
