//! Which kinds and versions are understood, and what an object of each becomes.

mod irrelevant;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::guard::{CiliumPolicy, Guard};
use super::workload::Template;
use super::{Item, ListenerSetSpec, RouteKind, RouteSpec, TEMPLATES, Workload, World};
use crate::inventory::{Meta, Pod, without_nulls};
use crate::manifest::{Object, Problem, Severity};

const GATEWAY: &str = "gateway.networking.k8s.io";

/// What an object is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Namespace,
    Pod,
    Template,
    Service,
    Slice,
    Class,
    Gateway,
    ListenerSet,
    Route(RouteKind),
    Grant,
    Ingress,
    EnvoyConfig,
    ClusterwideEnvoyConfig,
    LocalRedirect,
    NetworkPolicy,
    CiliumPolicy,
    ClusterwideCiliumPolicy,
    /// Of a kind that says who may dial pods, and that is not understood.
    OtherPolicy,
    /// Of a kind that declares paths, in a version that is not understood.
    OtherVersion,
    /// Declares no path, whatever is in it.
    Irrelevant,
    Foreign,
}

impl Meaning {
    pub fn is_namespaced(self) -> bool {
        !matches!(
            self,
            Self::Namespace
                | Self::Class
                | Self::ClusterwideEnvoyConfig
                | Self::ClusterwideCiliumPolicy
                | Self::OtherPolicy
                | Self::Irrelevant
                | Self::Foreign
        )
    }
}

/// Group, kind, versions that mean the same to us, meaning. Versions: Gateway API's changelogs (v1beta1 and v1 of a kind have
/// one schema; TLSRoute, TCPRoute and UDPRoute v1alpha2 differ from v1 in validation only).
const KINDS: [(&str, &str, &[&str], Meaning); 22] = [
    ("", "Namespace", &["v1"], Meaning::Namespace),
    ("", "Pod", &["v1"], Meaning::Pod),
    ("", "Service", &["v1"], Meaning::Service),
    ("discovery.k8s.io", "EndpointSlice", &["v1", "v1beta1"], Meaning::Slice),
    (GATEWAY, "GatewayClass", &["v1", "v1beta1"], Meaning::Class),
    (GATEWAY, "Gateway", &["v1", "v1beta1"], Meaning::Gateway),
    (GATEWAY, "ListenerSet", &["v1"], Meaning::ListenerSet),
    ("gateway.networking.x-k8s.io", "XListenerSet", &["v1alpha1"], Meaning::ListenerSet),
    (GATEWAY, "HTTPRoute", &["v1", "v1beta1"], Meaning::Route(RouteKind::Http)),
    (GATEWAY, "GRPCRoute", &["v1", "v1alpha2"], Meaning::Route(RouteKind::Grpc)),
    (GATEWAY, "TLSRoute", &["v1", "v1alpha3", "v1alpha2"], Meaning::Route(RouteKind::Tls)),
    (GATEWAY, "TCPRoute", &["v1", "v1alpha2"], Meaning::Route(RouteKind::Tcp)),
    (GATEWAY, "UDPRoute", &["v1", "v1alpha2"], Meaning::Route(RouteKind::Udp)),
    (GATEWAY, "ReferenceGrant", &["v1", "v1beta1"], Meaning::Grant),
    ("networking.k8s.io", "Ingress", &["v1"], Meaning::Ingress),
    ("cilium.io", "CiliumEnvoyConfig", &["v2"], Meaning::EnvoyConfig),
    ("cilium.io", "CiliumClusterwideEnvoyConfig", &["v2"], Meaning::ClusterwideEnvoyConfig),
    ("cilium.io", "CiliumLocalRedirectPolicy", &["v2"], Meaning::LocalRedirect),
    // Older than slices; the control plane mirrors them into slices, which are read.
    ("", "Endpoints", &["v1"], Meaning::Irrelevant),
    ("networking.k8s.io", "NetworkPolicy", &["v1"], Meaning::NetworkPolicy),
    ("cilium.io", "CiliumNetworkPolicy", &["v2"], Meaning::CiliumPolicy),
    ("cilium.io", "CiliumClusterwideNetworkPolicy", &["v2"], Meaning::ClusterwideCiliumPolicy),
];

