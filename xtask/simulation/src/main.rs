//! Agents of many nodes, without nodes: real connections to a real bus, admitted by a real verifier, with evidence of requests that
//! nobody sent. It has no rights that agents do not have.
//!
//! - [`agent`] is one agent's end of the bus: batches, ticks, its part of the watch list.
//! - [`world`] is who is where, as those parts tell.
//! - [`traffic`] is the evidence of compliant requests through that world; [`connection`] what they run over.
//! - [`pace`] makes them at a rate.
//!
//! Standard input: `RATE SECONDS`, a line for each step. Standard output: JSON, a line for each thing that there is to tell.

mod agent;
mod connection;
mod pace;
mod traffic;
mod world;

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::json;
use waypoint_verify::bus::nats::Address;
use waypoint_verify::bus::subject::Names;

use agent::{Agent, Queues};
use pace::Pace;
use traffic::Traffic;
use world::World;

#[derive(Debug, Parser)]
struct Args {
    #[arg(long)]
    cluster: String,
    #[arg(long)]
    bus_url: String,
    /// Whom to trust, for the bus and the verifier.
    #[arg(long)]
    ca: PathBuf,
    #[arg(long)]
    verifier_url: String,
    /// A file `NODE.token` for each node: the projected token of its agent's pod.
    #[arg(long)]
    tokens: PathBuf,
    /// Where requests enter.
    #[arg(long)]
    front: SocketAddr,
    /// The Gateway behind the waypoint.
    #[arg(long)]
    back: SocketAddr,
    /// Among which waypoints and targets are divided, by their pods' numbers.
    #[arg(long, default_value_t = 1)]
    policies: u16,
}

/// Of ticks, what every agent answers before requests begin: the verifier knows then that all see.
const TICKS: u64 = 3;

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let nodes = nodes(&args)?;
    let queues = Arc::new(Queues::new(nodes.len()));
    let agents = runtime.block_on(connect(&args, &nodes, &queues))?;
    let world = World::of(&agents, args.front, args.back, args.policies)?;
    println!("{}", json!({"connected": agents.len(), "routes": world.routes.len()}));
    let mut pace = Pace::new(Traffic::new(world), queues);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (rate, seconds) = line.split_once(' ').context("RATE SECONDS")?;
        let from: Vec<u64> = agents.iter().map(Agent::answered).collect();
        while agents.iter().zip(&from).any(|(agent, from)| agent.answered() < from + TICKS) {
            std::thread::sleep(pace::ROUND);
        }
        pace.step(rate.parse()?, Duration::from_secs_f64(seconds.parse()?));
    }
    Ok(())
}

/// Those that there is a token for.
fn nodes(args: &Args) -> Result<Vec<String>> {
    let at = || args.tokens.display().to_string();
    let mut nodes = Vec::new();
    for entry in std::fs::read_dir(&args.tokens).with_context(at)? {
        let name = entry?.file_name().into_string().ok().with_context(at)?;
        nodes.extend(name.strip_suffix(".token").map(str::to_owned));
    }
    ensure!(!nodes.is_empty(), "{}: no NODE.token", at());
    nodes.sort_unstable();
    Ok(nodes)
}

/// Returns when each has its part of the watch list. One after the other: each is a TokenReview for the API server.
async fn connect(args: &Args, nodes: &[String], queues: &Arc<Queues>) -> Result<Vec<Agent>> {
    let address = Address { url: args.bus_url.clone(), ca: Some(args.ca.clone()) };
    let names = Names::new(&args.cluster);
    let mut agents = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let token = args.tokens.join(format!("{node}.token"));
        let credentials = waypoint_verify::agent::FromVerifier::new(&args.verifier_url, &args.ca, token)?;
        agents.push(
            Agent::start(&address, &names, node, Arc::new(credentials), at, Arc::clone(queues))
                .await
                .with_context(|| format!("the agent of {node}"))?,
        );
    }
    Ok(agents)
}
