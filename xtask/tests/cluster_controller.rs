//! Cilium's Gateway controller as a process: when it starts, what ends it, and what it survives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use xtask::cluster::{self, ApiServer, Controller, experiment};
use xtask::lab::patience;
use xtask::setup::{CILIUM, GATEWAY_API};

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

#[test]
fn without_the_definitions_of_gateway_api_it_says_what_it_misses() {
    if !cluster::available("without_the_definitions_of_gateway_api_it_says_what_it_misses") {
        return;
    }
    let server = ApiServer::start(&dir("undefined")).unwrap();
    let error = format!("{:#}", Controller::start(&server).unwrap_err());
    assert!(error.contains("misses definitions of Gateway API"), "{error}");
}

#[test]
fn it_outlives_a_restart_of_the_api_server_and_not_its_handle() {
    if !cluster::available("it_outlives_a_restart_of_the_api_server_and_not_its_handle") {
        return;
    }
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
    fs::write(&told, format!("{} {}", controller.pid(), server.pid().unwrap())).unwrap();
    std::thread::park();
}

#[test]
fn it_ends_with_its_owner_however_that_ends() {
    if !cluster::available("it_ends_with_its_owner_however_that_ends") {
        return;
    }
    let dir = dir("killed");
    fs::create_dir_all(&dir).unwrap();
    let told = dir.join("pids");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored"])
        .env(CHILD, &told)
        .spawn()
        .unwrap();
    let pids = patience::wait("the owner to start both", || {
        let text = fs::read_to_string(&told)?;
        let pids: Vec<u32> = text.split(' ').filter_map(|pid| pid.parse().ok()).collect();
        Ok((pids.len() == 2).then_some(pids))
    });
    owner.kill().unwrap();
    owner.wait().unwrap();
    for pid in pids.unwrap() {
        patience::wait(&format!("process {pid} to end"), || Ok((!runs(pid)).then_some(()))).unwrap();
    }
}
