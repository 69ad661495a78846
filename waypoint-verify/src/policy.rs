//! `WaypointPolicy`: the custom resource, and the same YAML read from files.

mod canary;
mod definition;
mod duration;
mod names;
mod rules;
mod schema;
mod status;
#[cfg(test)]
mod tests;
mod validate;

use std::path::Path;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::{self, Object, Problem};
use crate::model::NamespacedName;

pub use canary::{Canary, CanaryMethod};
pub use definition::definition;
pub use duration::{format_duration, parse_duration};
pub use status::{Counts, LastBypass, WaypointPolicyStatus};

pub const GROUP: &str = "waypoint-verify.dev";
pub const KIND: &str = "WaypointPolicy";
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// Requests to the targets have to come through the waypoint.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[kube(group = "waypoint-verify.dev", version = "v1alpha1", kind = "WaypointPolicy", namespaced)]
#[kube(shortname = "wpp", category = "waypoint-verify", derive = "PartialEq", status = "WaypointPolicyStatus")]
#[kube(doc = "Requests to the targets have to come through the waypoint; the status says whether they do.")]
#[kube(
    printcolumn = r#"{"name": "Target", "type": "string", "jsonPath": ".spec.targetRefs[0].name"}"#,
    printcolumn = r#"{"name": "Accepted", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Accepted')].status"}"#,
    printcolumn = r#"{"name": "Covered", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Covered')].status"}"#,
    printcolumn = r#"{"name": "Verified", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Verified')].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Verified')].reason"}"#,
    printcolumn = r#"{"name": "Enforced", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Enforced')].status"}"#,
    printcolumn = r#"{"name": "Requests", "type": "integer", "jsonPath": ".status.counts.requests"}"#,
    printcolumn = r#"{"name": "Last-Bypass", "type": "date", "jsonPath": ".status.lastBypass.time", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::spec()))]
