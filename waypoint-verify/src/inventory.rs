//! Who is who in a cluster: a plain, indexed store of Kubernetes objects, from files or from an API server.
//!
//! `apply` and `delete` are all that feeds it; decision code only reads. What is compiled from it and the
//! policies is the watch list (`compile`).

mod check;
mod compile;
mod kinds;
mod selector;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::manifest::{self, Object, ObjectKey, Problem};
use crate::model::NamespacedName;

pub use compile::{CanaryPaths, Compiled, canary_paths, compile, compile_all};
pub use kinds::{
    CiliumNode, Container, ContainerStatus, Endpoint, EndpointSlice, EnvoyConfig, EnvoyService, Gateway, GatewayClass,
    GatewayListener, Grant, Labels, Meta, Namespace, Node, OwnerReference, ParentReference, Pod, PodSpec, Route,
    Service, ServicePort,
};
pub use selector::{matches, matches_labels};

/// One object of a kind that is understood.
#[derive(Clone, Debug)]
pub struct Item<T> {
    pub key: ObjectKey,
    pub source: Arc<str>,
    pub meta: Meta,
    pub value: T,
}

impl<T> Item<T> {
    pub fn name(&self) -> NamespacedName {
        self.key.name()
    }

    pub fn problem(&self, field: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem::error(what, cure).at(&self.source).of(self.key.to_string()).field(field)
    }

    pub fn finding(&self, field: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem::finding(what, cure).at(&self.source).of(self.key.to_string()).field(field)
    }
}

/// Objects of one kind, by namespace (empty for cluster-scoped kinds) and name.
pub type Index<T> = BTreeMap<NamespacedName, Item<T>>;

/// Everything that was read. Fields are public to read; write through `apply` and `delete`.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub nodes: Index<Node>,
    pub cilium_nodes: Index<CiliumNode>,
    pub namespaces: Index<Namespace>,
    pub pods: Index<Pod>,
    pub services: Index<Service>,
    pub endpoint_slices: Index<EndpointSlice>,
    pub gateway_classes: Index<GatewayClass>,
    pub gateways: Index<Gateway>,
    pub http_routes: Index<Route>,
    pub grpc_routes: Index<Route>,
    pub grants: Index<Grant>,
    /// CiliumEnvoyConfigs (with a namespace) and CiliumClusterwideEnvoyConfigs (without).
    pub envoy_configs: Index<EnvoyConfig>,
    /// CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies, as JSON.
    pub network_policies: Index<Value>,
    /// Objects of kinds that are not understood, by `Kind.group`.
    pub unused: BTreeMap<String, usize>,
    /// Objects of understood kinds that could not be read, with what is wrong with them.
    pub unreadable: BTreeMap<ObjectKey, Problem>,
    seen: BTreeMap<ObjectKey, Arc<Value>>,
}

/// What `each_index!` does for every kind that is understood.
macro_rules! each_kind {
    ($key:expr, $run:ident, $otherwise:expr) => {
        match ($key.group.as_str(), $key.kind.as_str()) {
            ("", "Node") => $run!(nodes),
            ("cilium.io", "CiliumNode") => $run!(cilium_nodes),
            ("", "Namespace") => $run!(namespaces),
            ("", "Pod") => $run!(pods),
            ("", "Service") => $run!(services),
            ("discovery.k8s.io", "EndpointSlice") => $run!(endpoint_slices),
            ("gateway.networking.k8s.io", "GatewayClass") => $run!(gateway_classes),
            ("gateway.networking.k8s.io", "Gateway") => $run!(gateways),
            ("gateway.networking.k8s.io", "HTTPRoute") => $run!(http_routes),
            ("gateway.networking.k8s.io", "GRPCRoute") => $run!(grpc_routes),
            ("gateway.networking.k8s.io", "ReferenceGrant") => $run!(grants),
            ("cilium.io", "CiliumEnvoyConfig" | "CiliumClusterwideEnvoyConfig") => $run!(envoy_configs),
            ("cilium.io", "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy") => $run!(network_policies),
            _ => $otherwise,
        }
    };
}

