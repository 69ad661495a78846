//! The verifier of a cluster: watches its objects, asks the agents, judges, and says what came of it.
//!
//! - [`objects`] is what the API server tells; [`picture`] what it comes to (pure).
//! - [`readers`] brings the streams of the nodes; `lockstep` makes one of them (pure).
//! - [`judges`] gives verdicts and counts them within each policy's [`window`] (pure).
//! - [`status`] says it in conditions (pure), [`writer`] writes them.
//! - [`api`], [`access`], [`admit`], [`metrics`] answer whoever asks; [`report`] is what they answer from.

mod access;
pub mod admit;
pub mod api;
pub mod judges;
mod metrics;
mod objects;
pub mod picture;
mod readers;
pub mod report;
mod serve;
mod state;
pub mod status;
pub mod window;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::bus::keys::Signer;
use crate::bus::nats::{Address, Streams, VerifierBus};
use crate::bus::subject::Names;
use crate::engine::random_key;
use crate::judge;
use api::Shared;
use objects::Objects;
use readers::{Read, Readers};
use state::State;
use writer::Writer;

/// After a change of objects, how long others may come with it.
const SETTLE: Duration = Duration::from_millis(100);
/// Before the bus is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Batches that are read ahead.
const AHEAD: usize = 1024;

#[derive(Clone, Debug)]
pub struct Options {
    pub bus: Address,
    pub names: Names,
    pub streams: Streams,
    pub digest_key: [u8; 16],
    pub judge: judge::Limits,
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
}

/// Runs until `stop` is over.
pub async fn run(
    options: Options,
    client: kube::Client,
    signer: Arc<Signer>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let objects = Arc::new(Objects::default());
    objects::watch(&client, &objects);
    let shared = Shared {
        client: client.clone(),
        signer: Arc::clone(&signer),
        names: options.names.clone(),
        agents: options.agents.as_str().into(),
        report: Arc::new(RwLock::default()),
    };
    let serving = serve::serve(&options, &shared).await?;
    let judging = judge(&options, &client, &objects, &signer, &shared);
    tokio::select! {
        ended = judging => ended,
        ended = serving => ended,
        () = stop => Ok(()),
    }
}

async fn judge(
    options: &Options,
    client: &kube::Client,
    objects: &Objects,
    signer: &Arc<Signer>,
    shared: &Shared,
) -> anyhow::Result<()> {
    let bus = connect(options, signer, shared).await;
    let (batches, mut incoming) = mpsc::channel::<Read>(AHEAD);
    let mut readers = Readers::new(bus.clone(), options.streams.clone(), batches);
    let mut state = State::new(options, u64::from_ne_bytes(random_key()?));
    let mut writer = Writer::default();
    let mut timer = tokio::time::interval(options.tick);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look: Option<Instant> = Some(Instant::now());
    loop {
        let looking = look.unwrap_or_else(Instant::now);
        tokio::select! {
            read = incoming.recv() => state.read(read.context("the readers are gone")?)?,
            () = objects.changed() => {
                look.get_or_insert_with(|| Instant::now() + SETTLE);
            }
            () = tokio::time::sleep_until(looking), if look.is_some() => {
                look = None;
                match objects.all() {
                    Ok(all) => {
                        state.set_objects(&all)?;
                        readers.follow(state.nodes()).await;
                    }
                    Err(waiting) => state.wait_for(waiting),
                }
            }
            _ = timer.tick() => {
                if state.may_issue() {
                    for (node, part) in state.parts_to_write() {
                        match bus.write_part(&node, part.encode()?).await {
                            Ok(()) => state.wrote(&node, part.revision),
                            Err(error) => tracing::warn!("{error}"),
                        }
                    }
                    let tick = state.issue()?;
                    if let Err(error) = bus.tick(tick.encode()?).await {
                        tracing::warn!("{error}");
                    }
                }
            }
        }
        if state.is_over() {
            let missing = objects.missing();
            state.end(objects.troubles(), &missing)?;
            let failed = writer.write(client, state.policies(), |name, before| state.status(name, before)).await;
            failed.iter().for_each(|error| tracing::warn!("{error}"));
            state.publish(&shared.report, failed);
        }
    }
}

async fn connect(options: &Options, signer: &Arc<Signer>, shared: &Shared) -> VerifierBus {
    loop {
        let connected = async {
            let bus = VerifierBus::connect(&options.bus, options.names.clone(), Arc::clone(signer)).await?;
            bus.create_parts(&options.streams).await?;
            Ok::<_, crate::bus::nats::BusError>(bus)
        };
        match connected.await {
            Ok(bus) => return bus,
            Err(error) => {
                tracing::warn!("{error}");
                let mut report = shared.report.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                report.not_ready = vec![error.to_string()];
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
