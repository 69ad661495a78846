//! Where a policy's canaries go: in at the entrance, and past the waypoint.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::listeners;
use super::pods::behind;
use super::policies::name_of;
use crate::inventory::Inventory;
use crate::model::NamespacedName;
use crate::policy::{Canary, Loaded};

/// Addresses that a pod can dial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanaryPaths {
    pub canary: Canary,
    /// One of each Gateway of `spec.entry`.
    pub entry: BTreeSet<SocketAddr>,
    /// The first Gateway behind the waypoint.
    pub upstream: Option<SocketAddr>,
    /// A pod of each target.
    pub direct: BTreeSet<SocketAddr>,
}

/// `None`: the policy asks for no canaries.
pub fn canary_paths(policy: &Loaded, inventory: &Inventory) -> Option<CanaryPaths> {
    let spec = &policy.policy.spec;
    let canary = spec.canary.clone()?;
    let gateway = |name: NamespacedName, wanted: Option<u16>| {
        let services = listeners::services_of(inventory, inventory.gateways.get(&name)?);
        let service = services.first()?;
        let mut ports = service.value.spec.ports.iter().filter(|port| port.is_tcp()).map(|port| port.port);
        let port = match wanted {
            Some(wanted) => ports.find(|port| *port == wanted)?,
            None => ports.min()?,
        };
        Some(SocketAddr::new(service.value.addresses().next()?, port))
    };
    let entry = spec.entry.iter().flatten();
    let entry = entry.filter_map(|one| gateway(name_of(policy, one), canary.port)).collect();
    let upstream = spec.via.first().and_then(|one| gateway(name_of(policy, one), None));
    let direct = spec.target_refs.iter().filter_map(|target| {
        let backends = behind(inventory, inventory.services.get(&name_of(policy, target))?);
        let port = *backends.slice_ports.first()?;
        let ip = backends.pods.values().find_map(|pod| pod.value.ips().next())?;
        Some(SocketAddr::new(ip, port))
    });
    Some(CanaryPaths { entry, upstream, direct: direct.collect(), canary })
}
