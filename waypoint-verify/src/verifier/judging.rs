//! Judging the policies of one partition, while its Lease is ours.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::Options;
use super::checkpoint::Checkpoint;
use super::cluster::{Cluster, Clusters};
use super::declarations::Declarations;
use super::lease::Holding;
use super::objects::Objects;
use super::questions::Question;
use super::readers::{Incoming, Readers};
use super::report::Report;
use super::shared::Shared;
use super::state::State;
use super::writer::Writer;
use crate::bus::Message as _;
use crate::bus::nats::{BusError, VerifierBus};
use crate::engine::random_key;

/// Before the bus is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long to wait for the bus between two ticks.
const BUS: Duration = Duration::from_secs(1);
/// Between two looks whether the objects are there, and whether they are current.
const LOOK: Duration = Duration::from_millis(100);
/// Batches that are read ahead.
const AHEAD: usize = 1024;

/// One partition, and what it takes to judge it.
#[derive(Debug)]
pub struct Judging {
    pub partition: u16,
    pub options: Arc<Options>,
    pub objects: Arc<Objects>,
    pub clusters: Clusters,
    pub shared: Shared,
    pub declared: watch::Receiver<Arc<Declarations>>,
    pub holding: watch::Receiver<Holding>,
    pub questions: mpsc::Receiver<Question>,
}

