//! The verifier of a cluster: watches its objects, asks the agents, judges, and says what came of it.
//!
//! - [`objects`] is what the API server tells; [`picture`] what it comes to (pure).
//! - [`readers`] brings the streams of the nodes; `lockstep` makes one of them (pure).
//! - [`judges`] gives verdicts and counts them within each policy's [`window`] (pure).
//! - [`checkpoint`] is what one verifier leaves for the next (pure).
//! - [`older`] is what a policy waits for (pure).
//! - [`lease`] says which of several verifiers does so.
//! - [`status`] says it in conditions, and [`grace`] when not to say a thing yet (both pure), [`writer`] writes them.
//! - [`recent`] keeps what explains the newest verdicts, [`canary`] what came of requests that were sent to be seen (both pure).
//! - [`api`], [`access`], [`admit`], [`metrics`] answer whoever asks; [`report`] is what they answer from.

mod access;
pub mod admit;
pub mod api;
pub mod canary;
mod checkpoint;
mod events;
mod grace;
pub mod judges;
mod lease;
mod metrics;
mod objects;
mod older;
pub mod picture;
mod questions;
mod readers;
mod recent;
pub mod report;
mod serve;
mod state;
pub mod status;
pub mod window;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::bus::Message as _;
use crate::bus::keys::Signer;
use crate::bus::nats::{Address, BusError, Streams, VerifierBus};
use crate::bus::subject::Names;
use crate::engine::random_key;
use crate::judge;
use api::Shared;
use checkpoint::Checkpoint;
use lease::Holding;
use objects::Objects;
use questions::Question;
use readers::{Read, Readers};
use report::Report;
use state::State;
use writer::Writer;

/// After a change of objects, how long others may come with it.
const SETTLE: Duration = Duration::from_millis(100);
/// Before the bus is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Whoever holds it judges all policies.
const LEASE: &str = "waypoint-verify-verifier-all";
/// How long to wait for the bus between two ticks.
const BUS: Duration = Duration::from_secs(1);
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
    /// Where the Lease of the verifiers is.
    pub lease_namespace: String,
    /// What this verifier calls itself there: the name of its pod.
    pub identity: String,
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
    let (ask, mut questions) = mpsc::channel(questions::WAITING);
    let shared = Shared::new(client.clone(), signer, options.names.clone(), &options.agents, ask);
    let serving = serve::serve(&options, &shared).await?;
    let hold = lease::hold(&client, &options.lease_namespace, LEASE, &options.identity);
    let judging = in_turn(&options, &objects, &shared, hold.holding.clone(), &mut questions);
    let ended = tokio::select! {
        ended = judging => ended,
        ended = serving => ended,
        () = stop => Ok(()),
    };
    hold.give_back().await;
    ended
}

/// Judges while the Lease is ours.
async fn in_turn(
    options: &Options,
    objects: &Objects,
    shared: &Shared,
    mut holding: watch::Receiver<Holding>,
    questions: &mut mpsc::Receiver<Question>,
) -> anyhow::Result<()> {
    loop {
        let known = holding.borrow_and_update().clone();
        if known.is_ours() {
            tracing::info!("this verifier judges");
            tokio::select! {
                ended = judge(options, objects, shared, holding.clone(), questions) => ended?,
                () = lost(holding.clone()) => tracing::warn!("this verifier does not judge any more"),
            }
        }
        let owner = match &known {
            Holding::Other(owner) => owner.clone(),
            Holding::Unknown | Holding::Ours(_) => String::new(),
        };
        shared.publish(Report::standing_by(owner, objects.all().err()));
        // Again, whatever is told: what the API server hands out changes, too.
        let _ = tokio::time::timeout(RETRY, holding.changed()).await;
    }
}

/// Returns when the Lease is not ours any more.
async fn lost(mut holding: watch::Receiver<Holding>) {
    loop {
        let Holding::Ours(until) = *holding.borrow_and_update() else { return };
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            changed = holding.changed() => if changed.is_err() { return },
        }
    }
}

