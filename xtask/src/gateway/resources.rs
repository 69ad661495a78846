//! Envoy clusters and listeners with the settings that Cilium gives them (facts A1, H.2).

use serde_json::{Value, json};

use super::Backend;

/// IPv4's private ranges and the loopbacks; IPv6's unique local addresses are not internal to Cilium.
const INTERNAL: [(&str, u8); 5] =
    [("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("127.0.0.1", 32), ("::1", 128)];

/// A cluster of a Service's port, its endpoints left to discovery.
pub fn cluster(backend: &Backend) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": backend.to_string(),
        "type": "EDS",
        "edsClusterConfig": {"serviceName": format!("{}/{}:{}", backend.namespace, backend.service, backend.port)},
        "connectTimeout": "5s",
        "lbPolicy": "ROUND_ROBIN",
        "outlierDetection": {"splitExternalLocalOriginErrors": true},
        "typedExtensionProtocolOptions": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "commonHttpProtocolOptions": {"idleTimeout": "60s"},
                "useDownstreamProtocolConfig": {"http2ProtocolOptions": {}},
            },
        },
    })
}

/// A plaintext listener without an address: Cilium's agent allocates one.
pub fn listener(name: &str, route_name: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "filterChains": [{
            "filterChainMatch": {"transportProtocol": "raw_buffer"},
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typedConfig": connection_manager(route_name),
            }],
        }],
        "listenerFilters": [{
            "name": "envoy.filters.listener.tls_inspector",
            "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
        }],
        "socketOptions": [
            {"description": "Enable TCP keep-alive (default to enabled)", "level": 1, "name": 9, "intValue": 1},
            {"description": "TCP keep-alive idle time (in seconds) (defaults to 10s)", "level": 6, "name": 4, "intValue": 10},
            {"description": "TCP keep-alive probe intervals (in seconds) (defaults to 5s)", "level": 6, "name": 5, "intValue": 5},
            {"description": "TCP keep-alive probe max failures.", "level": 6, "name": 6, "intValue": 10},
        ],
    })
}

fn connection_manager(route_name: &str) -> Value {
    let internal: Vec<_> =
        INTERNAL.iter().map(|(prefix, len)| json!({"addressPrefix": prefix, "prefixLen": len})).collect();
    let filter = |name: &str, kind: &str| json!({"name": name, "typedConfig": {"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")}});
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "statPrefix": "listener-insecure",
        "rds": {"routeConfigName": route_name},
        "httpFilters": [
            filter("envoy.filters.http.grpc_web", "grpc_web.v3.GrpcWeb"),
            filter("envoy.filters.http.grpc_stats", "grpc_stats.v3.FilterConfig"),
            filter("envoy.filters.http.router", "router.v3.Router"),
        ],
        "commonHttpProtocolOptions": {"maxStreamDuration": "0s"},
        "useRemoteAddress": true,
        "skipXffAppend": false,
        "internalAddressConfig": {"unixSockets": false, "cidrRanges": internal},
        "upgradeConfigs": [{"upgradeType": "websocket"}],
        "streamIdleTimeout": "300s",
    })
}
