//! CiliumEnvoyConfigs: what Envoy's own configuration does to requests.
//!
//! A strict reader: a field or filter that is not listed here as harmless counts as one that can do anything.
//! Both spellings of protobuf's JSON (`camelCase`, `snake_case`) are read.

mod harmless;
mod sends;
mod tunnels;

use serde_json::{Map, Value};

use harmless::{
    FILTER_CHAIN, HCM, HTTP_FILTER_NAMES, HTTP_FILTERS, HTTP_PROTOCOL_OPTIONS, LISTENER, LISTENER_FILTERS,
    MIRROR_POLICY, NETWORK_FILTERS, PER_ROUTE, ROUTE, ROUTE_ACTION, ROUTE_CONFIGURATION, VIRTUAL_HOST,
    WEIGHTED_CLUSTER, WEIGHTED_CLUSTERS,
};

use super::effects::Effects;
use super::routes::constant;
use crate::inventory::{EnvoyConfig, Item};
use crate::manifest::Problem;
use crate::model::Touch;

/// Puts field names into snake_case. Names with a dot are names of filters, not fields.
pub fn snake(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (snake_name(name), snake(value))).collect(),
        Value::Array(items) => items.iter().map(snake).collect(),
        other => other.clone(),
    }
}

fn snake_name(name: &str) -> String {
    if name.contains(['.', '@', '_', '-']) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// `@type` without its prefix.
pub fn type_of(value: &Value) -> &str {
    let name = value["@type"].as_str().unwrap_or_default();
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

pub fn read(config: &Item<EnvoyConfig>, at: usize, resource: &Value, effects: &mut Effects) {
    let resource = snake(resource);
    let mut walk = Walk { config, effects };
    let path = format!("spec.resources[{at}]");
    walk.sends(&resource, &path);
    match type_of(&resource) {
        "envoy.config.listener.v3.Listener" => walk.listener(&resource, &path),
        "envoy.config.route.v3.RouteConfiguration" => walk.route_configuration(&resource, &path),
        "envoy.config.route.v3.VirtualHost" => walk.virtual_host(&resource, &path),
        "envoy.config.cluster.v3.Cluster" => walk.cluster(&resource, &path),
        "envoy.config.endpoint.v3.ClusterLoadAssignment" | "envoy.extensions.transport_sockets.tls.v3.Secret" => {}
        other => walk.anything(&path, format!("what a resource of type {other:?} does is not known")),
    }
}

struct Walk<'a> {
    config: &'a Item<EnvoyConfig>,
    effects: &'a mut Effects,
}

/// Protobuf's JSON leaves defaults out, or writes them: both mean nothing.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    }
}

fn is_set(holder: &Value, field: &str) -> bool {
    !is_default(&holder[field])
}