async fn judge(
    options: &Options,
    objects: &Objects,
    shared: &Shared,
    holding: watch::Receiver<Holding>,
    questions: &mut mpsc::Receiver<Question>,
) -> anyhow::Result<()> {
    let (bus, mut saved, checkpoint) = connect(options, shared).await;
    let (batches, mut incoming) = mpsc::channel::<Read>(AHEAD);
    let begin = checkpoint.iter().flat_map(|checkpoint| &checkpoint.positions);
    let begin = begin.map(|(node, (_, begin))| (node.clone(), *begin)).collect();
    let mut readers = Readers::new(bus.clone(), options.streams.clone(), batches, begin);
    let mut state = State::new(options, u64::from_ne_bytes(random_key()?), checkpoint);
    let mut writer = Writer::new(&options.identity);
    let mut timer = tokio::time::interval(options.tick);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look: Option<Instant> = Some(Instant::now());
    loop {
        let looking = look.unwrap_or_else(Instant::now);
        tokio::select! {
            read = incoming.recv() => state.read(read.context("the readers are gone")?)?,
            question = questions.recv() => state.answer(question.context("nobody can ask any more")?)?,
            () = objects.changed() => {
                look.get_or_insert_with(|| Instant::now() + SETTLE);
            }
            () = tokio::time::sleep_until(looking), if look.is_some() => {
                look = None;
                match if state.is_waiting() { objects.current() } else { objects.all() } {
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
                        match in_time(bus.write_part(&node, part.encode()?)).await {
                            Ok(()) => state.wrote(&node, part.revision),
                            Err(error) => tracing::warn!("{error}"),
                        }
                    }
                    let tick = state.issue()?;
                    // Nobody answers what is not published: then no node is covered, and that is said.
                    if let Err(error) = in_time(bus.tick(tick.encode()?)).await {
                        tracing::warn!("{error}");
                    }
                } else if state.is_waiting()
                    && let Err(waiting) = objects.current()
                {
                    state.wait_for(waiting);
                    shared.publish(state.report(Vec::new(), writer.events.suppressed));
                }
            }
        }
        if state.is_over() {
            state.end(objects.troubles(), objects.missing())?;
            let may_write = || holding.borrow().is_ours();
            let failed = writer
                .write(&shared.client, state.policies(), may_write, |name, before| state.status(name, before))
                .await;
            failed.iter().for_each(|error| tracing::warn!("{error}"));
            shared.publish(state.report(failed, writer.events.suppressed));
            if let Some(checkpoint) = state.checkpoint()? {
                match in_time(bus.write_state(saved, checkpoint.encode()?)).await {
                    Ok(number) => saved = number,
                    // Another verifier may have written, though the Lease is ours: then it is not for long.
                    Err(error) => {
                        tracing::warn!("{error}");
                        let there = in_time(bus.read_state()).await.map_or(saved, |(number, _)| number);
                        saved = if may_write() { there } else { saved };
                    }
                }
            }
        }
    }
}

/// While the bus is away the client holds what is to be sent, for as long as that takes.
async fn in_time<T>(asked: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let answer = tokio::time::timeout(BUS, asked).await;
    answer.unwrap_or_else(|_| Err(BusError::request("waiting for the bus", "no answer in time")))
}

/// The bus, and what another verifier has left there with its number.
async fn connect(options: &Options, shared: &Shared) -> (VerifierBus, u64, Option<Checkpoint>) {
    loop {
        let connected = async {
            let bus = VerifierBus::connect(&options.bus, options.names.clone(), Arc::clone(&shared.signer)).await?;
            bus.create_parts(&options.streams).await?;
            bus.create_state(&options.streams).await?;
            let (number, state) = bus.read_state().await?;
            Ok::<_, BusError>((bus, number, state))
        };
        match connected.await {
            Ok((bus, number, state)) => {
                let checkpoint = state.and_then(|state| match Checkpoint::decode(&state) {
                    Ok(checkpoint) => Some(checkpoint),
                    Err(error) => {
                        tracing::error!("what another verifier has left {error}; counting begins anew");
                        None
                    }
                });
                return (bus, number, checkpoint);
            }
            Err(error) => {
                tracing::warn!("{error}");
                shared.publish(Report { not_ready: vec![error.to_string()], ..(*shared.report()).clone() });
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
