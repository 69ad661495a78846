//! What policies and inventory are compiled into: all that an agent and the judge need to know of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use siphasher::sip::SipHasher13;

use super::ContainerRef;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamespacedName {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// `namespace/name`, where a name is one text for whoever reads it.
pub fn as_text<S: Serializer>(name: &NamespacedName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

/// A number that stands for this content, the same wherever it is made; never 0, which means "none yet".
pub fn revision_of(content: &impl fmt::Debug) -> u64 {
    let mut hasher = SipHasher13::new();
    format!("{content:?}").hash(&mut hasher);
    hasher.finish().max(1)
}

/// A Gateway (Gateway API), by name.
pub type GatewayRef = NamespacedName;

/// The whole of it. Replaced as a value; `revision` tells two apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchList {
    pub revision: u64,
    /// Every container of the inventory by runtime id (no scheme).
    pub containers: BTreeMap<String, Arc<ContainerRef>>,
    /// Pods by UID -> (namespace, name, node); also those whose containers have no id yet.
    pub pods: BTreeMap<String, (NamespacedName, String)>,
    /// Containers that are proxies, by runtime id.
    pub proxies: BTreeMap<String, Arc<ProxySpec>>,
    /// UIDs of pods that some policy protects.
    pub protected: BTreeSet<String>,
    /// Which Gateway and listener a request uses that enters at this local address.
    pub listeners: BTreeMap<SocketAddr, Listener>,
    /// Addresses from which node processes and pods of nodes in the inventory may appear (to tell inside from outside).
    pub cluster_addresses: Vec<(IpAddr, u8)>,
    pub policies: Vec<Arc<CompiledPolicy>>,
    /// Things a reader of the inventory must be told (routes that destroy evidence, gateways without addresses ...).
    pub findings: Vec<String>,
}

/// One listener address of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    pub gateway: GatewayRef,
    /// Service port, which is the listener's port.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The inventory names listeners that are no Gateway's `Kind/name`; no Gateway has such a name.
        let kind = if self.gateway.name.contains('/') { "" } else { "Gateway " };
        write!(f, "{kind}{} port {}", self.gateway, self.port)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProxyKind {
    /// Serves Gateways (Cilium's Envoy: all Gateways of its node).
    Gateway,
    /// The waypoint of some policy.
    Waypoint,
}

/// A container that forwards requests, and which constraints hold inside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxySpec {
    pub kind: ProxyKind,
    pub guards: Guards,
}

/// How a proxy treats `x-forwarded-for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub enum ForwardedFor {
    /// Appends the peer's address to the list it received (Envoy with `use_remote_address`).
    Appends(Appends),
    /// Replaces it by the peer's address (Caddy's default).
    Replaces,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Appends {
    /// Envoy: facts of `HttpConnectionManager.use_remote_address`, `skip_xff_append: false`.
    Envoy,
    /// Declared by a policy for a waypoint.
    Declared,
}

/// What a route, filter or unreadable configuration can do to one header, or to the method, path or authority.
/// A departure whose value could be the product of a touch is not held to the constraint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Touch {
    /// Replaces the value by this constant.
    Set(String),
    /// Appends this constant as a further value (joined by `,` or as an own line).
    Add(String),
    /// Path only: replaces a matched prefix; the product starts with this.
    Prefix(String),
    Remove,
    /// Anything may come out of it.
    Unknown,
}

/// Touches of one header by any route of any Gateway on this proxy. Empty: guarded for every departure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct HeaderGuard {
    /// Header names are lower case.
    pub touches: BTreeMap<String, BTreeSet<Touch>>,
    /// Some route or filter can touch any header (unreadable filter, Lua, ext_proc ...).
    pub any: bool,
}

/// Which constraints of design.md "Linking" may be used inside one proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Guards {
    pub forwarded_for: ForwardedFor,
    pub headers: HeaderGuard,
    /// `None`: method may be rewritten freely (waypoint without `preserves`). `Some(touches)`: kept, but for these.
    pub method: Option<BTreeSet<Touch>>,
    /// Path and query; rewrites by routes are the touches.
    pub path: Option<BTreeSet<Touch>>,
    pub authority: Option<BTreeSet<Touch>>,
    /// End-to-end headers are passed on (gateways; a waypoint never promises this).
    pub end_to_end_headers: bool,
    /// Body lengths are kept (gateways and waypoints without declared exceptions). Not to be used for a departure
    /// whose content-type is `application/grpc*`: the gRPC-Web filter of Cilium's Gateways decodes such bodies.
    pub body: bool,
    /// W3C `traceparent` is passed on.
    pub trace: bool,
    /// Headers that the policy declares to be passed on unchanged (lower case).
    pub correlation: BTreeSet<String>,
    /// Some route on this proxy mirrors requests.
    pub mirrors: bool,
    /// Its configuration lets it send what nobody asked of it (health checks, telemetry, what an unknown filter calls), or what
    /// could not be read as a request where it entered (TCP proxies). Such a departure may look like any other.
    pub makes_up: bool,
    /// The proxy's own source addresses (a mirror appends one of them once more; a loopback peer shows as one).
    pub own_addresses: BTreeSet<IpAddr>,
}

/// One WaypointPolicy, resolved against the inventory. Policies never conflict: each is judged alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompiledPolicy {
    pub name: NamespacedName,
    /// UIDs of the protected pods.
    pub targets: BTreeSet<String>,
    /// Runtime ids of the waypoint's containers.
    pub waypoint: BTreeSet<String>,
    /// Gateways between waypoint and target, in order. Empty: the waypoint dials the target itself.
    pub via: Vec<GatewayRef>,
    /// Where requests may enter. `None`: anywhere.
    pub entry: Option<BTreeSet<GatewayRef>>,
    pub exempt: Vec<Exemption>,
    pub window: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    pub from: ExemptFrom,
    /// Container ports of the target; empty: all.
    pub ports: BTreeSet<u16>,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExemptFrom {
    /// The kubelet's own process on the target's node.
    Kubelet,
    /// Pods by UID.
    Pods(BTreeSet<String>),
}