pub struct WaypointPolicySpec {
    /// The Services whose pods are protected: every pod behind them, every port, less what is exempt.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = rules::services()))]
    pub target_refs: Vec<TargetRef>,
    pub waypoint: Waypoint,
    /// Gateways between waypoint and target, in order. None: the waypoint dials the target itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-validations" = rules::gateways()))]
    pub via: Vec<TargetRef>,
    /// Gateways where requests may enter. Left out: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = rules::gateways()))]
    pub entry: Option<Vec<TargetRef>>,
    /// Who may reach the targets past the waypoint. Shown and counted, never silent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub exempt: Vec<Exempt>,
    /// Headers that a proxy really passes on unchanged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-validations" = rules::correlations()))]
    pub correlation: Vec<Correlation>,
    /// How long an observation counts (`10m`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 28), regex(pattern = duration::PATTERN))]
    #[schemars(extend("x-kubernetes-validations" = rules::window()))]
    pub window: Option<String>,
    /// Lets canaries be sent: requests of waypoint-verify's own, when a gate asks for them. They reach the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// A reference to a Service or Gateway.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// API group; empty for Services.
    #[schemars(length(max = 253))]
    pub group: String,
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    #[schemars(length(min = 1, max = 253), regex(pattern = names::OBJECT))]
    pub name: String,
    /// Left out: the policy's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = names::NAMESPACE))]
    pub namespace: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waypoint {
    /// The Service in front of the waypoint's pods.
    #[serde(rename = "ref")]
    #[schemars(extend("x-kubernetes-validations" = rules::service()))]
    pub reference: TargetRef,
    /// What this waypoint never rewrites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub preserves: Vec<Preserves>,
    /// What this waypoint does with `x-forwarded-for`.
    #[serde(default)]
    pub forwarded_for: WaypointForwardedFor,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Preserves {
    Method,
    Authority,
    Path,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum WaypointForwardedFor {
    /// By the peer's address (Caddy's default).
    Replaces,
    Appends,
    #[default]
    Unknown,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exempt {
    pub from: ExemptSource,
    /// Container ports of the target; left out: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<i32>", length(max = 16), inner(range(min = 0, max = 65535)))]
    #[schemars(extend("x-kubernetes-validations" = rules::ports()))]
    pub ports: Vec<u16>,
    /// Why; shown wherever such requests are counted.
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-validations" = rules::reason()))]
    pub reason: String,
}

/// Either `kubelet`, or pods by `podSelector` and `namespaceSelector` (as in a NetworkPolicy).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::exempt_source()))]
pub struct ExemptSource {
    /// The kubelet's own process on the target's node (probes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<Kubelet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::selector")]
    pub pod_selector: Option<LabelSelector>,
    /// Left out: the policy's namespace only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::selector")]
    pub namespace_selector: Option<LabelSelector>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
pub struct Kubelet {}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::correlation()))]
pub struct Correlation {
    pub proxy: CorrelatedProxy,
    #[schemars(length(min = 1, max = 256), regex(pattern = names::HEADER))]
    pub header: String,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum CorrelatedProxy {
    Waypoint,
    Gateway,
}

/// A policy that passed validation, and where it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub policy: WaypointPolicy,
    pub namespace: String,
    pub name: String,
    pub source: Arc<str>,
}

impl Loaded {
    pub fn key(&self) -> NamespacedName {
        NamespacedName { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// `WaypointPolicy namespace/name`, as messages call it.
    pub fn object(&self) -> String {
        format!("{KIND} {}/{}", self.namespace, self.name)
    }

    pub fn problem(&self, field: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem::error(what, cure).at(&self.source).of(self.object()).field(field)
    }

    pub fn finding(&self, field: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem::finding(what, cure).at(&self.source).of(self.object()).field(field)
    }
}

/// Policies of these files; objects of other kinds are left to the inventory and handed back.
pub fn read_policies<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> (Vec<Loaded>, Vec<Object>, Vec<Problem>) {
    let (objects, mut problems) = manifest::read_paths(paths);
    let (policies, others) = take_policies(objects, &mut problems);
    (policies, others, problems)
}

/// Splits objects into validated policies and the rest. Every problem of every policy is reported.
pub fn take_policies(objects: Vec<Object>, problems: &mut Vec<Problem>) -> (Vec<Loaded>, Vec<Object>) {
    let (ours, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| object.key.group == GROUP);
    let mut policies: Vec<Loaded> = Vec::new();
    for object in ours {
        match from_object(&object) {
            Ok(policy) => {
                match policies.iter().find(|other| (&other.namespace, &other.name) == (&policy.namespace, &policy.name))
                {
                    Some(other) => problems.push(policy.problem(
                        "metadata.name",
                        format!("a policy of this name was read before, from {}", other.source),
                        "remove or rename one of them",
                    )),
                    None => policies.push(policy),
                }
            }
            Err(more) => problems.extend(more),
        }
    }
    (policies, others)
}

/// Reads and validates one policy. The errors are all that can be found, not the first.
pub fn from_object(object: &Object) -> Result<Loaded, Vec<Problem>> {
    if object.key.kind != KIND {
        return Err(vec![object.problem(
            "kind",
            format!("{} is no kind of {GROUP}", object.key.kind),
            format!("use kind: {KIND}"),
        )]);
    }
    if object.version != "v1alpha1" {
        return Err(vec![object.problem(
            "apiVersion",
            format!("{GROUP}/{} is not known", object.version),
            format!("use apiVersion: {GROUP}/v1alpha1"),
        )]);
    }
    let mut problems = schema::check(object);
    if !problems.is_empty() {
        return Err(problems);
    }
    // The schema that was checked covers the spec only.
    let policy: WaypointPolicy = match serde_path_to_error::deserialize(object.json.as_ref()) {
        Ok(policy) => policy,
        Err(error) => {
            let (field, what) = (error.path().to_string(), error.inner().to_string());
            return Err(vec![object.problem(&field, what, "compare with the example in the README")]);
        }
    };
    let namespace = match object.key.namespace.as_str() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let loaded = Loaded { policy, namespace, name: object.key.name.clone(), source: object.source.clone() };
    validate::check(&loaded, &mut problems);
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}
