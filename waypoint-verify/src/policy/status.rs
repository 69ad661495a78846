//! What a verifier writes into a policy's status. Every part of it is bounded, whatever the traffic is.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was verified of this policy, and what was not.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WaypointPolicyStatus {
    /// The generation of the spec that all of this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, Covered, Verified and Enforced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Requests by verdict, since `since`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_bypass: Option<LastBypass>,
    /// Since when is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// Requests that reached the policy's targets.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    #[schemars(extend("format" = "int64"))]
    pub requests: u64,
    #[schemars(extend("format" = "int64"))]
    pub verified: u64,
    /// Verified unless a request that is still under way shows otherwise.
    #[schemars(extend("format" = "int64"))]
    pub provisional: u64,
    /// Copies that a proxy behind the waypoint made.
    #[schemars(extend("format" = "int64"))]
    pub mirrors: u64,
    /// Requests of which it is certain only that so many of them bypassed the waypoint, not which.
    #[schemars(extend("format" = "int64"))]
    pub forced: u64,
    /// Verdicts that were taken back.
    #[schemars(extend("format" = "int64"))]
    pub withdrawn: u64,
    /// Records that were lost before they were read.
    #[schemars(extend("format" = "int64"))]
    pub lost: u64,
    /// Requests of waypoint-verify's own that were seen as what they were sent for.
    #[schemars(extend("format" = "int64"))]
    pub canaries: u64,
    /// By kind of bypass.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "by_label")]
    pub bypassed: BTreeMap<String, u64>,
    /// By reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "by_label")]
    pub unverified: BTreeMap<String, u64>,
    /// By the reason that the policy gives.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "by_label")]
    pub exempt: BTreeMap<String, u64>,
}

/// Labels of a map of counts; those beyond it together.
const LABELS: usize = 31;

impl Counts {
    /// As many labels as the schema allows.
    pub fn labelled(all: impl Iterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
        let mut labelled = BTreeMap::new();
        for (at, (label, count)) in all.enumerate() {
            *labelled.entry(if at < LABELS { label } else { "others".to_owned() }).or_default() += count;
        }
        labelled
    }
}

/// The latest request that went past the waypoint.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastBypass {
    pub time: Time,
    /// DirectConnection, RouteBypass, UpstreamBypass, WaypointOrigin or UnknownSender; several where more than one is possible.
    #[schemars(length(max = 1024))]
    pub kinds: String,
    #[schemars(length(max = 1024))]
    pub request: String,
    /// Who sent it.
    #[schemars(length(max = 1024))]
    pub from: String,
    /// Who received it.
    #[schemars(length(max = 1024))]
    pub at: String,
}

fn by_label(_: &mut SchemaGenerator) -> Schema {
    let count = json!({ "type": "integer", "format": "int64", "minimum": 0 });
    schema(json!({ "type": "object", "additionalProperties": count, "maxProperties": 32 }))
}

/// The bounds are those of Kubernetes' own `metav1.Condition`, which its Rust type does not carry.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    const TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
    const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
    schema(json!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "message": { "type": "string", "maxLength": 32768 },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
                "reason": { "type": "string", "minLength": 1, "maxLength": 1024, "pattern": REASON },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "type": { "type": "string", "maxLength": 316, "pattern": TYPE },
            },
        },
    }))
}

/// # Panics
/// Never: what is passed are the objects above.
fn schema(value: Value) -> Schema {
    Schema::try_from(value).expect("an object is a schema")
}
