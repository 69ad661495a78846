//! Ways in which Envoy sends by itself: what nobody asked of it may depart looking like anybody's request.

use serde_json::Value;

use super::{Walk, is_default, is_set, type_of};

/// Fields, wherever they stand, and what Envoy sends because of them.
const SENDING: &[(&str, &str)] = &[
    ("health_checks", "Envoy checks the health of a backend with requests that the namespace words"),
    ("upstream_config", "bodies of requests depart as if they were requests"),
    ("api_config_source", "Envoy asks for its configuration where the namespace says"),
    ("grpc_service", "Envoy calls what the namespace says"),
    ("envoy_grpc", "Envoy calls what the namespace says"),
    ("google_grpc", "Envoy calls what the namespace says"),
    ("http_service", "Envoy calls what the namespace says"),
    ("http_uri", "Envoy calls what the namespace says"),
    ("collector_cluster", "Envoy reports where the namespace says"),
];
/// Access logs that stay on the node.
const LOGS: &[&str] = &[
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
];
/// Transports that send the request as it is, or so that nobody takes it for one.
const TRANSPORTS: &[&str] = &[
    "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    "envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport",
    "cilium.UpstreamTlsWrapperContext",
];
pub(super) const CLUSTER: &[&str] = &[
    "@type",
    "name",
    "alt_stat_name",
    "type",
    "cluster_type",
    "eds_cluster_config",
    "connect_timeout",
    "per_connection_buffer_limit_bytes",
    "lb_policy",
    "load_balancing_policy",
    "load_assignment",
    "max_requests_per_connection",
    "circuit_breakers",
    "outlier_detection",
    "upstream_http_protocol_options",
    "common_http_protocol_options",
    "http_protocol_options",
    "http2_protocol_options",
    "typed_extension_protocol_options",
    "dns_refresh_rate",
    "dns_jitter",
    "dns_failure_refresh_rate",
    "respect_dns_ttl",
    "dns_lookup_family",
    "dns_resolvers",
    "dns_resolution_config",
    "typed_dns_resolver_config",
    "use_tcp_for_dns_lookups",
    "wait_for_warm_on_init",
    "cleanup_interval",
    "upstream_bind_config",
    "upstream_connection_options",
    "lb_subset_config",
    "ring_hash_lb_config",
    "maglev_lb_config",
    "original_dst_lb_config",
    "least_request_lb_config",
    "round_robin_lb_config",
    "common_lb_config",
    "transport_socket",
    "transport_socket_matches",
    "metadata",
    "protocol_selection",
    "close_connections_on_host_health_failure",
    "ignore_health_on_host_removal",
    "track_timeout_budgets",
    "track_cluster_stats",
    "preconnect_policy",
    "connection_pool_per_downstream_connection",
    // Handled.
    "filters",
    "health_checks",
    "upstream_config",
];

impl Walk<'_> {
    /// Looks everywhere, whatever it is part of.
    pub(super) fn sends(&mut self, value: &Value, path: &str) {
        match value {
            Value::Object(fields) => {
                for (name, inner) in fields {
                    let path = format!("{path}.{name}");
                    if let Some((_, why)) =
                        SENDING.iter().find(|(field, _)| field == name).filter(|_| !is_default(inner))
                    {
                        self.makes_up(&path, why);
                    }
                    if matches!(name.as_str(), "access_log" | "upstream_log") {
                        self.logs(inner, &path);
                    }
                    self.sends(inner, &path);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.sends(item, &format!("{path}[{at}]"));
                }
            }
            _ => {}
        }
    }

    fn logs(&mut self, logs: &Value, path: &str) {
        let all = logs.as_array().map_or(std::slice::from_ref(logs), Vec::as_slice);
        if all.iter().any(|log| !is_default(log) && !LOGS.contains(&type_of(&log["typed_config"]))) {
            self.makes_up(path, "an access log is sent to where the namespace says");
        }
    }

    /// How a cluster wraps what it sends.
    pub(super) fn transports(&mut self, cluster: &Value, path: &str) {
        self.transport(cluster, path);
        self.each(cluster, "transport_socket_matches", path, Self::transport);
    }

    fn transport(&mut self, holder: &Value, path: &str) {
        let socket = &holder["transport_socket"];
        let known = TRANSPORTS.contains(&type_of(&socket["typed_config"]));
        if is_set(holder, "transport_socket") && !known && !is_bare(socket) {
            self.anything(&format!("{path}.transport_socket"), "what this transport sends is not known");
        }
    }

    fn makes_up(&mut self, path: &str, why: &str) {
        let place = self.place(path);
        self.effects.makes_up(&place, why);
    }
}

/// Named alone: TLS with its defaults, or none.
fn is_bare(socket: &Value) -> bool {
    socket["typed_config"].is_null()
        && matches!(
            socket["name"].as_str(),
            Some("envoy.transport_sockets.tls" | "envoy.transport_sockets.raw_buffer" | "cilium.tls_wrapper")
        )
}
