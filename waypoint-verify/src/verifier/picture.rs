//! The cluster as one value: what its objects come to, for judges, agents and readers. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::inventory::{CanaryPaths, Inventory, canary_paths, compile_all};
use crate::manifest::{Nature, Object, Problem};
use crate::model::{NamespacedName, WatchList};
use crate::policy::{GROUP, Loaded, from_object};

/// One policy of the cluster, accepted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub uid: String,
    /// Of the spec.
    pub generation: i64,
    /// What is wrong with it; empty: accepted.
    pub errors: Vec<Problem>,
    pub findings: Vec<Problem>,
    /// Where its canaries go, if it asks for any.
    pub canary: Option<CanaryPaths>,
}

impl Policy {
    /// The reason for the condition `Accepted`.
    pub fn nature(&self) -> Option<Nature> {
        self.errors.iter().map(|problem| problem.nature).max()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub watch: Arc<WatchList>,
    pub policies: BTreeMap<NamespacedName, Policy>,
    /// Nodes that have to be seen: any of them may send.
    pub nodes: BTreeSet<String>,
    /// What is wrong with objects that no policy names. Until it is mended nothing is sure: a route that cannot be read may
    /// do anything.
    pub errors: Vec<Problem>,
}

impl Picture {
    pub fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let (ours, others): (Vec<&Object>, Vec<&Object>) = objects.partition(|object| object.key.group == GROUP);
        let (inventory, _) = Inventory::from_objects(others.into_iter().cloned());
        let mut policies = BTreeMap::new();
        let mut loaded: Vec<Loaded> = Vec::new();
        for object in ours {
            let meta = &object.json["metadata"];
            let mut policy = Policy {
                uid: meta["uid"].as_str().unwrap_or_default().to_owned(),
                generation: meta["generation"].as_i64().unwrap_or_default(),
                errors: Vec::new(),
                findings: Vec::new(),
                canary: None,
            };
            match from_object(object) {
                Ok(one) => {
                    policy.canary = canary_paths(&one, &inventory);
                    loaded.push(one);
                }
                Err(problems) => policy.errors = problems,
            }
            policies.insert(object.key.name(), policy);
        }
        let compiled = compile_all(&loaded, &inventory);
        let by_object: BTreeMap<String, NamespacedName> = loaded.iter().map(|one| (one.object(), one.key())).collect();
        let mut errors = Vec::new();
        for problem in compiled.problems {
            let owner = problem.object.as_ref().and_then(|object| by_object.get(object));
            match (owner.and_then(|name| policies.get_mut(name)), problem.is_error()) {
                (Some(policy), true) => policy.errors.push(problem),
                (Some(policy), false) => policy.findings.push(problem),
                (None, true) => errors.push(problem),
                (None, false) => {}
            }
        }
        let named = inventory.nodes.keys().map(|node| node.name.clone());
        let used = compiled.watch.pods.values().map(|(_, node)| node.clone());
        let nodes = named.chain(used).filter(|node| !node.is_empty()).collect();
        Self { watch: Arc::new(compiled.watch), policies, nodes, errors }
    }

    /// With these policies only, and with everything else.
    pub fn only(&self, is_ours: impl Fn(&NamespacedName) -> bool) -> Self {
        let mut watch = WatchList::clone(&self.watch);
        watch.policies.retain(|policy| is_ours(&policy.name));
        let policies = self.policies.iter().filter(|(name, _)| is_ours(name));
        Self {
            watch: Arc::new(watch),
            policies: policies.map(|(name, policy)| (name.clone(), policy.clone())).collect(),
            nodes: self.nodes.clone(),
            errors: self.errors.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