pub fn meaning_of(object: &Object) -> Meaning {
    meaning(&object.key.group, &object.key.kind, &object.version)
}

fn meaning(group: &str, kind: &str, version: &str) -> Meaning {
    if let Some((_, _, versions, meaning)) = KINDS.iter().find(|known| (known.0, known.1) == (group, kind)) {
        return if versions.contains(&version) { *meaning } else { Meaning::OtherVersion };
    }
    if TEMPLATES.contains(&(group, kind)) {
        return if version == "v1" { Meaning::Template } else { Meaning::OtherVersion };
    }
    if (group, kind) == ("extensions", "Ingress") {
        return Meaning::OtherVersion;
    }
    if irrelevant::is(group, kind) {
        Meaning::Irrelevant
    } else if guards(kind) {
        Meaning::OtherPolicy
    } else {
        Meaning::Foreign
    }
}

/// Whether objects of this kind say who may dial pods, whoever's they are.
fn guards(kind: &str) -> bool {
    kind.ends_with("NetworkPolicy") || kind.ends_with("NetworkPolicySet")
}

/// The version of a kind that is meant where only group and kind are known.
pub fn version_of(group: &str, kind: &str) -> &'static str {
    let known = KINDS.iter().find(|known| (known.0, known.1) == (group, kind));
    known.and_then(|known| known.2.first()).copied().unwrap_or("v1")
}

/// Whether objects of this kind could declare a path, for all that is known of them; policies are wanted, too.
pub fn matters(group: &str, kind: &str, version: &str) -> bool {
    group == crate::policy::GROUP || meaning(group, kind, version) != Meaning::Irrelevant
}

pub fn take(world: &mut World, meaning: Meaning, object: Object) {
    let key = object.key.clone();
    if let Err(problem) = read(world, meaning, object) {
        world.unread.push(*problem);
        // It may let in whomever others shut out.
        if guards(&key.kind) {
            let (source, value) = ("".into(), Guard::unknown(&key.namespace));
            world.guards.push(Item { key, source, meta: Meta::default(), value });
        }
    }
}