impl Inventory {
    /// Reads files and directories. Problems of reading, of objects, and between objects, all at once.
    pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> (Self, Vec<Problem>) {
        let (objects, problems) = manifest::read_paths(paths);
        let (inventory, more) = Self::from_objects(objects);
        (inventory, problems.into_iter().chain(more).collect())
    }

    /// Puts objects of files into a new store; one object that is given twice and differs is a problem.
    pub fn from_objects(objects: impl IntoIterator<Item = Object>) -> (Self, Vec<Problem>) {
        let mut inventory = Self::default();
        let mut problems = Vec::new();
        for object in objects {
            match inventory.seen.get(&object.key) {
                Some(earlier) if *earlier == object.json => continue,
                Some(_) => problems.push(object.problem(
                    "metadata.name",
                    "this object is given twice, with different content",
                    "dump the cluster once, into an empty directory",
                )),
                None => {}
            }
            inventory.seen.insert(object.key.clone(), object.json.clone());
            inventory.apply(&object);
        }
        inventory.seen.clear();
        problems.extend(inventory.problems());
        (inventory, problems)
    }

    /// Adds or replaces one object. What cannot be read is remembered as such, and its former state forgotten.
    pub fn apply(&mut self, object: &Object) {
        self.delete(&object.key);
        macro_rules! insert {
            ($index:ident) => {
                match parse(object) {
                    Ok(item) => {
                        self.$index.insert(item.name(), item);
                    }
                    Err(problem) => {
                        self.unreadable.insert(object.key.clone(), *problem);
                    }
                }
            };
        }
        each_kind!(object.key, insert, *self.unused.entry(kind_and_group(&object.key)).or_default() += 1);
    }

    pub fn delete(&mut self, key: &ObjectKey) {
        self.unreadable.remove(key);
        let name = key.name();
        macro_rules! remove {
            ($index:ident) => {{
                self.$index.remove(&name);
            }};
        }
        each_kind!(key, remove, {});
    }

    /// What is wrong within and between the objects.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<_> = self.unreadable.values().cloned().collect();
        check::check(self, &mut problems);
        problems
    }

    /// HTTPRoutes and GRPCRoutes.
    pub fn routes(&self) -> impl Iterator<Item = &Item<Route>> {
        self.http_routes.values().chain(self.grpc_routes.values())
    }

    pub fn labels_of_namespace(&self, name: &str) -> Labels {
        let key = NamespacedName { namespace: String::new(), name: name.to_owned() };
        let mut labels = self.namespaces.get(&key).map(|item| item.meta.labels.clone()).unwrap_or_default();
        // The API server sets it on every namespace; a dump may lack the Namespace object.
        labels.entry("kubernetes.io/metadata.name".into()).or_insert_with(|| name.to_owned());
        labels
    }
}

fn kind_and_group(key: &ObjectKey) -> String {
    if key.group.is_empty() { key.kind.clone() } else { format!("{}.{}", key.kind, key.group) }
}

fn parse<T: DeserializeOwned + kinds::Kind>(object: &Object) -> Result<Item<T>, Box<Problem>> {
    let json = without_nulls(&object.json);
    let wrong = |error: serde_path_to_error::Error<serde_json::Error>, prefix: &str| {
        let field = match error.path().to_string() {
            path if path == "." => prefix.to_owned(),
            path if prefix.is_empty() => path,
            path => format!("{prefix}.{path}"),
        };
        Box::new(object.problem(
            &field,
            error.inner().to_string(),
            "this is not what an API server hands out; dump it again",
        ))
    };
    let meta: Meta = serde_path_to_error::deserialize(json.get("metadata").unwrap_or(&Value::Null))
        .map_err(|error| wrong(error, "metadata"))?;
    if T::NEEDS_UID && meta.uid.is_empty() {
        return Err(Box::new(object.problem(
            "metadata.uid",
            "missing: sockets are attributed to pods by their UID",
            "use the output of `kubectl get pods -A -o yaml`, not a manifest",
        )));
    }
    let value: T = serde_path_to_error::deserialize(&json).map_err(|error| wrong(error, ""))?;
    value.check().map_err(|(field, what, cure)| Box::new(object.problem(&field, what, cure)))?;
    Ok(Item { key: object.key.clone(), source: object.source.clone(), meta, value })
}

/// In the Kubernetes API, null means absent.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
