//! What Cilium's operator makes of Gateway API objects: Envoy routes, clusters and listeners (facts A1, H.2 and I). Pure.
//!
//! The same values go into the CiliumEnvoyConfig of the cluster dump and, with addresses and endpoints filled in, to the lab's Envoy.

mod action;
mod attach;
mod matching;
pub mod objects;
pub mod resources;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use objects::{HttpRoute, ReferenceGrant};

/// A Gateway, as far as its routes are concerned.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub name: String,
    pub namespace: String,
    pub listeners: Vec<Listener>,
}

#[derive(Debug, Clone)]
pub struct Listener {
    pub name: String,
    pub port: u16,
    pub hostname: Option<String>,
}

/// A port of a Service. Its display is the name of the Envoy cluster, the same for all Gateways.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    pub namespace: String,
    pub service: String,
    pub port: u16,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.namespace, self.service, self.port)
    }
}

/// The objects that decide about routes.
#[derive(Debug, Clone, Default)]
pub struct Input {
    pub gateways: Vec<Gateway>,
    pub routes: Vec<HttpRoute>,
    pub grants: Vec<ReferenceGrant>,
    /// Which ports which Services have.
    pub services: BTreeSet<Backend>,
}

/// What one Gateway becomes.
#[derive(Debug, Clone)]
pub struct Translated {
    /// `NAMESPACE/cilium-gateway-NAME/listener-insecure`, as Cilium's agent qualifies it.
    pub route_name: String,
    /// An Envoy RouteConfiguration with that name.
    pub routes: Value,
    /// What its routes send to, mirrors included.
    pub backends: BTreeSet<Backend>,
    /// How many routes are attached to each listener.
    pub attached: BTreeMap<String, usize>,
}

/// Name of the Service and of the CiliumEnvoyConfig that Cilium makes for a Gateway.
pub fn generated_name(gateway: &str) -> String {
    format!("cilium-gateway-{gateway}")
}

/// One entry for each Gateway, in their order.
pub fn translate(input: &Input) -> Vec<Translated> {
    input.gateways.iter().map(|gateway| table::of_gateway(input, gateway)).collect()
}

#[cfg(test)]
mod tests;
