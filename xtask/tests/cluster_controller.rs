//! Cilium's Gateway controller as a process: when it starts, what ends it, and what it survives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use xtask::cluster::{ApiServer, Controller, experiment};
use xtask::lab::patience;
use xtask::setup::{CILIUM, GATEWAY_API};

/// Two cores: one control plane at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-controller-{name}"));
    let _ = fs::remove_dir_all(&dir);
    dir
}

fn defined(name: &str) -> Result<ApiServer> {
    let server = ApiServer::start(&dir(name))?;
    server.define(&GATEWAY_API)?;
    server.define(&CILIUM)?;
    Ok(server)
}

fn runs(pid: u32) -> bool {
    // One that has ended and was not waited for has no command line.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// TLSRoute among them, which Cilium has wanted, not wanted and wanted again (facts of 1.15, 1.18 and 1.20).
#[test]
fn without_every_definition_of_gateway_api_it_does_not_start_and_says_so() {
    let test = "without_every_definition_of_gateway_api_it_does_not_start_and_says_so";
    if !Controller::available(test) {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = ApiServer::start(&dir("undefined")).unwrap();
    let refused = || format!("{:#}", Controller::start(&server).unwrap_err());
    assert!(
        refused().contains("does nothing without gatewayclasses.gateway.networking.k8s.io, gateways."),
        "{}",
        refused()
    );
    server.define(&GATEWAY_API).unwrap();
    server.define(&CILIUM).unwrap();
    let tls_routes = ["delete", "customresourcedefinition", "tlsroutes.gateway.networking.k8s.io"];
    assert!(server.kubectl().unwrap().args(tls_routes).status().unwrap().success());
    assert!(refused().contains("does nothing without tlsroutes.gateway.networking.k8s.io:"), "{}", refused());
    server.define(&GATEWAY_API).unwrap();
    Controller::start(&server).unwrap();
}

#[test]
fn it_outlives_a_restart_of_the_api_server_and_not_its_handle() {
    if !Controller::available("it_outlives_a_restart_of_the_api_server_and_not_its_handle") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = defined("restart").unwrap();
    let controller = Controller::start(&server).unwrap();
    server.restart().unwrap();
    server.client().namespace("hello").unwrap();
    server.client().namespace("clients").unwrap();
    // Only what the controller reads: the policy has no definition here.
    for object in experiment::render(&server, &experiment::base()).unwrap() {
        if object.types.as_ref().is_some_and(|types| types.api_version.starts_with("gateway.networking.k8s.io/")) {
            server.client().apply_one(object).unwrap();
        }
    }
    patience::wait("a Service for hello-gateway", || {
        let service =
            server.client().get::<k8s_openapi::api::core::v1::Service>("hello", "cilium-gateway-hello-gateway")?;
        Ok(service.metadata.owner_references.map(drop))
    })
    .unwrap_or_else(|error| panic!("{error:#}: {}", controller.log().unwrap()));
    let pid = controller.pid();
    assert!(runs(pid));
    drop(controller);
    assert!(!runs(pid));
}

const CHILD: &str = "WAYPOINT_VERIFY_TEST_OWNER";

/// The owner of the test below, in a process of its own.
#[test]
#[ignore = "runs in a process of its own, started by the next test"]
fn owner() {
    let Some(told) = std::env::var_os(CHILD) else { return };
    let server = defined("owner").unwrap();
    let controller = Controller::start(&server).unwrap();
    let whole = Path::new(&told).with_extension("whole");
    fs::write(&whole, format!("{} {}", controller.pid(), server.pid().unwrap())).unwrap();
    fs::rename(whole, told).unwrap();
    std::thread::park();
}

#[test]
fn it_ends_with_its_owner_however_that_ends() {
    if !Controller::available("it_ends_with_its_owner_however_that_ends") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = dir("killed");
    fs::create_dir_all(&dir).unwrap();
    let told = dir.join("pids");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored"])
        .env(CHILD, &told)
        .spawn()
        .unwrap();
    // Bounded by the owner's own patience: it ends when it has none left.
    let pids = loop {
        let text = fs::read_to_string(&told).unwrap_or_default();
        let pids: Vec<u32> = text.split(' ').filter_map(|pid| pid.parse().ok()).collect();
        if pids.len() == 2 {
            break pids;
        }
        assert!(owner.try_wait().unwrap().is_none(), "the owner has ended before both ran");
        std::thread::sleep(Duration::from_millis(10));
    };
    owner.kill().unwrap();
    owner.wait().unwrap();
    for pid in pids {
        patience::wait(&format!("process {pid} to end"), || Ok((!runs(pid)).then_some(()))).unwrap();
    }
}
