//! `cargo xtask bench scale`: how many requests verifiers judge, of how many nodes. Everything is real (API server, Cilium's
//! controller, NATS with TLS, admission, the release build) but agents: a simulation of all of them publishes evidence of requests that
//! nobody sent (xtask/simulation).

mod agents;
mod changes;
mod policies;
mod stage;
mod step;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;

use crate::{cargo, demo, setup};
pub use stage::Stage;
pub use step::Outcome;

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// On all nodes together: clients, proxies, targets
    #[arg(long, default_value_t = 5000)]
    pods: usize,
    /// Requests a second (repeatable); one step for each, until the verifier does not keep up
    #[arg(long, default_values_t = [0, 1000, 2000, 5000, 10_000, 20_000, 30_000, 40_000, 50_000])]
    rate: Vec<u32>,
    /// Of a step
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    #[command(flatten)]
    shape: Shape,
    /// Further arguments of the verifier (repeatable)
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    verifier: Vec<String>,
}

/// Who judges what.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub struct Shape {
    /// WaypointPolicies, each with waypoints and targets of its own, behind the same gateways
    #[arg(long, default_value_t = 1)]
    pub policies: u16,
    /// Into which they are divided evenly
    #[arg(long, default_value_t = 1)]
    pub partitions: u16,
    /// Processes that share the partitions
    #[arg(long, default_value_t = 1)]
    pub verifiers: u16,
}

pub fn main(arguments: &Args) -> Result<()> {
    setup::main()?;
    demo::build()?;
    build()?;
    let dir = crate::workspace().join("target/tmp/bench-scale");
    let mut stage = Stage::up(&dir, arguments.nodes, arguments.pods, arguments.shape, &arguments.verifier)?;
    println!("{}", stage.shown()?);
    println!("{}", Outcome::HEADER);
    let mut short = None;
    for rate in &arguments.rate {
        let outcome = stage.step(*rate, Duration::from_secs(arguments.seconds.into()))?;
        println!("{outcome}");
        if !outcome.keeps_up() {
            short = Some(*rate);
            break;
        }
    }
    if short.is_none() {
        println!("{}", stage.changes()?);
    }
    stage.down()?;
    // The first steps are within what any machine does.
    ensure!(short.is_none_or(|rate| rate > 1000), "{} requests a second are too many", short.unwrap_or_default());
    Ok(())
}

/// The simulation; fast, or it would be what is measured.
pub fn build() -> Result<()> {
    eprintln!("building the simulation of agents (release)");
    cargo::run(&["build", "--release", "--quiet", "--package", "waypoint-verify-simulation"])
}
