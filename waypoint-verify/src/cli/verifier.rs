//! `waypoint-verify verifier`: judges a cluster.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args as ClapArgs;

use super::common::{Bus, stopped};
use super::exit;
use super::routes::Policing;
use crate::bus::keys::Signer;
use crate::bus::nats::Streams;
use crate::verifier::partition::Partitions;
use crate::{judge, verifier};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    bus: Bus,
    /// What `waypoint-verify bus init` made: account.seed and digest.key.
    #[arg(long, value_name = "DIR")]
    bus_keys: PathBuf,
    /// Where agents and people are answered, over TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
    /// Where /livez, /readyz and /metrics are.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9090")]
    metrics_listen: SocketAddr,
    /// Whose tokens are agents'.
    #[arg(long, value_name = "USER", default_value = "system:serviceaccount:waypoint-verify:waypoint-verify-agent")]
    agents: String,
    /// Where the Leases are that say which of several verifiers judges.
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", default_value = "waypoint-verify")]
    lease_namespace: String,
    /// What this verifier is called there.
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: String,
    /// Into how many partitions policies are divided (1 to 16): each is judged by one verifier at a time. The same for all verifiers.
    #[arg(long, value_name = "N", default_value = "1")]
    partitions: Partitions,
    #[command(flatten)]
    policing: Policing,
    /// Milliseconds between two ticks.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    tick: u64,
    /// Milliseconds that a tick waits for a node, before the node counts as not covered.
    #[arg(long, value_name = "MS", default_value_t = 3000)]
    patience: u64,
    /// Octets of evidence that the bus keeps of each node.
    #[arg(long, value_name = "OCTETS", default_value_t = 256 << 20)]
    stream_size: u64,
    /// Copies that the bus keeps: 3 where NATS is a cluster of three.
    #[arg(long, value_name = "N", default_value_t = 1)]
    stream_replicas: usize,
    /// Messages that are remembered at most, of each kind.
    #[arg(long, value_name = "N", default_value_t = 131_072)]
    max_messages: usize,
}

/// 0 after SIGTERM or SIGINT.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let read = |name: &str| {
        let path = args.bus_keys.join(name);
        fs::read(&path).with_context(|| format!("{}: made by `waypoint-verify bus init`", path.display()))
    };
    let seed = String::from_utf8(read("account.seed")?).context("account.seed")?;
    let signer = Signer::new(&seed).with_context(|| args.bus_keys.join("account.seed").display().to_string())?;
    let digest_key = read("digest.key")?;
    ensure!(digest_key.len() == 16, "{}: 16 octets are expected", args.bus_keys.join("digest.key").display());
    let options = verifier::Options {
        bus: args.bus.address(),
        names: args.bus.names(),
        streams: Streams {
            bytes_per_node: args.stream_size,
            age: Duration::from_secs(3600),
            replicas: args.stream_replicas,
        },
        digest_key: std::array::from_fn(|at| digest_key[at]),
        judge: judge::Limits {
            messages: args.max_messages,
            connections: args.max_messages,
            explain: judge::Explain::Sparingly { verified: verifier::EXPLAINED },
        },
        partitions: args.partitions,
        enforcement: args.policing.mode(),
        tick: Duration::from_millis(args.tick),
        patience: Duration::from_millis(args.patience),
        listen: args.listen,
        certificate: args.tls_cert.clone(),
        key: args.tls_key.clone(),
        metrics_listen: args.metrics_listen,
        agents: args.agents.clone(),
        lease_namespace: args.lease_namespace.clone(),
        identity: args.identity.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let client =
            kube::Client::try_default().await.context("the Kubernetes API (KUBECONFIG, or the pod's own token)")?;
        verifier::run(options, client, Arc::new(signer), stopped()).await
    })?;
    Ok(exit::VERIFIED)
}