impl Walk<'_> {
    fn place(&self, path: &str) -> Problem {
        self.config.finding(path, "", "")
    }

    fn anything(&mut self, path: &str, why: impl Into<String>) {
        let place = self.place(path);
        self.effects.anything(&place, why);
    }

    fn forwarded_for(&mut self, path: &str, why: &str) {
        let place = self.place(path);
        self.effects.forwarded_for(&place, why);
    }

    /// Fields that are neither handled nor harmless.
    fn only(&mut self, known: &[&str], value: &Value, path: &str) {
        let Some(fields) = value.as_object() else {
            return self.anything(path, "this is not an object");
        };
        for name in fields
            .iter()
            .filter(|(name, value)| !known.contains(&name.as_str()) && !is_default(value))
            .map(|(name, _)| name)
        {
            self.anything(&format!("{path}.{name}"), "what this field does is not known");
        }
    }

    fn each(&mut self, holder: &Value, field: &str, path: &str, mut visit: impl FnMut(&mut Self, &Value, &str)) {
        match &holder[field] {
            Value::Null => {}
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    visit(self, item, &format!("{path}.{field}[{at}]"));
                }
            }
            _ => self.anything(&format!("{path}.{field}"), "this is not a list"),
        }
    }

    fn listener(&mut self, listener: &Value, path: &str) {
        self.only(LISTENER, listener, path);
        self.each(listener, "listener_filters", path, |walk, filter, path| match type_of(&filter["typed_config"]) {
            known if LISTENER_FILTERS.contains(&known) => {}
            "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol" => {
                walk.forwarded_for(path, "the PROXY protocol lets senders choose the peer's address");
            }
            "" if filter["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("cilium.") || name.contains("tls_inspector")) => {}
            other => {
                let why = format!("what a listener filter of type {other:?} does is not known");
                walk.anything(path, why);
            }
        });
        self.each(listener, "filter_chains", path, Self::filter_chain);
        if is_set(listener, "default_filter_chain") {
            self.filter_chain(&listener["default_filter_chain"], &format!("{path}.default_filter_chain"));
        }
    }

    fn filter_chain(&mut self, chain: &Value, path: &str) {
        if is_set(chain, "use_proxy_proto") {
            self.forwarded_for(
                &format!("{path}.use_proxy_proto"),
                "the PROXY protocol lets senders choose the peer's address",
            );
        }
        let mut rest = chain.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.remove("use_proxy_proto");
        }
        self.only(FILTER_CHAIN, &rest, path);
        self.each(chain, "filters", path, |walk, filter, path| {
            let config = &filter["typed_config"];
            match type_of(config) {
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => {
                    walk.connection_manager(config, &format!("{path}.typed_config"));
                }
                "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" => {
                    walk.tcp_proxy(chain, config, &format!("{path}.typed_config"));
                }
                known if NETWORK_FILTERS.contains(&known) => {}
                "" if filter["name"] == "cilium.network" => {}
                other => walk.anything(path, format!("what a network filter of type {other:?} does is not known")),
            }
        });
    }

    fn connection_manager(&mut self, hcm: &Value, path: &str) {
        self.only(HCM, hcm, path);
        let at = |field: &str| format!("{path}.{field}");
        if hcm["use_remote_address"] != true {
            self.forwarded_for(&at("use_remote_address"), "without it, the peer's address is not appended");
        }
        for (field, why) in [
            ("skip_xff_append", "it stops the peer's address from being appended"),
            ("xff_num_trusted_hops", "it trusts addresses that senders wrote"),
            ("original_ip_detection_extensions", "they choose another address than the peer's"),
        ] {
            if is_set(hcm, field) {
                self.forwarded_for(&at(field), why);
            }
        }
        for field in
            ["normalize_path", "merge_slashes", "path_with_escaped_slashes_action", "path_normalization_options"]
        {
            if is_set(hcm, field) {
                self.effects.path(Touch::Unknown);
            }
        }
        for field in ["strip_matching_host_port", "strip_any_host_port", "strip_trailing_host_dot"] {
            if is_set(hcm, field) {
                self.effects.authority(Touch::Unknown);
            }
        }
        if is_set(hcm, "tracing") {
            let place = self.place(&at("tracing"));
            if is_set(&hcm["tracing"], "provider") {
                self.effects.makes_up(&place, "spans are sent to where the namespace says");
            }
            self.effects.header(&place, "traceparent", Touch::Unknown);
            self.effects.some_headers();
        }
        if is_set(&hcm["common_http_protocol_options"], "headers_with_underscores_action") {
            self.effects.some_headers();
        }
        for (field, header) in [("via", "via"), ("request_id_extension", "x-request-id")] {
            if is_set(hcm, field) {
                let place = self.place(&at(field));
                self.effects.header(&place, header, Touch::Unknown);
            }
        }
        self.each(hcm, "http_filters", path, Self::http_filter);
        self.upgrades(hcm, path);
        if is_set(hcm, "route_config") {
            self.route_configuration(&hcm["route_config"], &at("route_config"));
        }
    }

    fn http_filter(&mut self, filter: &Value, path: &str) {
        let config = &filter["typed_config"];
        let name = filter["name"].as_str().unwrap_or_default();
        match type_of(config) {
            known if HTTP_FILTERS.contains(&known) => {
                if is_set(config, "upstream_http_filters") {
                    self.each(config, "upstream_http_filters", &format!("{path}.typed_config"), Self::http_filter);
                }
            }
            "" if HTTP_FILTER_NAMES.contains(&name) => {}
            other => {
                let shown = if other.is_empty() { name } else { other };
                self.anything(path, format!("the filter {shown} can change any request"));
            }
        }
    }

    fn route_configuration(&mut self, routes: &Value, path: &str) {
        self.only(ROUTE_CONFIGURATION, routes, path);
        self.headers(routes, path);
        self.each(routes, "internal_only_headers", path, |walk, name, path| {
            let place = walk.place(path);
            walk.effects.header(&place, name.as_str().unwrap_or_default(), Touch::Remove);
        });
        self.each(routes, "request_mirror_policies", path, Self::mirror);
        self.per_filter(routes, path);
        self.each(routes, "virtual_hosts", path, Self::virtual_host);
    }

    fn virtual_host(&mut self, host: &Value, path: &str) {
        self.only(VIRTUAL_HOST, host, path);
        self.headers(host, path);
        self.each(host, "request_mirror_policies", path, Self::mirror);
        self.per_filter(host, path);
        self.each(host, "routes", path, Self::route);
    }

    fn route(&mut self, route: &Value, path: &str) {
        self.only(ROUTE, route, path);
        self.headers(route, path);
        self.per_filter(route, path);
        let action = &route["route"];
        if action.is_null() {
            return;
        }
        let path = format!("{path}.route");
        self.only(ROUTE_ACTION, action, &path);
        if let Some(prefix) = action["prefix_rewrite"].as_str().filter(|prefix| !prefix.is_empty()) {
            self.effects.path(Touch::Prefix(prefix.trim_end_matches('/').to_owned()));
        }
        if ["regex_rewrite", "path_rewrite_policy", "path_rewrite"].iter().any(|field| is_set(action, field)) {
            self.effects.path(Touch::Unknown);
        }
        self.upgrades(action, &path);
        self.literal_host(action);
        if ["auto_host_rewrite", "host_rewrite_header", "host_rewrite_path_regex", "host_rewrite"]
            .iter()
            .any(|field| is_set(action, field))
        {
            self.effects.authority(Touch::Unknown);
        }
        self.each(action, "request_mirror_policies", &path, Self::mirror);
        let weighted = &action["weighted_clusters"];
        if !weighted.is_null() {
            let path = format!("{path}.weighted_clusters");
            self.only(WEIGHTED_CLUSTERS, weighted, &path);
            self.each(weighted, "clusters", &path, |walk, cluster, path| {
                walk.only(WEIGHTED_CLUSTER, cluster, path);
                walk.headers(cluster, path);
                walk.per_filter(cluster, path);
                walk.literal_host(cluster);
            });
        }
    }

    fn literal_host(&mut self, holder: &Value) {
        if let Some(host) = holder["host_rewrite_literal"].as_str().filter(|host| !host.is_empty()) {
            self.effects.authority(Touch::Set(host.to_owned()));
        }
    }

    fn mirror(&mut self, policy: &Value, path: &str) {
        self.only(MIRROR_POLICY, policy, path);
        self.effects.mirrors();
    }

    fn headers(&mut self, holder: &Value, path: &str) {
        self.each(holder, "request_headers_to_add", path, |walk, option, path| {
            let header = &option["header"];
            let name = header["key"].as_str().unwrap_or_default();
            let touch = match &option["append_action"] {
                // The old spelling of the same choice; its default appends.
                Value::Null if option["append"] == false => Touch::Set,
                Value::String(action) if action.starts_with("OVERWRITE") => Touch::Set,
                Value::Number(action) if matches!(action.as_u64(), Some(2 | 3)) => Touch::Set,
                _ => Touch::Add as fn(String) -> Touch,
            };
            let touch = if is_set(header, "raw_value") {
                Touch::Unknown
            } else {
                constant(header["value"].as_str().or(Some("")), touch)
            };
            let place = walk.place(path);
            if name.is_empty() {
                walk.effects.anything(&place, "a header without a name is added");
            } else {
                walk.effects.header(&place, name, touch);
            }
        });
        self.each(holder, "request_headers_to_remove", path, |walk, name, path| {
            let place = walk.place(path);
            walk.effects.header(&place, name.as_str().unwrap_or_default(), Touch::Remove);
        });
    }

    fn per_filter(&mut self, holder: &Value, path: &str) {
        let filters = holder["typed_per_filter_config"].as_object();
        for (name, config) in filters.into_iter().flat_map(Map::iter) {
            if !PER_ROUTE.contains(&type_of(config)) {
                self.anything(&format!("{path}.typed_per_filter_config[{name}]"), "what this filter does is not known");
            }
        }
    }

    fn cluster(&mut self, cluster: &Value, path: &str) {
        self.only(sends::CLUSTER, cluster, path);
        self.transports(cluster, path);
        if is_set(cluster, "filters") {
            self.anything(&format!("{path}.filters"), "what network filters towards the backend do is not known");
        }
        let options = cluster["typed_extension_protocol_options"].as_object();
        for (name, config) in options.into_iter().flat_map(Map::iter) {
            let path = format!("{path}.typed_extension_protocol_options[{name}]");
            match type_of(config) {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" => {
                    self.only(HTTP_PROTOCOL_OPTIONS, config, &path);
                    self.each(config, "http_filters", &path, Self::http_filter);
                    self.each(config, "request_mirror_policies", &path, Self::mirror);
                }
                "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions" => {}
                other => self.anything(&path, format!("what protocol options of type {other:?} do is not known")),
            }
        }
    }
}
