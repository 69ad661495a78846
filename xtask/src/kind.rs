//! `cargo xtask kind`: a real cluster, by docker, kind, helm and kubectl. This only drives them: what can be tested without a container
//! registry is tested beneath it, on a real API server and in the lab (kind/README.md says what remains).

mod check;
mod pins;
mod programs;
mod steps;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Subcommand};

use crate::image;
use pins::Pins;
pub(crate) use programs::{Program, Programs};
pub(crate) use steps::Step;

/// Its context is called `kind-` and this.
const CLUSTER: &str = "waypoint-verify";

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Clone, Subcommand)]
enum Order {
    /// A cluster with Gateway API and Cilium, of one set of pinned versions
    Up {
        /// The set (kind/pins.yaml)
        #[arg(long, default_value = "current")]
        pins: String,
    },
    /// Build the image and load it into every node
    Load,
    /// The verifier and the experiment, and every bypass of it: what the gate says of each
    Test,
    /// Remove the cluster
    Down,
}

pub fn main(arguments: &Args) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    execute(&arguments.order, &crate::workspace(), &path)
}

/// `path` is where programs are looked for.
fn execute(order: &Order, workspace: &Path, path: &std::ffi::OsStr) -> Result<()> {
    let of_workspace = |name: &str| workspace.join("kind").join(name);
    match order {
        Order::Up { pins } => {
            let pins = Pins::read(&of_workspace("pins.yaml"), pins)?;
            let programs = Programs::find(path, &[Program::Docker, Program::Kind, Program::Helm, Program::Kubectl])?;
            programs.docker_answers()?;
            programs.kind_is(&pins.kind)?;
            programs.run_all(workspace, &steps::up(&pins))?;
            println!("kind: the cluster is up; `kubectl --context {}`", steps::context());
            Ok(())
        }
        Order::Load => {
            let programs = Programs::find(path, &[Program::Docker, Program::Kind])?;
            programs.docker_answers()?;
            programs.run_all(workspace, &[image::step(image::TAG, &[], image::Output::Docker), steps::load(image::TAG)])
        }
        Order::Test => {
            let programs = Programs::find(path, &[Program::Kubectl])?;
            check::run(&programs, workspace, &verifier(workspace)?)
        }
        Order::Down => {
            let programs = Programs::find(path, &[Program::Docker, Program::Kind])?;
            programs.run_all(workspace, &[steps::down()])
        }
    }
}

/// The program whose `gate` is asked.
fn verifier(workspace: &Path) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let binary = target.join("release/waypoint-verify");
    ensure!(binary.is_file(), "{} is missing: `cargo build --release --package waypoint-verify`", binary.display());
    binary.canonicalize().with_context(|| binary.display().to_string())
}

#[cfg(test)]
mod tests;
