//! What the verifier tells agents: ticks, and each node's part of the watch list.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::wire::{self, Unreadable};
use crate::model::{ContainerRef, NamespacedName, ProxySpec, WatchList};

pub const VERSION: u16 = 1;

/// Asks every agent for what it observed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    pub number: u64,
    /// The verifier that asks: a number of another one means nothing to it.
    pub verifier: u64,
}

/// What one agent has to know: nothing of other nodes, and nothing of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// A digest of the rest; 0: none yet.
    pub revision: u64,
    /// Key of the digests by which both ends of a connection are compared; the same for all nodes of an installation.
    pub digest_key: [u8; 16],
    pub containers: BTreeMap<String, Arc<ContainerRef>>,
    pub pods: BTreeMap<String, (NamespacedName, String)>,
    pub proxies: BTreeMap<String, Arc<ProxySpec>>,
    pub protected: BTreeSet<String>,
}

impl Part {
    pub fn of(watch: &WatchList, node: &str, digest_key: [u8; 16]) -> Self {
        let pods: BTreeMap<_, _> =
            watch.pods.iter().filter(|(_, (_, at))| at == node).map(|(uid, pod)| (uid.clone(), pod.clone())).collect();
        let containers: BTreeMap<_, _> = watch
            .containers
            .iter()
            .filter(|(_, container)| container.node == node)
            .map(|(id, container)| (id.clone(), Arc::clone(container)))
            .collect();
        let proxies = watch
            .proxies
            .iter()
            .filter(|(id, _)| containers.contains_key(*id))
            .map(|(id, spec)| (id.clone(), Arc::clone(spec)))
            .collect();
        let protected = watch.protected.iter().filter(|uid| pods.contains_key(*uid)).cloned().collect();
        let mut part = Self { revision: 0, digest_key, containers, pods, proxies, protected };
        // Of the content: what changes on other nodes is no change here.
        let mut hasher = SipHasher13::new();
        format!("{part:?}").hash(&mut hasher);
        part.revision = hasher.finish().max(1);
        part
    }

    /// The watch list of an agent.
    pub fn watch_list(&self) -> WatchList {
        WatchList {
            revision: self.revision,
            containers: self.containers.clone(),
            pods: self.pods.clone(),
            proxies: self.proxies.clone(),
            protected: self.protected.clone(),
            ..WatchList::default()
        }
    }

    pub fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        wire::encode(VERSION, self)
    }

    pub fn decode(octets: &[u8]) -> Result<Self, Unreadable> {
        wire::decode(VERSION, octets)
    }
}

impl Tick {
    pub fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        wire::encode(VERSION, self)
    }

    pub fn decode(octets: &[u8]) -> Result<Self, Unreadable> {
        wire::decode(VERSION, octets)
    }
}
