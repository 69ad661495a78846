//! The verifier of a cluster: watches its objects, asks the agents, judges, and says what came of it.
//!
//! - [`objects`] is what the API server tells; [`picture`] what it comes to, [`history`] what of it was so a moment ago (both pure),
//!   [`cluster`] all of it, made anew with each change.
//! - [`partition`] says which policies belong together, [`lease`] which of several verifiers judges them, [`judging`] does so.
//! - [`readers`] brings the streams of the nodes, [`containers`] makes copies in them one (pure); `lockstep` makes one of them (pure).
//! - [`roles`] tells evidence of others' policies from one's own, and [`early`] holds what comes before what it speaks of (both pure).
//! - [`judges`] gives verdicts and counts them within each policy's [`window`] (pure).
//! - [`checkpoint`] is what one verifier leaves for the next (pure).
//! - [`declarations`] is what the objects declare beside what was seen (pure), [`declared`] reads it anew.
//! - [`older`] is what a policy waits for (pure).
//! - [`status`] says it in conditions, and [`grace`] when not to say a thing yet (both pure), [`writer`] writes them.
//! - [`recent`] keeps what explains the newest verdicts, [`canary`] what came of requests that were sent to be seen (both pure).
//! - [`api`], [`access`], [`admit`], [`metrics`] answer whoever asks; [`shared`] is what they answer from: a [`report`] of each
//!   partition.

mod access;
pub mod admit;
pub mod api;
pub mod canary;
mod checkpoint;
mod cluster;
mod containers;
mod declarations;
mod declared;
mod early;
mod events;
mod grace;
mod history;
pub mod judges;
mod judging;
mod lease;
mod metrics;
mod objects;
mod older;
pub mod partition;
pub mod picture;
mod questions;
mod readers;
mod recent;
pub mod report;
mod reports;
mod roles;
#[cfg(test)]
mod sample;
mod serve;
mod shared;
mod state;
pub mod status;
pub mod window;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

use crate::bus::keys::Signer;
use crate::bus::nats::{Address, Streams};
use crate::bus::subject::Names;
use crate::judge;
use crate::routes::{Assumptions, Enforcement};
use judging::Judging;
use objects::Objects;
use partition::Partitions;
use shared::Shared;

#[derive(Clone, Debug)]
pub struct Options {
    pub bus: Address,
    pub names: Names,
    pub streams: Streams,
    pub digest_key: [u8; 16],
    pub judge: judge::Limits,
    /// Into how many policies are divided, each with a verifier that judges it.
    pub partitions: Partitions,
    /// How the nodes enforce NetworkPolicies; `None`: not known, and then these close no declared path.
    pub enforcement: Option<Enforcement>,
    /// Between two ticks.
    pub tick: Duration,
    /// How long a tick waits for a node.
    pub patience: Duration,
    /// Where agents and people are answered, over TLS.
    pub listen: SocketAddr,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Where health and metrics are.
    pub metrics_listen: SocketAddr,
    /// Who agents are: `system:serviceaccount:NAMESPACE:NAME`.
    pub agents: String,
    /// Where the Leases of the verifiers are.
    pub lease_namespace: String,
    /// What this verifier calls itself there: the name of its pod.
    pub identity: String,
}

/// Verified requests of a policy that are explained at each tick: as many as are shown.
pub const EXPLAINED: usize = recent::KEPT;

/// Runs until `stop` is over.
pub async fn run(
    options: Options,
    client: kube::Client,
    signer: Arc<Signer>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let options = Arc::new(options);
    let objects = Arc::new(Objects::default());
    objects::watch(&client, &objects);
    let clusters = cluster::follow(&objects, options.partitions, options.digest_key);
    let (ask, questions): (Vec<_>, Vec<_>) =
        options.partitions.all().map(|_| mpsc::channel(questions::WAITING)).unzip();
    let (tell, declared) = watch::channel(Arc::default());
    let shared = Shared::new(client.clone(), signer, &options, clusters.clone(), declared.clone(), ask);
    let judging = shared.clone();
    let assumptions = Assumptions { enforcement: options.enforcement, ..Assumptions::default() };
    let mut reading = declared::follow(&client, &objects, assumptions, tell, move || judging.of_all().is_ok());
    let serving = serve::serve(&options, &shared).await?;
    let hold = lease::hold(&client, &options.lease_namespace, options.partitions, &options.identity);
    let (stop_judging, stopped) = watch::channel(false);
    let mut judging = FuturesUnordered::new();
    for ((partition, questions), holding) in options.partitions.all().zip(questions).zip(&hold.holdings) {
        let one = Judging {
            partition,
            options: Arc::clone(&options),
            objects: Arc::clone(&objects),
            clusters: clusters.clone(),
            shared: shared.clone(),
            declared: declared.clone(),
            holding: holding.clone(),
            questions,
        };
        judging.push(one.start(stopped.clone())?);
    }
    let ended = tokio::select! {
        Some(ended) = judging.next() => ended.context("one that judges has ended").flatten(),
        ended = serving => ended,
        ended = &mut reading => Err(anyhow::anyhow!("one that reads what objects declare has ended: {ended:?}")),
        () = stop => Ok(()),
    };
    // Nothing is written any more when the Leases are given back.
    stop_judging.send_replace(true);
    while judging.next().await.is_some() {}
    hold.give_back().await;
    ended
}
