//! What the verifier tells agents: ticks, and each node's part of the watch list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Message;
use crate::model::{ContainerRef, NamespacedName, ProxySpec, WatchList, revision_of};

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
    /// Of each of these nodes.
    pub fn of_nodes(watch: &WatchList, nodes: &BTreeSet<String>, digest_key: [u8; 16]) -> BTreeMap<String, Self> {
        let empty = || Self { digest_key, ..Self::default() };
        let mut parts: BTreeMap<String, Self> = nodes.iter().map(|node| (node.clone(), empty())).collect();
        for (uid, pod) in &watch.pods {
            let Some(part) = parts.get_mut(&pod.1) else { continue };
            part.pods.insert(uid.clone(), pod.clone());
            if watch.protected.contains(uid) {
                part.protected.insert(uid.clone());
            }
        }
        for (id, container) in &watch.containers {
            let Some(part) = parts.get_mut(&container.node) else { continue };
            part.containers.insert(id.clone(), Arc::clone(container));
            if let Some(spec) = watch.proxies.get(id) {
                part.proxies.insert(id.clone(), Arc::clone(spec));
            }
        }
        // Of the content: what changes on other nodes is no change here.
        parts.values_mut().for_each(|part| part.revision = revision_of(part));
        parts
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
}

impl Message for Part {
    const VERSION: u16 = 1;
}

impl Message for Tick {
    const VERSION: u16 = 1;
}

#[cfg(test)]
mod tests;
