//! The agent of one node: observes, testifies to the bus, answers ticks. It has no rights at the Kubernetes API.
//!
//! - [`change`] says what a new part of the watch list means for what is observed already.
//! - [`outbox`] numbers batches and holds them while the bus is away, up to a bound.
//! - [`canary`] proves that the cgroup root is this node's.
//! - [`credentials`] fetches the token for the bus.

mod canary;
mod change;
mod credentials;
mod outbox;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;

use crate::bus::Message as _;
use crate::bus::batch::Answer;
use crate::bus::control::{Part, Tick};
use crate::bus::nats::{Address, AgentBus};
use crate::bus::subject::Names;
use crate::engine::{Observer, random_key};
use crate::evidence::Evidence;
use crate::{probe, trace};
use canary::Canary;
use change::Change;
pub use credentials::FromVerifier;
pub use outbox::Outbox;

/// After this long evidence is published though nobody asked.
const FLUSH: Duration = Duration::from_millis(500);
/// How long to wait before asking again for a watch list that is not there yet.
const RETRY: Duration = Duration::from_secs(1);
/// Notes that travel with an answer.
const NOTES: usize = 32;

#[derive(Clone, Debug)]
pub struct Options {
    pub bus: Address,
    pub names: Names,
    pub node: String,
    pub probe: probe::Config,
    pub limits: trace::Limits,
    /// Octets of batches that are held while the bus is away.
    pub outbox: usize,
}

/// What there is to hear from the bus.
enum Heard {
    Tick(Tick),
    Part(Part),
    Records,
    Nothing,
}

/// Observes until `stop` is over.
pub async fn run(
    options: Options,
    credentials: Arc<dyn crate::bus::nats::Credentials>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let observing = observe(options, credentials);
    tokio::select! {
        ended = observing => ended,
        () = stop => Ok(()),
    }
}

async fn observe(options: Options, credentials: Arc<dyn crate::bus::nats::Credentials>) -> anyhow::Result<()> {
    let bus = AgentBus::connect(&options.bus, options.names.clone(), &options.node, credentials).await?;
    let mut ticks = bus.ticks().await?;
    let mut parts = bus.parts().await?;
    let mut part = first_part(&bus).await?;
    let mut outbox = Outbox::new(bus.clone(), &options.node, options.outbox);
    loop {
        // Another epoch: what is observed from here on is complete from here on.
        let mut observer = start(&options, &part)?;
        outbox.begin(u64::from_ne_bytes(random_key()?));
        let mut canary = Canary::send()?;
        tracing::info!(revision = part.revision, pods = part.pods.len(), proxies = part.proxies.len(), "observing");
        let mut flush = tokio::time::interval(FLUSH);
        let mut told = Told::default();
        let restart = loop {
            let heard = tokio::select! {
                tick = ticks.next() => heard(tick, |octets| Tick::decode(octets).map(Heard::Tick))?,
                new = parts.next() => heard(new, |octets| Part::decode(octets).map(Heard::Part))?,
                readable = observer.readable(false) => { readable?; Heard::Records }
                _ = flush.tick() => { outbox.flush(None); continue; }
            };
            observer.step(|evidence| {
                canary.look(&evidence);
                // A tick of the machine is a drain; those of the bus are the verifier's.
                if !matches!(evidence, Evidence::Tick { .. }) {
                    outbox.add(evidence);
                }
            })?;
            for finding in observer.take_new_findings() {
                tracing::warn!("finding: {finding}");
            }
            match heard {
                Heard::Records | Heard::Nothing => {}
                Heard::Tick(tick) => {
                    if told.is_new(tick.verifier) {
                        observer.open(|evidence| outbox.add(evidence));
                    }
                    let blind = canary.missing().into_iter().collect();
                    let notes = observer.findings().take(NOTES).collect();
                    outbox.flush(Some(Answer {
                        tick: tick.number,
                        verifier: tick.verifier,
                        revision: part.revision,
                        blind,
                        notes,
                        older: observer.older(),
                    }));
                }
                Heard::Part(new) => match Change::between(&part, &new) {
                    Change::Nothing => {}
                    Change::More => {
                        observer.extend(&Arc::new(new.watch_list()))?;
                        part = new;
                    }
                    Change::Roles(why) => {
                        tracing::info!("observing anew: {why}");
                        break new;
                    }
                },
            }
        };
        outbox.flush(None);
        part = restart;
    }
}

/// Verifiers that know which connections are open; a new one may not have heard what was opened before it began. Each partition's
/// owner is one of its own.
#[derive(Debug, Default)]
struct Told(VecDeque<u64>);

/// How many: those that judge, and some that did.
const TOLD: usize = 64;

impl Told {
    fn is_new(&mut self, verifier: u64) -> bool {
        if self.0.contains(&verifier) {
            return false;
        }
        if self.0.len() >= TOLD {
            self.0.pop_front();
        }
        self.0.push_back(verifier);
        true
    }
}

fn start(options: &Options, part: &Part) -> anyhow::Result<Observer> {
    let watch = Arc::new(part.watch_list());
    Observer::start(watch, options.probe.clone(), options.limits.clone(), part.digest_key)
}

async fn first_part(bus: &AgentBus) -> anyhow::Result<Part> {
    loop {
        match bus.part().await {
            Ok(Some(octets)) => return Part::decode(&octets).context("the watch list of this node"),
            Ok(None) => tracing::info!("waiting for the watch list: the verifier has not written one for this node"),
            Err(error) => tracing::warn!("waiting for the watch list: {error}"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The subscription ends only with the connection, which ends only with this process.
fn heard(
    message: Option<async_nats::Message>,
    read: impl FnOnce(&[u8]) -> Result<Heard, crate::bus::Unreadable>,
) -> anyhow::Result<Heard> {
    let message = message.context("the connection to the bus is closed")?;
    Ok(read(&message.payload).unwrap_or_else(|error| {
        tracing::error!("a message on {} {error}", message.subject);
        Heard::Nothing
    }))
}
