//! What a policy says of canaries: requests of waypoint-verify's own, which a gate may ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loaded, names, rules};
use crate::manifest::Problem;

/// What a canary asks of the target: something that changes nothing there.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    #[serde(default)]
    pub method: CanaryMethod,
    /// Path and query.
    #[schemars(length(min = 1, max = 1024), regex(pattern = names::TARGET))]
    pub path: String,
    /// Whom it is sent to in `Host`. Left out: the address that is dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = names::AUTHORITY))]
    pub authority: Option<String>,
    /// Port of the entry Gateways, one without TLS. Left out: their lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 0, max = 65535))]
    #[schemars(extend("x-kubernetes-validations" = rules::port()))]
    pub port: Option<u16>,
}

/// Safe ones (RFC 9110 section 9.2.1).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum CanaryMethod {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "HEAD")]
    Head,
    #[serde(rename = "OPTIONS")]
    Options,
}

impl CanaryMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

pub(super) fn check(loaded: &Loaded, problems: &mut Vec<Problem>) {
    let spec = &loaded.policy.spec;
    let Some(canary) = &spec.canary else { return };
    if spec.entry.is_none() {
        let cure = "name the Gateways in spec.entry";
        problems.push(loaded.problem("spec.canary", "canaries need to know where to enter", cure));
    }
    if !names::is_target(&canary.path) {
        let what = format!("{:?} is not a path", canary.path);
        problems.push(loaded.problem("spec.canary.path", what, "begin it with /, without blanks and fragment"));
    }
    if let Some(authority) = canary.authority.as_ref().filter(|authority| !names::is_authority(authority)) {
        let what = format!("{authority:?} is not a host");
        let cure = "write it like shop.example or shop.example:8080";
        problems.push(loaded.problem("spec.canary.authority", what, cure));
    }
    if canary.port == Some(0) {
        problems.push(loaded.problem("spec.canary.port", "0 is not a port", "use 1 to 65535"));
    }
}
