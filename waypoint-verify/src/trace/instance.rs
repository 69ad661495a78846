//! The linkers of the proxy containers of this machine.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::evidence::Evidence;
use crate::link::{Hasher, Limits, LinkEvent, Linker};
use crate::model::{BootNs, ConnKey, ContainerRef, Reason, WatchList};

#[derive(Debug)]
struct Instance {
    container: Arc<ContainerRef>,
    linker: Linker,
}

#[derive(Debug)]
pub struct Instances {
    watch: Arc<WatchList>,
    hasher: Hasher,
    limits: Limits,
    by_id: FxHashMap<String, Instance>,
    events: Vec<LinkEvent>,
}

impl Instances {
    pub fn new(watch: Arc<WatchList>, hasher: Hasher, limits: Limits) -> Self {
        Self { watch, hasher, limits, by_id: FxHashMap::default(), events: Vec::new() }
    }

    /// A newer watch list, in which no proxy that was known has other guards.
    pub fn extend(&mut self, watch: &Arc<WatchList>) {
        self.watch = Arc::clone(watch);
    }

    /// `None`: the container is no proxy.
    pub fn linker(&mut self, container: &Arc<ContainerRef>) -> Option<&mut Linker> {
        if !self.by_id.contains_key(&container.id) {
            let spec = self.watch.proxies.get(&container.id)?;
            let linker = Linker::new(&spec.guards, self.hasher, self.limits.clone());
            self.by_id.insert(container.id.clone(), Instance { container: Arc::clone(container), linker });
        }
        self.by_id.get_mut(&container.id).map(|instance| &mut instance.linker)
    }

    pub fn wild(&mut self, container: &Arc<ContainerRef>, conn: ConnKey, peer: IpAddr, since: u64, reason: Reason) {
        if let Some(linker) = self.linker(container) {
            linker.wild(conn, peer, since, reason);
        }
    }

    pub fn advance(&mut self, order: u64, ns: BootNs, out: &mut Vec<Evidence>) {
        for instance in self.by_id.values_mut() {
            instance.linker.advance(order, ns, &mut self.events);
            out.extend(self.events.drain(..).map(|event| match event {
                LinkEvent::Settled(keys) => Evidence::Settled { keys },
                LinkEvent::Overdrawn { class, unpaid, shared } => {
                    Evidence::Overdrawn { instance: Arc::clone(&instance.container), class, unpaid, shared }
                }
            }));
        }
    }

    pub fn unsettled(&self) -> bool {
        self.by_id.values().any(|instance| instance.linker.unsettled())
    }
}
