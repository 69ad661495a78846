//! The demo's rows, and what a program that dies leaves behind. Needs root and the real proxies.

use std::process::Command;
use std::sync::Mutex;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use xtask::client::{Connection, Request, Script, Step};
use xtask::demo::{self, Verifier};
use xtask::lab::privileged::available;
use xtask::lab::{Lab, Topology, patience};

/// Two cores: one lab at a time, so that what is measured is the scenario.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn every_row_of_the_demo_is_as_expected() {
    if !available("every_row_of_the_demo_is_as_expected") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    demo::build().unwrap();
    let mut wrong = Vec::new();
    for scenario in demo::ALL {
        match scenario.run() {
            Ok(row) => {
                println!("{row}");
                wrong.extend(row.wrong.iter().map(|wrong| format!("{}: {wrong}", scenario.name)));
            }
            Err(error) => wrong.push(format!("{}: {error:#}", scenario.name)),
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn a_killed_verifier_leaves_traffic_undisturbed_and_nothing_attached() {
    if !available("a_killed_verifier_leaves_traffic_undisturbed_and_nothing_attached") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    demo::build().unwrap();
    let lab = Lab::up(&Topology::standard()).unwrap();
    let attached = || {
        let output = Command::new("bpftool").args(["cgroup", "show"]).arg(lab.nodes_cgroup()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    let verifier = Verifier::gate(&lab, 1, &[]).unwrap();
    assert!(attached() >= 4, "four programs are attached while it runs");

    // Half of the requests before it is killed, half after, on the same connections.
    let half = || vec![Step::Request(Request::get("/")); 100];
    let steps = [half(), vec![Step::Wait("killed".to_owned())], half()].concat();
    let connection = Connection { to: lab.gateway("hello-gateway").unwrap(), from: None, steps };
    let mut client = lab.client("client-1").unwrap().spawn(&Script { connections: vec![connection; 4] }).unwrap();
    client.wait_until_held("killed", 4).unwrap();
    kill(Pid::from_raw(verifier.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    client.release("killed").unwrap();

    let outcomes = client.finish().unwrap();
    assert_eq!(outcomes.len(), 800);
    assert!(outcomes.iter().all(|outcome| outcome.status == 200 && outcome.error.is_none()), "traffic was disturbed");
    drop(verifier);
    patience::wait("nothing to be attached", || Ok((attached() == 0).then_some(()))).unwrap();
}
