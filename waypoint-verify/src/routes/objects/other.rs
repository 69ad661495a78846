//! Ingresses and Cilium's own kinds that lead traffic somewhere.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressSpec {
    pub default_backend: Option<IngressBackend>,
    pub rules: Vec<IngressRule>,
    pub tls: Vec<IngressTls>,
    pub ingress_class_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressTls {
    pub hosts: Vec<String>,
    pub secret_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IngressRule {
    pub host: String,
    pub http: IngressHttp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IngressHttp {
    pub paths: Vec<IngressPath>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressPath {
    pub path: String,
    pub path_type: String,
    pub backend: IngressBackend,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IngressBackend {
    pub service: Option<IngressService>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IngressService {
    pub name: String,
    pub port: IngressPort,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IngressPort {
    pub number: Option<u16>,
    pub name: Option<String>,
}

/// CiliumEnvoyConfig and CiliumClusterwideEnvoyConfig.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvoyConfigSpec {
    /// Services whose traffic goes to a listener of the configuration.
    pub services: Vec<EnvoyService>,
    /// Services whose endpoints the clusters of the configuration use.
    pub backend_services: Vec<EnvoyService>,
    /// Envoy resources (`@type` and fields).
    pub resources: Vec<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvoyService {
    pub name: String,
    pub namespace: String,
    /// Numbers or names; empty: every port.
    pub ports: Vec<Value>,
}

/// CiliumLocalRedirectPolicy: traffic to an address or a Service goes to pods of the node instead.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalRedirectSpec {
    pub redirect_frontend: RedirectFrontend,
    pub redirect_backend: RedirectBackend,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RedirectFrontend {
    pub address_matcher: Option<AddressMatcher>,
    pub service_matcher: Option<ServiceMatcher>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AddressMatcher {
    pub ip: String,
    pub to_ports: Vec<PortInfo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceMatcher {
    pub service_name: String,
    pub namespace: String,
    pub to_ports: Vec<PortInfo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RedirectBackend {
    pub local_endpoint_selector: LabelSelector,
    pub to_ports: Vec<PortInfo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PortInfo {
    pub port: String,
}
