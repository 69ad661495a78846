//! Gateways, ListenerSets and what may attach to them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use crate::inventory::ParentReference;

/// Gateway or ListenerSet: something with listeners.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GatewaySpec {
    pub gateway_class_name: String,
    pub listeners: Vec<Listener>,
    pub addresses: Vec<Address>,
    pub allowed_listeners: AllowedListeners,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Address {
    pub value: String,
}

/// Which ListenerSets may add listeners; nobody's, unless said otherwise (`allowedListeners` of Gateway API).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AllowedListeners {
    pub namespaces: FromNamespaces,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerSetSpec {
    /// RFC 3339, UTC, to the second; who is older wins where two want the same.
    #[serde(skip)]
    pub created: Option<String>,
    pub parent_ref: ParentReference,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    pub name: String,
    pub port: u16,
    pub protocol: String,
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub tls: Option<ListenerTls>,
    #[serde(default)]
    pub allowed_routes: AllowedRoutes,
}

impl Listener {
    /// `*` stands for every name, as in Envoy and Cilium.
    pub fn host(&self) -> &str {
        self.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or("*")
    }

    pub fn passes_tls_through(&self) -> bool {
        self.protocol == "TLS" && self.tls.as_ref().is_some_and(|tls| tls.mode.as_deref() == Some("Passthrough"))
    }

    pub fn ends_tls(&self) -> bool {
        matches!(self.protocol.as_str(), "HTTPS" | "TLS") && !self.passes_tls_through()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerTls {
    pub mode: Option<String>,
    pub certificate_refs: Vec<ObjectRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AllowedRoutes {
    pub namespaces: FromNamespaces,
    pub kinds: Vec<RouteGroupKind>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FromNamespaces {
    /// `Same`, `All`, `Selector`, `None`; left out: `Same` for routes, `None` for listeners.
    pub from: Option<String>,
    pub selector: Option<LabelSelector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RouteGroupKind {
    pub group: Option<String>,
    pub kind: String,
}

/// A reference to a backend, Secret or other object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ObjectRef {
    pub group: Option<String>,
    pub kind: Option<String>,
    pub namespace: Option<String>,
    pub name: String,
    pub port: Option<u16>,
}

impl ObjectRef {
    pub fn is_service(&self) -> bool {
        self.group.as_deref().unwrap_or_default().is_empty() && self.kind.as_deref().unwrap_or("Service") == "Service"
    }

    /// A Service of this name as all clusters together have it (MCS API, KEP-1645): one of them may be this one.
    pub fn is_import(&self) -> bool {
        (self.group.as_deref(), self.kind.as_deref()) == (Some("multicluster.x-k8s.io"), Some("ServiceImport"))
    }
}
