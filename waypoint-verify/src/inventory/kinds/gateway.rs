//! Gateway API, and what Cilium makes of it.

use serde::Deserialize;
use serde_json::Value;

use crate::model::NamespacedName;
use crate::policy::GATEWAY_GROUP;

#[derive(Clone, Debug, Deserialize)]
pub struct GatewayClass {
    pub spec: GatewayClassSpec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    pub controller_name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Gateway {
    pub spec: GatewaySpec,
    #[serde(default)]
    pub status: GatewayStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    pub gateway_class_name: String,
    #[serde(default)]
    pub listeners: Vec<GatewayListener>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct GatewayListener {
    #[serde(default)]
    pub name: String,
    pub port: u16,
    pub protocol: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayStatus {
    pub addresses: Vec<GatewayAddress>,
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayAddress {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
}

/// HTTPRoute or GRPCRoute. Rules stay JSON: each filter of them must be understood or count as unknown.
#[derive(Clone, Debug, Deserialize)]
pub struct Route {
    pub spec: RouteSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteSpec {
    pub parent_refs: Vec<ParentReference>,
    pub rules: Vec<Value>,
}

/// A reference from a route to what it attaches to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ParentReference {
    pub group: Option<String>,
    pub kind: Option<String>,
    pub namespace: Option<String>,
    pub name: String,
    pub section_name: Option<String>,
    pub port: Option<u16>,
}

impl ParentReference {
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group.as_deref().unwrap_or(GATEWAY_GROUP) == group && self.kind.as_deref().unwrap_or("Gateway") == kind
    }

    /// What an object of this namespace means by it.
    pub fn named_from(&self, namespace: &str) -> NamespacedName {
        NamespacedName { namespace: self.namespace.as_deref().unwrap_or(namespace).to_owned(), name: self.name.clone() }
    }
}

/// ReferenceGrant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Grant {
    pub spec: GrantSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GrantSpec {
    pub from: Vec<GrantFrom>,
    pub to: Vec<GrantTo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GrantFrom {
    pub group: String,
    pub kind: String,
    pub namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GrantTo {
    pub group: String,
    pub kind: String,
    pub name: Option<String>,
}

/// CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvoyConfig {
    pub spec: EnvoyConfigSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvoyConfigSpec {
    pub services: Vec<EnvoyService>,
    /// Envoy resources (`@type` and fields), as JSON.
    pub resources: Vec<Value>,
}

/// A Service whose traffic is redirected to a listener of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvoyService {
    pub name: String,
    pub namespace: String,
    /// Empty: every port.
    pub ports: Vec<u16>,
}
