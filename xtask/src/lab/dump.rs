//! The lab as `kubectl get ... -o yaml` would print a cluster: a v1 List of ordinary objects.

mod gateways;
mod nodes;
mod services;
mod workloads;

use anyhow::Result;
use serde_json::{Value, json};

use super::objects::Objects;
use super::plan::Plan;
use crate::gateway::{self, Translated};

/// Nothing in the lab depends on when it was made, and so the same lab is described by the same text.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// `translated` belongs to the plan's Gateways, in their order.
pub fn cluster(plan: &Plan, objects: &Objects, translated: &[Translated]) -> Value {
    let mut items = nodes::of(plan);
    items.extend(workloads::of(plan));
    items.extend(services::of(plan));
    items.extend(gateways::of(plan, objects, translated));
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
}

/// The lab as it starts.
pub fn described(plan: &Plan) -> Result<Value> {
    let objects = Objects::new(plan)?;
    let translated = gateway::translate(&objects.input(plan));
    Ok(cluster(plan, &objects, &translated))
}

/// Namespaces, Nodes and CiliumNodes.
pub(crate) fn nodes(plan: &Plan) -> Vec<Value> {
    nodes::of(plan)
}

/// Pods, and what owns them.
pub(crate) fn workloads(plan: &Plan) -> Vec<Value> {
    workloads::of(plan)
}

/// An object with the metadata that an API server adds.
fn object(plan: &Plan, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Value {
    let uid = plan.uid_of(kind, namespace.unwrap_or(""), name);
    let mut metadata = json!({"name": name, "uid": uid, "resourceVersion": "1", "creationTimestamp": CREATED});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
}

/// An owner reference to such an object.
fn owner(plan: &Plan, api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let uid = plan.uid_of(kind, namespace, name);
    json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}])
}

fn condition(kind: &str, reason: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": "", "observedGeneration": 1, "lastTransitionTime": CREATED})
}

#[cfg(test)]
mod tests;
