//! What is watched of a cluster.

/// A kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    /// Without it the cluster is read all the same: where its definition is missing there is none of it.
    pub optional: bool,
    /// Nothing else of it is read.
    pub only_metadata: bool,
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { group, version, kind, plural, optional: false, only_metadata: false }
}

const fn optional(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { optional: true, ..self::kind(group, version, kind, plural) }
}

const fn only_metadata(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { only_metadata: true, ..self::kind(group, version, kind, plural) }
}

pub const KINDS: [Kind; 16] = [
    kind("waypoint-verify.dev", "v1alpha1", "WaypointPolicy", "waypointpolicies"),
    kind("", "v1", "Node", "nodes"),
    only_metadata("", "v1", "Namespace", "namespaces"),
    kind("", "v1", "Pod", "pods"),
    kind("", "v1", "Service", "services"),
    kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    optional("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses"),
    optional("gateway.networking.k8s.io", "v1", "Gateway", "gateways"),
    optional("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
    optional("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes"),
    optional("gateway.networking.k8s.io", "v1beta1", "ReferenceGrant", "referencegrants"),
    optional("cilium.io", "v2", "CiliumNode", "ciliumnodes"),
    optional("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
    optional("cilium.io", "v2", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies"),
    optional("cilium.io", "v2", "CiliumEnvoyConfig", "ciliumenvoyconfigs"),
    optional("cilium.io", "v2", "CiliumClusterwideEnvoyConfig", "ciliumclusterwideenvoyconfigs"),
];
