//! One task for each node's stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

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
pub struct Readers {
    bus: VerifierBus,
    streams: Streams,
    out: Sender<Read>,
    /// Where to begin in streams of which something was read before.
    begin: BTreeMap<String, u64>,
    running: BTreeMap<String, AbortHandle>,
}

impl Readers {
    pub fn new(bus: VerifierBus, streams: Streams, out: Sender<Read>, begin: BTreeMap<String, u64>) -> Self {
        Self { bus, streams, out, begin, running: BTreeMap::new() }
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
            let reading = read(self.bus.clone(), self.streams.clone(), node.clone(), self.out.clone(), begin);
            self.running.insert(node.clone(), tokio::spawn(reading).abort_handle());
        }
    }
}

/// `begin`: with this message; without it, with what is written from now on.
async fn read(bus: VerifierBus, streams: Streams, node: String, out: Sender<Read>, mut begin: Option<u64>) {
    let mut quiet = QUIET[0];
    loop {
        if let Err(error) = read_once(&bus, &streams, &node, &out, &mut begin, &mut quiet).await {
            tracing::warn!("{error}");
        }
        if out.is_closed() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn read_once(
    bus: &VerifierBus,
    streams: &Streams,
    node: &str,
    out: &Sender<Read>,
    begin: &mut Option<u64>,
    quiet: &mut Duration,
) -> Result<(), BusError> {
    bus.create_node(node, streams).await?;
    let position = match *begin {
        Some(position) => position,
        None => *begin.insert(bus.next_position(node).await?),
    };
    let mut messages = bus.evidence_from(node, position).await?;
    loop {
        let Ok(message) = tokio::time::timeout(*quiet, messages.next()).await else {
            *quiet = QUIET[1].min(*quiet * 2);
            break;
        };
        let Some(message) = message else { break };
        *quiet = QUIET[0];
        let (position, octets) = message?;
        *begin = Some(position + 1);
        let read = Read { node: node.to_owned(), position, octets: octets.len(), batch: Batch::decode(&octets) };
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
