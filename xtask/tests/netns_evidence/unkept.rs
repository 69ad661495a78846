//! What cannot be kept is said, and never passes.

use std::fs::{self, File};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use xtask::demo::Verifier;
use xtask::lab::privileged::available;
use xtask::lab::{Lab, Topology, patience};

use super::{ALONE, Folder, traffic, waypoint_verify};

#[test]
fn a_gate_whose_evidence_is_lost_does_not_pass() {
    if !available("a_gate_whose_evidence_is_lost_does_not_pass") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    xtask::demo::build().unwrap();
    let lab = Lab::up(&Topology::standard()).unwrap();
    let folder = Folder::new("unkept");
    let (policy, cluster) = (lab.policy_yaml().display().to_string(), lab.cluster_yaml().display().to_string());
    let root = lab.nodes_cgroup().display().to_string();
    let from = ["--policy", &policy, "--inventory", &cluster, "--cgroup-root", &root];

    // Full before anything was observed: no gate at all.
    for command in ["gate", "run"] {
        let output = waypoint_verify(&[&[command][..], &from, &["--record", "/dev/full"]].concat());
        assert_eq!(output.status.code(), Some(2), "{command}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("--record /dev/full: No space left on device"), "{told}");
    }

    // Full later: who reads the pipe has gone.
    let pipe = folder.0.join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let attest = folder.path("gate.att");
    let (go, gone) = std::sync::mpsc::channel::<()>();
    // Opened by both ends at once, or by none.
    let reader = std::thread::spawn(move || {
        let open = File::open(pipe).unwrap();
        gone.recv().unwrap();
        drop(open);
    });
    let options = ["--record", &folder.path("pipe"), "--attest", &attest, "--attest-key", &folder.path("key.pem")];
    let mut verifier = Verifier::gate(&lab, 1, &options).unwrap();
    go.send(()).unwrap();
    reader.join().unwrap();
    traffic(&lab);
    verifier.wait_for_verdicts(200).unwrap();
    let ended = verifier.end().unwrap();
    assert_eq!(ended.summary["policies"][0]["verified"], 200, "{:?}", ended.summary);
    assert_eq!(ended.counts.exit, 3, "everything was verified, and nothing of it can be shown");
    assert!(!fs::exists(&attest).unwrap(), "nothing is attested");

    // Killed: what is there is known not to be all.
    let record = folder.path("killed.rec");
    let verifier = Verifier::gate(&lab, 1, &["--record", &record]).unwrap();
    let there = fs::metadata(&record).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&there.permissions()) & 0o777, 0o600, "its owner's alone");
    kill(Pid::from_raw(verifier.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    drop(verifier);
    patience::wait("the replay of a killed gate to be refused", || {
        let output = Command::new(xtask::demo::binary()).args(["replay", &record]).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        Ok((output.status.code() == Some(2) && told.contains("cut off")).then_some(()))
    })
    .unwrap();

    // What is there is not replaced.
    let output = waypoint_verify(&[&["gate"][..], &from, &["--record", &record]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("File exists"), "{output:?}");
    lab.down().unwrap();
}
