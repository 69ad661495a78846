//! Ways through Envoy on which a sender's own octets depart as they came: what looks like a request there was made by nobody
//! but him, `x-forwarded-for` and all.

use serde_json::Value;

use super::{Walk, is_set};

const TCP_PROXY: &[&str] = &[
    "@type",
    "stat_prefix",
    "cluster",
    "weighted_clusters",
    "metadata_match",
    "idle_timeout",
    "downstream_idle_timeout",
    "upstream_idle_timeout",
    "access_log",
    "access_log_options",
    "max_connect_attempts",
    "backoff_options",
    "hash_policy",
    "max_downstream_connection_duration",
];

impl Walk<'_> {
    /// TLS that is passed through departs as TLS, which nobody takes for a request. Anything else may.
    pub(super) fn tcp_proxy(&mut self, chain: &Value, config: &Value, path: &str) {
        self.only(TCP_PROXY, config, path);
        let matched = &chain["filter_chain_match"];
        let is_tls = is_set(matched, "server_names") || matched["transport_protocol"] == "tls";
        if !is_tls || is_set(chain, "transport_socket") {
            // As it comes: what departs may have begun before the request in it is complete, which no request does.
            let place = self.place(path);
            self.effects.octets(&place, "a TCP proxy passes on whatever its client writes");
        }
    }

    /// A WebSocket stays on the connection of its handshake. A CONNECT that Envoy ends becomes a connection of its own.
    pub(super) fn upgrades(&mut self, holder: &Value, path: &str) {
        self.each(holder, "upgrade_configs", path, |walk, upgrade, path| {
            let kind = upgrade["upgrade_type"].as_str().unwrap_or_default();
            if upgrade["enabled"] != false && !kind.eq_ignore_ascii_case("websocket")
                || is_set(upgrade, "connect_config")
            {
                walk.anything(path, format!("the octets of a tunnel ({kind}) depart as if they were requests"));
            }
            walk.each(upgrade, "filters", path, Self::http_filter);
        });
    }
}
