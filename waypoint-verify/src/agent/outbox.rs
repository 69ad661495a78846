//! Batches on their way to the bus: numbered, in order, one at a time, each until it is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::bus::batch::{Answer, Batch};
use crate::bus::nats::AgentBus;
use crate::bus::{MAX_MESSAGE, Message as _};
use crate::evidence::Evidence;

/// Pieces of evidence of a batch that goes out before anybody asks.
const FULL: usize = 4096;
const RETRY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub struct Outbox {
    node: String,
    epoch: u64,
    sequence: u64,
    evidence: Vec<Evidence>,
    queue: UnboundedSender<Vec<u8>>,
    held: Arc<AtomicUsize>,
    bound: usize,
    /// Batches that were dropped because the bus was away for too long. The verifier sees the holes.
    dropped: u64,
}

impl Outbox {
    /// `bound`: octets of batches that wait.
    pub fn new(bus: AgentBus, node: &str, bound: usize) -> Self {
        let (queue, waiting) = unbounded_channel();
        let held = Arc::new(AtomicUsize::new(0));
        tokio::spawn(publish(bus, waiting, Arc::clone(&held)));
        Self { node: node.to_owned(), epoch: 0, sequence: 0, evidence: Vec::new(), queue, held, bound, dropped: 0 }
    }

    pub fn begin(&mut self, epoch: u64) {
        (self.epoch, self.sequence) = (epoch, 0);
        self.evidence.clear();
    }

    pub fn add(&mut self, evidence: Evidence) {
        self.evidence.push(evidence);
        if self.evidence.len() >= FULL {
            self.flush(None);
        }
    }

    /// Sends what there is, and the answer after it.
    pub fn flush(&mut self, answer: Option<Answer>) {
        if self.evidence.is_empty() && answer.is_none() {
            return;
        }
        let evidence = std::mem::take(&mut self.evidence);
        self.send(evidence, answer);
    }

    /// In halves, as long as it is too large for one message.
    fn send(&mut self, mut evidence: Vec<Evidence>, answer: Option<Answer>) {
        let batch = Batch { node: self.node.clone(), epoch: self.epoch, sequence: self.sequence, evidence, answer };
        let encoded = match batch.encode() {
            Ok(encoded) => encoded,
            Err(error) => {
                // The number is used up: a hole.
                self.sequence += 1;
                self.dropped += 1;
                return tracing::error!("a batch cannot be written and is lost: {error}");
            }
        };
        evidence = batch.evidence;
        if encoded.len() > MAX_MESSAGE && evidence.len() > 1 {
            let rest = evidence.split_off(evidence.len() / 2);
            self.send(evidence, None);
            return self.send(rest, batch.answer);
        }
        self.sequence += 1;
        let fits = encoded.len() <= MAX_MESSAGE && self.held.load(Ordering::Acquire) + encoded.len() <= self.bound;
        if !fits {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::error!(self.dropped, held = self.bound, "evidence is dropped: the bus does not take it");
            }
            return;
        }
        self.held.fetch_add(encoded.len(), Ordering::AcqRel);
        // The other end lives as long as this one.
        let _ = self.queue.send(encoded);
    }
}

/// One at a time: what is published again after a failure must not overtake what came after it.
async fn publish(bus: AgentBus, mut waiting: UnboundedReceiver<Vec<u8>>, held: Arc<AtomicUsize>) {
    while let Some(batch) = waiting.recv().await {
        let mut failures: u32 = 0;
        while let Err(error) = bus.publish(batch.clone()).await {
            failures += 1;
            if failures.is_power_of_two() {
                tracing::warn!(failures, "the bus does not take evidence: {error}");
            }
            tokio::time::sleep(RETRY).await;
        }
        held.fetch_sub(batch.len(), Ordering::AcqRel);
    }
}
