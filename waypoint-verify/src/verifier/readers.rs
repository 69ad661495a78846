//! One task for each node's stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

use crate::bus::Unreadable;
use crate::bus::batch::Batch;
use crate::bus::nats::{BusError, Streams, VerifierBus};

const RETRY: Duration = Duration::from_secs(1);

/// One message of a node's stream.
#[derive(Debug)]
pub struct Read {
    pub node: String,
    pub octets: usize,
    pub batch: Result<Batch, Unreadable>,
}

#[derive(Debug)]
pub struct Readers {
    bus: VerifierBus,
    streams: Streams,
    out: Sender<Read>,
    running: BTreeMap<String, AbortHandle>,
}

impl Readers {
    pub fn new(bus: VerifierBus, streams: Streams, out: Sender<Read>) -> Self {
        Self { bus, streams, out, running: BTreeMap::new() }
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
            let reading = read(self.bus.clone(), self.streams.clone(), node.clone(), self.out.clone());
            self.running.insert(node.clone(), tokio::spawn(reading).abort_handle());
        }
    }
}

async fn read(bus: VerifierBus, streams: Streams, node: String, out: Sender<Read>) {
    loop {
        if let Err(error) = read_once(&bus, &streams, &node, &out).await {
            tracing::warn!("{error}");
        }
        if out.is_closed() {
            return;
        }
        // What is written meanwhile is missing, which the numbers of the batches show.
        tokio::time::sleep(RETRY).await;
    }
}

async fn read_once(bus: &VerifierBus, streams: &Streams, node: &str, out: &Sender<Read>) -> Result<(), BusError> {
    bus.create_node(node, streams).await?;
    let mut messages = bus.evidence(node).await?;
    while let Some(message) = messages.next().await {
        let (_, octets) = message?;
        let read = Read { node: node.to_owned(), octets: octets.len(), batch: Batch::decode(&octets) };
        if out.send(read).await.is_err() {
            break;
        }
    }
    Ok(())
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}
