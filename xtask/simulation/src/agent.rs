//! One agent's end of the bus, as `waypoint_verify::agent` has it, but that its evidence comes from elsewhere.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use waypoint_verify::agent::{FromVerifier, Outbox};
use waypoint_verify::bus::Message as _;
use waypoint_verify::bus::batch::Answer;
use waypoint_verify::bus::control::{Part, Tick};
use waypoint_verify::bus::nats::{Address, AgentBus};
use waypoint_verify::bus::subject::Names;
use waypoint_verify::evidence::Evidence;

const FLUSH: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(200);
/// Octets that an outbox holds.
const HELD: usize = 64 << 20;

/// What each agent has observed and not yet put into a batch. One lock for all: who takes an effect out of it finds, or has found,
/// its cause in it.
#[derive(Debug)]
pub struct Queues(Mutex<Vec<Vec<Evidence>>>);

impl Queues {
    pub fn new(agents: usize) -> Self {
        Self(Mutex::new(vec![Vec::new(); agents]))
    }

    pub fn lock(&self) -> MutexGuard<'_, Vec<Vec<Evidence>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, at: usize) -> Vec<Evidence> {
        std::mem::take(&mut self.lock()[at])
    }
}

#[derive(Debug)]
pub struct Agent {
    pub part: Part,
    /// Ticks.
    answered: Arc<AtomicU64>,
}

impl Agent {
    /// Connects, waits for its part of the watch list, and answers ticks from then on.
    pub async fn start(
        address: &Address,
        names: &Names,
        node: &str,
        credentials: Arc<FromVerifier>,
        at: usize,
        queues: Arc<Queues>,
    ) -> Result<Self> {
        let bus = AgentBus::connect(address, names.clone(), node, credentials).await?;
        let mut ticks = bus.ticks().await?;
        let mut parts = bus.parts().await?;
        let mut part = loop {
            match bus.part().await? {
                Some(octets) => break Part::decode(&octets)?,
                None => tokio::time::sleep(RETRY).await,
            }
        };
        let agent = Self { part: part.clone(), answered: Arc::default() };
        let answered = Arc::clone(&agent.answered);
        let mut outbox = Outbox::new(bus, node, HELD);
        outbox.begin(RandomState::new().hash_one(node));
        let answering = async move {
            let mut flush = tokio::time::interval(FLUSH);
            loop {
                tokio::select! {
                    tick = ticks.next() => {
                        let tick = Tick::decode(&tick.context("no more ticks")?.payload)?;
                        queues.take(at).into_iter().for_each(|evidence| outbox.add(evidence));
                        let (number, verifier) = (tick.number, tick.verifier);
                        outbox.flush(Some(Answer { tick: number, verifier, revision: part.revision, ..Answer::default() }));
                        answered.fetch_add(1, Ordering::AcqRel);
                    }
                    new = parts.next() => part = Part::decode(&new.context("no more parts")?.payload)?,
                    _ = flush.tick() => {
                        queues.take(at).into_iter().for_each(|evidence| outbox.add(evidence));
                        outbox.flush(None);
                    }
                }
            }
        };
        tokio::spawn(async move {
            let ended: Result<std::convert::Infallible> = answering.await;
            let Err(error) = ended;
            // Without it nothing that is measured means anything.
            eprintln!("an agent has ended: {error:#}");
            std::process::exit(1);
        });
        Ok(agent)
    }

    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }
}