impl Judging {
    /// On a thread of its own, which does nothing else: what it waits for goes on meanwhile, and nobody who asks waits for it. Ends with
    /// `stop`, and tells how it ended.
    pub fn start(self, mut stop: watch::Receiver<bool>) -> anyhow::Result<oneshot::Receiver<anyhow::Result<()>>> {
        let name = format!("judge-{}", self.partition);
        let (tell, ended) = oneshot::channel();
        let runtime = Handle::current();
        let judging = move || {
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = self.in_turn() => ended,
                    _ = stop.wait_for(|stop| *stop) => Ok(()),
                }
            });
            // Nobody who listens: it is ending.
            let _ = tell.send(ended);
        };
        std::thread::Builder::new().name(name).spawn(judging).context("a thread to judge on")?;
        Ok(ended)
    }

    /// Judges whenever the Lease is ours.
    async fn in_turn(mut self) -> anyhow::Result<()> {
        let name = self.options.partitions.name(self.partition);
        loop {
            let known = self.holding.borrow_and_update().clone();
            if known.is_ours() {
                tracing::info!("this verifier judges partition {name}");
                let holding = self.holding.clone();
                tokio::select! {
                    ended = self.judge() => ended?,
                    () = lost(holding) => tracing::warn!("this verifier does not judge partition {name} any more"),
                }
            }
            let owner = match known {
                Holding::Other(owner) => Some(owner),
                Holding::Nobody => Some(String::new()),
                Holding::Unknown | Holding::Ours(_) => None,
            };
            self.publish(Report::standing_by(owner, self.objects.waiting()));
            // Again, whatever is told: what the API server hands out changes, too.
            let _ = tokio::time::timeout(RETRY, self.holding.changed()).await;
        }
    }

    fn publish(&self, report: Report) {
        self.shared.publish(self.partition, report);
    }

    async fn judge(&mut self) -> anyhow::Result<()> {
        let (bus, mut saved, checkpoint) = self.connect().await;
        let (batches, mut incoming) = mpsc::channel(AHEAD);
        let begin = checkpoint.iter().flat_map(|checkpoint| &checkpoint.positions);
        let begin = begin.map(|(node, (_, begin))| (node.clone(), *begin)).collect();
        let mut readers =
            Readers::new(bus.clone(), self.options.streams.clone(), self.clusters.clone(), batches, begin);
        let cluster = self.current().await?;
        let verifier = u64::from_ne_bytes(random_key()?);
        let mut state = State::new(&self.options, self.partition, verifier, checkpoint, &cluster)?;
        readers.follow(state.nodes()).await;
        let mut writer = Writer::new(&self.options.identity);
        let mut timer = tokio::time::interval(self.options.tick);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                incoming = incoming.recv() => match incoming.context("the readers are gone")? {
                    Incoming::Read(read) => state.read(read)?,
                    Incoming::Began(node, position) => state.began(&node, position),
                    Incoming::CaughtUp(node) => state.caught_up(&node),
                },
                question = self.questions.recv() => state.answer(question.context("nobody can ask any more")?)?,
                changed = self.clusters.changed() => {
                    changed.context("nobody reads the objects of the cluster any more")?;
                    let cluster = self.clusters.borrow_and_update().clone();
                    if let Some(cluster) = cluster {
                        state.set_cluster(&cluster)?;
                        readers.follow(state.nodes()).await;
                    }
                }
                _ = timer.tick() => if state.may_issue() {
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
                }
            }
            if state.is_over() {
                state.end(self.objects.troubles(), self.objects.missing())?;
                // First of all: what nobody can go on from is not to be told.
                if let Some(checkpoint) = state.checkpoint()? {
                    saved = self.save(&bus, saved, &checkpoint).await?;
                }
                state.set_declared(Arc::clone(&self.declared.borrow()));
                let may_write = || self.holding.borrow().is_ours();
                let failed = writer
                    .write(
                        &self.shared.client,
                        state.policies(),
                        may_write,
                        |name, before| state.status(name, before),
                        |name| state.declared_findings(name),
                    )
                    .await;
                failed.iter().for_each(|error| tracing::warn!("{error}"));
                self.publish(state.report(failed, writer.events.suppressed));
            }
        }
    }

    /// Returns the number of what is there now.
    async fn save(&self, bus: &VerifierBus, saved: u64, checkpoint: &Checkpoint) -> anyhow::Result<u64> {
        let name = self.options.partitions.name(self.partition);
        Ok(match in_time(bus.write_state(&name, saved, checkpoint.encode()?)).await {
            Ok(number) => number,
            // Another verifier may have written, though the Lease is ours: then it is not for long.
            Err(error) => {
                tracing::warn!("{error}");
                let there = in_time(bus.read_state(&name)).await.map_or(saved, |(number, _)| number);
                if self.holding.borrow().is_ours() { there } else { saved }
            }
        })
    }

    /// The cluster as it is now: not what was true before the API server was away.
    async fn current(&mut self) -> anyhow::Result<Arc<Cluster>> {
        let mut wanted = None;
        loop {
            match (self.objects.current(), wanted) {
                (Ok(state), None) => wanted = Some(state),
                (Ok(_), Some(_)) => {}
                (Err(waiting), _) => {
                    wanted = None;
                    self.publish(Report { not_ready: waiting, ..Report::default() });
                }
            }
            let cluster = self.clusters.borrow_and_update().clone();
            if let Some(cluster) = cluster.filter(|cluster| wanted.is_some_and(|wanted| cluster.of >= wanted)) {
                return Ok(cluster);
            }
            if let Ok(changed) = tokio::time::timeout(LOOK, self.clusters.changed()).await {
                changed.context("nobody reads the objects of the cluster any more")?;
            }
        }
    }

    /// The bus, and what another verifier has left there with its number.
    async fn connect(&self) -> (VerifierBus, u64, Option<Checkpoint>) {
        let Options { bus, names, streams, partitions, .. } = &*self.options;
        loop {
            let connected = async {
                let bus = VerifierBus::connect(bus, names.clone(), Arc::clone(&self.shared.signer)).await?;
                bus.create_parts(streams).await?;
                bus.create_state(streams).await?;
                let (number, state) = bus.read_state(&partitions.name(self.partition)).await?;
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
                    self.publish(Report { not_ready: vec![error.to_string()], ..Report::default() });
                }
            }
            tokio::time::sleep(RETRY).await;
        }
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

/// While the bus is away the client holds what is to be sent, for as long as that takes.
async fn in_time<T>(asked: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let answer = tokio::time::timeout(BUS, asked).await;
    answer.unwrap_or_else(|_| Err(BusError::request("waiting for the bus", "no answer in time")))
}
