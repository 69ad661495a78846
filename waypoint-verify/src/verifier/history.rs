//! What was true of a cluster until a moment ago. Pure.
//!
//! A verdict is given after what it speaks of: when a waypoint's pod has gone, the last requests that it passed on are still to
//! be judged, and by what it was. So whoever has gone keeps the role that it had for some time. Ids of containers and UIDs of
//! pods are never used twice, and who is gone sends nothing any more. Who is still there and has lost a role has lost it at once.
//!
//! An address may be used twice: where one leads to another listener than before, nobody can say which of them a request
//! used that is still to be judged, and for some time none is named.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::picture::Picture;
use super::roles::Roles;
use crate::model::{BootNs, CompiledPolicy, ContainerRef, Listener, NamespacedName, ProxySpec};

/// How long: much longer than requests wait for their verdict.
const KEPT: BootNs = 60_000_000_000;

/// A policy in one generation of its spec: name, UID, generation.
type Spec = (NamespacedName, String, i64);

#[derive(Clone, Debug)]
struct Container {
    container: Arc<ContainerRef>,
    proxy: Option<Arc<ProxySpec>>,
    /// Whose waypoint it was.
    waypoint_of: BTreeSet<Spec>,
}

#[derive(Clone, Debug)]
struct Pod {
    /// Its name, and its node.
    pod: (NamespacedName, String),
    target_of: BTreeSet<Spec>,
}

/// What was, by when it was so last.
#[derive(Clone, Debug, Default)]
pub struct History {
    before: Picture,
    containers: BTreeMap<String, (BootNs, Container)>,
    pods: BTreeMap<String, (BootNs, Pod)>,
    moved: BTreeMap<SocketAddr, BootNs>,
    /// Roles of those that are still there, and have lost them.
    lost: BTreeMap<String, BootNs>,
}

impl History {
    /// Adds to a new picture what has gone since the ones before it, and says who has or had a role.
    pub fn add_to(&mut self, picture: &mut Picture, at: BootNs) -> Roles {
        let before = std::mem::replace(&mut self.before, picture.clone());
        self.note(&before, picture, at);
        let kept = |since: BootNs| at.saturating_sub(since) < KEPT;
        self.containers.retain(|_, (since, _)| kept(*since));
        self.pods.retain(|_, (since, _)| kept(*since));
        self.moved.retain(|_, since| kept(*since));
        self.lost.retain(|_, since| kept(*since));

        let specs = specs(picture);
        let watch = Arc::make_mut(&mut picture.watch);
        for (id, (_, gone)) in &self.containers {
            watch.containers.entry(id.clone()).or_insert_with(|| Arc::clone(&gone.container));
            if let Some(proxy) = &gone.proxy {
                watch.proxies.entry(id.clone()).or_insert_with(|| Arc::clone(proxy));
            }
        }
        for (uid, (_, gone)) in &self.pods {
            watch.pods.entry(uid.clone()).or_insert_with(|| gone.pod.clone());
            if !gone.target_of.is_empty() {
                watch.protected.insert(uid.clone());
            }
        }
        for policy in &mut watch.policies {
            let Some(spec) = specs.get(&policy.name) else { continue };
            let waypoint = self.containers.iter().filter(|(_, (_, gone))| gone.waypoint_of.contains(spec));
            let targets = self.pods.iter().filter(|(_, (_, gone))| gone.target_of.contains(spec));
            let (waypoint, targets): (Vec<_>, Vec<_>) =
                (waypoint.map(|(id, _)| id.clone()).collect(), targets.map(|(uid, _)| uid.clone()).collect());
            if waypoint.is_empty() && targets.is_empty() {
                continue;
            }
            let policy = Arc::make_mut(policy);
            policy.waypoint.extend(waypoint);
            policy.targets.extend(targets);
        }
        watch.listeners.retain(|address, _| !self.moved.contains_key(address));
        Roles::new(watch, self.lost.keys())
    }

    /// Whether something in it will be forgotten.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.pods.is_empty() && self.moved.is_empty() && self.lost.is_empty()
    }

    fn note(&mut self, before: &Picture, now: &Picture, at: BootNs) {
        let specs = specs(before);
        let of = |has: &dyn Fn(&CompiledPolicy) -> bool| -> BTreeSet<Spec> {
            let policies = before.watch.policies.iter().filter(|policy| has(policy));
            policies.filter_map(|policy| specs.get(&policy.name).cloned()).collect()
        };
        let (before, now) = (&before.watch, &now.watch);
        self.containers.retain(|id, _| !now.containers.contains_key(id));
        self.pods.retain(|uid, _| !now.pods.contains_key(uid));
        for (id, container) in &before.containers {
            let is_proxy = |watch: &crate::model::WatchList| watch.proxies.contains_key(id);
            if !now.containers.contains_key(id) {
                let proxy = before.proxies.get(id).cloned();
                let waypoint_of = of(&|policy| policy.waypoint.contains(id));
                let gone = Container { container: Arc::clone(container), proxy, waypoint_of };
                self.containers.insert(id.clone(), (at, gone));
            } else if is_proxy(before) && !is_proxy(now) {
                self.lost.insert(id.clone(), at);
            }
        }
        for (uid, pod) in &before.pods {
            if !now.pods.contains_key(uid) {
                let target_of = of(&|policy| policy.targets.contains(uid));
                self.pods.insert(uid.clone(), (at, Pod { pod: pod.clone(), target_of }));
            } else if before.protected.contains(uid) && !now.protected.contains(uid) {
                self.lost.insert(uid.clone(), at);
            }
        }
        // Also one that was nobody's in between.
        let was =
            |address: &SocketAddr, listener: &Listener| before.listeners.get(address).is_some_and(|b| b != listener);
        let moved = now.listeners.iter().filter(|(address, listener)| was(address, listener));
        self.moved.extend(moved.map(|(address, _)| (*address, at)));
    }
}

fn specs(picture: &Picture) -> BTreeMap<NamespacedName, Spec> {
    let all = picture.policies.iter();
    all.map(|(name, policy)| (name.clone(), (name.clone(), policy.uid.clone(), policy.generation))).collect()
}

#[cfg(test)]
mod tests;