fn read(world: &mut World, meaning: Meaning, object: Object) -> Result<(), Box<Problem>> {
    macro_rules! index {
        ($field:ident, $pointer:literal) => {{
            let item = item(&object, $pointer)?;
            world.$field.insert(item.name(), item);
        }};
    }
    match meaning {
        Meaning::Namespace => {
            let item: Item<Value> = item(&object, "")?;
            world.namespaces.insert(item.key.name.clone(), item.meta.labels);
        }
        Meaning::Pod => {
            let pod: Item<Pod> = item(&object, "")?;
            if !pod.value.is_over() {
                let workload = Workload {
                    labels: pod.meta.labels.clone(),
                    ips: pod.value.ips().collect(),
                    spec: pod.value.spec.clone(),
                    is_pod: true,
                    is_assumed: false,
                };
                world.workloads.push(with(pod, workload));
            }
        }
        Meaning::Template => {
            let pointer =
                if object.key.kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
            let template: Item<Template> = item(&object, pointer)?;
            let Template { metadata, spec } = template.value.clone();
            world.workloads.push(with(template, Workload { labels: metadata.labels, spec, ..Workload::default() }));
        }
        Meaning::Service => index!(services, ""),
        Meaning::Slice => {
            let slice: Item<crate::inventory::EndpointSlice> = item(&object, "")?;
            if let Some(service) = slice.meta.labels.get("kubernetes.io/service-name") {
                let service =
                    crate::model::NamespacedName { namespace: slice.key.namespace.clone(), name: service.clone() };
                world.slices.entry(service).or_default().push(slice);
            }
        }
        Meaning::Class => {
            let class: Item<crate::inventory::GatewayClass> = item(&object, "")?;
            let controller = class.value.spec.controller_name.clone();
            world.classes.insert(class.key.name.clone(), with(class, controller));
        }
        Meaning::Gateway => index!(gateways, "/spec"),
        Meaning::ListenerSet => {
            let mut set: Item<ListenerSetSpec> = item(&object, "/spec")?;
            set.value.created = created(&object);
            world.listener_sets.insert(set.name(), set);
        }
        Meaning::Route(kind) => {
            let mut route: Item<RouteSpec> = item(&object, "/spec")?;
            route.value.created = created(&object);
            world.routes.push((kind, route));
        }
        Meaning::Grant => world.grants.push(item(&object, "")?),
        Meaning::Ingress => index!(ingresses, "/spec"),
        Meaning::EnvoyConfig | Meaning::ClusterwideEnvoyConfig => index!(envoy_configs, "/spec"),
        Meaning::LocalRedirect => index!(redirects, "/spec"),
        Meaning::NetworkPolicy => {
            let policy: Item<NetworkPolicySpec> = item(&object, "/spec")?;
            let guard = Guard::of_kubernetes(&object.key.namespace, policy.value.clone());
            world.guards.push(with(policy, guard));
        }
        Meaning::CiliumPolicy | Meaning::ClusterwideCiliumPolicy => {
            let policy: Item<CiliumPolicy> = item(&object, "")?;
            let guards = policy.value.clone().guards(&object.key.namespace);
            world.guards.extend(guards.map(|guard| with(policy.clone(), guard)));
        }
        Meaning::OtherPolicy => {
            // Policies of other controllers may rank above all that are understood.
            let policy: Item<Value> = item(&object, "")?;
            world.guards.push(with(policy, Guard::unknown("")));
        }
        Meaning::OtherVersion => {
            return Err(Box::new(finding(
                &object,
                "apiVersion",
                format!("{} of version {} is not understood", object.key.kind, object.version),
                "use a version that the cluster serves today; what this object leads to is not known",
            )));
        }
        Meaning::Irrelevant => {}
        Meaning::Foreign => world.foreign.push(object),
    }
    Ok(())
}

/// `metadata.creationTimestamp`; manifests have none.
fn created(object: &Object) -> Option<String> {
    object.json.pointer("/metadata/creationTimestamp").and_then(Value::as_str).map(str::to_owned)
}

fn with<T, U>(item: Item<T>, value: U) -> Item<U> {
    Item { key: item.key, source: item.source, meta: item.meta, value }
}

fn finding(object: &Object, field: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
    Problem { severity: Severity::Finding, ..object.problem(field, what, cure) }
}

/// The part of an object at `pointer` (RFC 6901), which need not be there.
fn item<T: DeserializeOwned>(object: &Object, pointer: &str) -> Result<Item<T>, Box<Problem>> {
    let wrong = |error: serde_path_to_error::Error<serde_json::Error>, prefix: &str| {
        let path = error.path().to_string();
        let field = [prefix, path.as_str()].into_iter().filter(|part| !part.is_empty() && *part != ".");
        Box::new(finding(
            object,
            &field.collect::<Vec<_>>().join("."),
            error.inner().to_string(),
            "an API server would refuse it; what this object leads to is not known",
        ))
    };
    let json = &object.json;
    let metadata = without_nulls(json.get("metadata").unwrap_or(&Value::Null));
    let meta: Meta = serde_path_to_error::deserialize(&metadata).map_err(|error| wrong(error, "metadata"))?;
    let part = without_nulls(json.pointer(pointer).unwrap_or(&Value::Object(serde_json::Map::new())));
    let value = serde_path_to_error::deserialize(part)
        .map_err(|error| wrong(error, &pointer.trim_start_matches('/').replace('/', ".")))?;
    Ok(Item { key: object.key.clone(), source: object.source.clone(), meta, value })
}
