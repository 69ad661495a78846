//! One task for each node's stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

use super::cluster::Clusters;
use super::containers::share;
use crate::bus::batch::Batch;
use crate::bus::nats::{BusError, Streams, VerifierBus};
use crate::bus::{Message as _, Unreadable};

const RETRY: Duration = Duration::from_secs(1);
/// An agent that lives answers every tick. After so long without a message the stream is read anew from where it was: a server that was
/// restarted knows no reader, and the client of the bus takes half a minute to find out. Twice as long each time.
const QUIET: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(24)];

/// One message of a node's stream.
#[derive(Debug)]
pub struct Read {
    pub node: String,
    /// In the node's stream.
    pub position: u64,
    pub octets: usize,
    pub batch: Result<Batch, Unreadable>,
}

#[derive(Debug)]
pub enum Incoming {
    Read(Read),
    /// The node's stream is read from the position after this one on.
    Began(String, u64),
    /// What was in the node's stream when its reader began has been read.
    CaughtUp(String),
}

#[derive(Debug)]
pub struct Readers {
    bus: VerifierBus,
    streams: Streams,
    clusters: Clusters,
    out: Sender<Incoming>,
    /// Where to begin in streams of which something was read before.
    begin: BTreeMap<String, u64>,
    running: BTreeMap<String, AbortHandle>,
}

impl Readers {
    pub fn new(
        bus: VerifierBus,
        streams: Streams,
        clusters: Clusters,
        out: Sender<Incoming>,
        begin: BTreeMap<String, u64>,
    ) -> Self {
        Self { bus, streams, clusters, out, begin, running: BTreeMap::new() }
    }

    /// These nodes, and no others.
    pub async fn follow(&mut self, nodes: &BTreeSet<String>) {
        self.running.retain(|node, task| {
            let stays = nodes.contains(node);
            if !stays {
                task.abort();
            }
            stays
        });
        for node in nodes {
            if self.running.contains_key(node) {
                continue;
            }
            let begin = self.begin.remove(node);
            let reader = Reader {
                bus: self.bus.clone(),
                streams: self.streams.clone(),
                clusters: self.clusters.clone(),
                node: node.clone(),
                out: self.out.clone(),
                next: begin,
                end: None,
                began: false,
                caught_up: false,
                quiet: QUIET[0],
            };
            self.running.insert(node.clone(), tokio::spawn(reader.run()).abort_handle());
        }
    }
}

struct Reader {
    bus: VerifierBus,
    streams: Streams,
    clusters: Clusters,
    node: String,
    out: Sender<Incoming>,
    /// What is to be read next; nothing: what is written from now on.
    next: Option<u64>,
    /// What came next in the stream when it began.
    end: Option<u64>,
    began: bool,
    caught_up: bool,
    quiet: Duration,
}

impl Reader {
    async fn run(mut self) {
        loop {
            if let Err(error) = self.once().await {
                tracing::warn!("{error}");
            }
            if self.out.is_closed() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn once(&mut self) -> Result<(), BusError> {
        self.bus.create_node(&self.node, &self.streams).await?;
        let end = match self.end {
            Some(end) => end,
            None => *self.end.insert(self.bus.next_position(&self.node).await?),
        };
        let mut next = *self.next.get_or_insert(end);
        if !self.began {
            self.began = true;
            let _ = self.out.send(Incoming::Began(self.node.clone(), next.saturating_sub(1))).await;
        }
        let mut messages = self.bus.evidence_from(&self.node, next).await?;
        loop {
            if next >= end && !self.caught_up {
                self.caught_up = true;
                let _ = self.out.send(Incoming::CaughtUp(self.node.clone())).await;
            }
            let Ok(message) = tokio::time::timeout(self.quiet, messages.next()).await else {
                self.quiet = QUIET[1].min(self.quiet * 2);
                break;
            };
            let Some(message) = message else { break };
            self.quiet = QUIET[0];
            let (position, octets) = message?;
            next = position + 1;
            self.next = Some(next);
            let read = Read { node: self.node.clone(), position, octets: octets.len(), batch: self.unpacked(&octets) };
            if self.out.send(Incoming::Read(read)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Reader {
    fn unpacked(&self, octets: &[u8]) -> Result<Batch, Unreadable> {
        let mut batch = Batch::decode(octets)?;
        // Containers are the same in every partition.
        let picture = self.clusters.borrow().as_ref().and_then(|cluster| cluster.pictures.first().cloned());
        if let Some(picture) = picture {
            batch.evidence.iter_mut().for_each(|evidence| share(evidence, &picture.watch));
        }
        Ok(batch)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}
