//! The objects that declare paths, as they are written: from manifests or from a cluster.
//!
//! Whatever cannot be read is kept as such: it may hide a path, so that the answer is never silently smaller.

mod gateway;
mod guard;
mod kinds;
mod other;
mod route;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::inventory::{EndpointSlice, Grant, Labels, Meta, Service, matches_labels};
pub use crate::inventory::{Index, Item};
use crate::manifest::{Object, ObjectKey, Problem};
use crate::model::NamespacedName;

pub use gateway::*;
pub use guard::{Admission, Guard, Peer};
use kinds::meaning_of;
pub use kinds::{matters, version_of};
pub use other::*;
pub use route::*;
pub use workload::{TEMPLATES, Workload};

/// Everything that can declare a path.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub namespaces: BTreeMap<String, Labels>,
    pub workloads: Vec<Item<Workload>>,
    pub services: Index<Service>,
    /// By the Service that they belong to.
    pub slices: BTreeMap<NamespacedName, Vec<Item<EndpointSlice>>>,
    /// Controller name by class.
    pub classes: BTreeMap<String, Item<String>>,
    pub gateways: Index<GatewaySpec>,
    pub listener_sets: Index<ListenerSetSpec>,
    pub routes: Vec<(RouteKind, Item<RouteSpec>)>,
    /// Places in `routes` by the names of their parents, whatever their kinds.
    pub by_parent: BTreeMap<NamespacedName, Vec<usize>>,
    pub grants: Vec<Item<Grant>>,
    pub ingresses: Index<IngressSpec>,
    /// CiliumEnvoyConfigs, and CiliumClusterwideEnvoyConfigs without a namespace.
    pub envoy_configs: Index<EnvoyConfigSpec>,
    pub redirects: Index<LocalRedirectSpec>,
    /// Rules about who may dial pods.
    pub guards: Vec<Item<Guard>>,
    /// Objects of kinds that are not understood, whole.
    pub foreign: Vec<Object>,
    /// Objects that could declare a path and cannot be read.
    pub unread: Vec<Problem>,
    /// What is wrong with objects that could be read.
    pub problems: Vec<Problem>,
}

/// Puts an object that names no namespace into this one, as `kubectl apply` would.
pub fn place(object: &mut Object, namespace: &str) {
    if meaning_of(object).is_namespaced() && object.key.namespace.is_empty() {
        namespace.clone_into(&mut object.key.namespace);
    }
}

impl World {
    pub fn from_objects(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut world = Self::default();
        let mut seen: BTreeMap<ObjectKey, (Arc<str>, Arc<Value>)> = BTreeMap::new();
        for object in objects {
            let meaning = meaning_of(&object);
            if let Some((source, json)) = seen.get(&object.key) {
                if *json == object.json {
                    continue;
                }
                world.unread.push(Problem {
                    severity: crate::manifest::Severity::Finding,
                    ..object.problem(
                        "metadata.name",
                        format!("this object is given twice, with different content; the other is in {source}"),
                        "which of them is applied is not known: remove one",
                    )
                });
            } else {
                seen.insert(object.key.clone(), (object.source.clone(), object.json.clone()));
            }
            kinds::take(&mut world, meaning, object);
        }
        world.finish();
        world
    }

    /// Where nothing makes pods for one of these Services, pods with the labels that it selects are assumed.
    pub fn assume_pods_of<'n>(&mut self, services: impl IntoIterator<Item = &'n NamespacedName>) {
        for service in services.into_iter().filter_map(|name| self.services.get(name)) {
            let (namespace, selector) = (&service.key.namespace, &service.value.spec.selector);
            let made = self.workloads.iter().any(|workload| {
                workload.key.namespace == *namespace && matches_labels(selector, &workload.value.labels)
            });
            if made || selector.is_empty() || self.slices.contains_key(&service.name()) {
                continue;
            }
            let labels: Vec<_> = selector.iter().map(|(name, value)| format!("{name}={value}")).collect();
            self.workloads.push(Item {
                key: ObjectKey {
                    group: String::new(),
                    kind: "pods".into(),
                    namespace: namespace.clone(),
                    name: labels.join(","),
                },
                source: service.source.clone(),
                meta: Meta::default(),
                value: Workload { labels: selector.clone(), is_assumed: true, ..Workload::default() },
            });
        }
    }

    /// An order that does not depend on the order of files.
    fn finish(&mut self) {
        self.workloads.sort_by(|a, b| a.key.cmp(&b.key));
        self.routes.sort_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
        for (at, (_, route)) in self.routes.iter().enumerate() {
            for parent in &route.value.parent_refs {
                let places = self.by_parent.entry(parent.named_from(&route.key.namespace)).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
        }
        self.grants.sort_by(|a, b| a.key.cmp(&b.key));
        self.guards.sort_by(|a, b| a.key.cmp(&b.key));
        self.foreign.sort_by(|a, b| a.key.cmp(&b.key));
        self.unread.sort();
        self.problems.sort();
        for slices in self.slices.values_mut() {
            slices.sort_by(|a, b| a.key.cmp(&b.key));
        }
    }

    /// Routes that name one of these as a parent, in the order of `routes`.
    pub fn routes_under<'k>(&self, parents: impl IntoIterator<Item = &'k ObjectKey>) -> BTreeSet<usize> {
        let names: BTreeSet<_> = parents.into_iter().map(ObjectKey::name).collect();
        names.iter().filter_map(|name| self.by_parent.get(name)).flatten().copied().collect()
    }

    pub fn labels_of_namespace(&self, name: &str) -> Labels {
        let mut labels = self.namespaces.get(name).cloned().unwrap_or_default();
        // The API server sets it on every namespace; manifests may lack the Namespace.
        labels.entry("kubernetes.io/metadata.name".into()).or_insert_with(|| name.to_owned());
        labels
    }
}
