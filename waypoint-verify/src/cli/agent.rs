//! `waypoint-verify agent`: one per node. It has no rights at the Kubernetes API.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::common::{Bus, stopped};
use super::exit;
use crate::agent::{self, FromVerifier};
use crate::{probe, trace};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    bus: Bus,
    /// Name of this node, as its Node object has it.
    #[arg(long, env = "NODE_NAME")]
    node_name: String,
    /// The cgroup-v2 root of this node.
    #[arg(long, value_name = "DIR")]
    cgroup_root: PathBuf,
    /// Where the verifier gives tokens for the bus: https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    verifier_url: String,
    /// The projected ServiceAccount token of this agent's pod, made for `waypoint-verify`.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Octets of the ring buffer (a power of two).
    #[arg(long, value_name = "OCTETS", default_value_t = 16 << 20)]
    ring_size: u32,
    /// Sockets that are followed at most.
    #[arg(long, value_name = "N", default_value_t = 131_072)]
    max_sockets: usize,
    /// Octets of evidence that are held while the bus is away; beyond it evidence is dropped, and the verifier sees that.
    #[arg(long, value_name = "OCTETS", default_value_t = 64 << 20)]
    outbox_size: usize,
}

/// 0 after SIGTERM or SIGINT.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let mut probe = probe::Config { cgroup_root: args.cgroup_root.clone(), ..probe::Config::default() };
    probe.ring_bytes = args.ring_size;
    let limits = trace::Limits { sockets: args.max_sockets, ..trace::Limits::default() };
    let credentials = FromVerifier::new(&args.verifier_url, &args.bus.ca, args.token_file.clone())?;
    let options = agent::Options {
        bus: args.bus.address(),
        names: args.bus.names(),
        node: args.node_name.clone(),
        probe,
        limits,
        outbox: args.outbox_size,
    };
    // One thread for the ring and one for the bus: evidence goes out while records come in.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.context("starting the runtime")?;
    runtime.block_on(agent::run(options, Arc::new(credentials), stopped()))?;
    Ok(exit::VERIFIED)
}
