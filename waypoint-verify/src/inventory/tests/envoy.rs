//! What an Envoy configuration leaves of the guards that linking relies on.

use super::*;

#[test]
fn guards_of_an_untouched_envoy_are_whole() {
    let watch = good();
    let guards = gateway_guards(&watch);
    assert_eq!(guards.forwarded_for, ForwardedFor::Appends(Appends::Envoy));
    assert!(guards.end_to_end_headers && guards.body && guards.trace && !guards.headers.any && !guards.mirrors);
    assert_eq!((guards.method, guards.path, guards.authority), (Some([].into()), Some([].into()), Some([].into())));
    assert!(guards.own_addresses.contains(&"10.244.1.99".parse().unwrap()));
    let waypoint = watch.proxies.values().find(|proxy| proxy.kind == ProxyKind::Waypoint).unwrap();
    assert_eq!(waypoint.guards.forwarded_for, ForwardedFor::Replaces);
    assert!(
        waypoint.guards.correlation.contains("x-order-id")
            && !waypoint.guards.trace
            && !waypoint.guards.end_to_end_headers
    );
}

#[test]
fn what_is_not_understood_breaks_every_guard() {
    let unknown = [
        route("{type: ExtensionRef, extensionRef: {kind: X}}"),
        route("{type: ExternalAuth}"),
        route("{type: FromTheFuture}"),
        route("").replace("filters: []", "filters: {}"),
        route("").replace("filters: []", "rewriteEverything: true"),
        envoy_config("{'@type': type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration}"),
        envoy_config("{'@type': type.googleapis.com/envoy.config.route.v3.RouteConfiguration, vhds: {x: 1}}"),
        envoy_config("{'@type': type.googleapis.com/envoy.config.route.v3.RouteConfiguration, virtualHosts: [{routes: [{route: {internalRedirectPolicy: {}}}]}]}"),
        envoy_config("{'@type': type.googleapis.com/envoy.config.route.v3.RouteConfiguration, virtualHosts: [{typedPerFilterConfig: {envoy.filters.http.lua: {'@type': t/envoy.extensions.filters.http.lua.v3.LuaPerRoute}}}]}"),
        envoy_config("{'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster, typedExtensionProtocolOptions: {a.b: {'@type': t/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, httpFilters: [{name: envoy.filters.http.lua}]}}}"),
        envoy_config(&listener("httpFilters: [{name: envoy.filters.http.lua, typedConfig: {'@type': t/envoy.extensions.filters.http.lua.v3.Lua}}]")),
        envoy_config(&listener("earlyHeaderMutationExtensions: [{name: x}]")),
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {namespace: hello, name: l7}\nspec: {ingress: [{toPorts: [{rules: {http: [{headerMatches: [{name: a, mismatch: ADD}]}]}}]}]}\n".into(),
    ];
    for document in unknown {
        let watch = with(&document);
        let guards = gateway_guards(&watch);
        assert!(guards.headers.any && !guards.body && !guards.trace && !guards.end_to_end_headers, "{document}");
        assert_eq!(guards.forwarded_for, ForwardedFor::Unknown);
        assert!(guards.path.unwrap().contains(&Touch::Unknown));
        assert!(watch.findings.iter().any(|finding| finding.contains("destroys evidence")), "{document}");
    }
}

fn listener(settings: &str) -> String {
    format!(
        "{{'@type': type.googleapis.com/envoy.config.listener.v3.Listener, filter_chains: [{{filters: [{{typed_config: \
         {{'@type': t/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, {settings}}}}}]}}]}}"
    )
}

#[test]
fn settings_of_envoy_that_break_forwarded_for() {
    let rows = [
        (listener("use_remote_address: true"), ForwardedFor::Appends(Appends::Envoy)),
        (listener("useRemoteAddress: true"), ForwardedFor::Appends(Appends::Envoy)),
        (listener("use_remote_address: false"), ForwardedFor::Unknown),
        (listener("stat_prefix: x"), ForwardedFor::Unknown),
        (listener("use_remote_address: true, skip_xff_append: true"), ForwardedFor::Unknown),
        (listener("useRemoteAddress: true, skipXffAppend: false"), ForwardedFor::Appends(Appends::Envoy)),
        (listener("useRemoteAddress: true, xffNumTrustedHops: 2"), ForwardedFor::Unknown),
        (listener("useRemoteAddress: true, originalIpDetectionExtensions: [{name: x}]"), ForwardedFor::Unknown),
        (listener("useRemoteAddress: true").replacen("filter_chains", "listener_filters: [{typed_config: {'@type': t/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}], filter_chains", 1), ForwardedFor::Unknown),
    ];
    for (resource, expected) in rows {
        let watch = with(&envoy_config(&resource));
        let guards = gateway_guards(&watch);
        assert_eq!(guards.forwarded_for, expected, "{resource}: {:?}", watch.findings);
        assert!(!guards.headers.any, "{resource}: {:?}", watch.findings);
    }
}

/// Rows: the filter chain of a TCP proxy; what may still be relied on.
#[test]
fn a_tcp_proxy_that_may_carry_plaintext_breaks_forwarded_for() {
    const TYPE: &str = "'@type': t/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    let rows = [
        ("filterChainMatch: {serverNames: [a.example]}", "cluster: c", ForwardedFor::Appends(Appends::Envoy), false),
        ("filter_chain_match: {transport_protocol: tls}", "cluster: c", ForwardedFor::Appends(Appends::Envoy), false),
        ("name: any", "cluster: c", ForwardedFor::Unknown, false),
        ("filterChainMatch: {transportProtocol: raw_buffer}", "cluster: c", ForwardedFor::Unknown, false),
        (
            "filterChainMatch: {serverNames: [a]}, transportSocket: {name: tls}",
            "cluster: c",
            ForwardedFor::Unknown,
            false,
        ),
        ("filterChainMatch: {serverNames: [a]}", "tunnelingConfig: {hostname: h}", ForwardedFor::Unknown, true),
    ];
    for (chain, proxy, expected, any) in rows {
        let resource = format!(
            "{{'@type': type.googleapis.com/envoy.config.listener.v3.Listener, filter_chains: [{{{chain}, filters: [{{typed_config: {{{TYPE}, {proxy}}}}}]}}]}}"
        );
        let watch = with(&envoy_config(&resource));
        let guards = gateway_guards(&watch);
        assert_eq!((guards.forwarded_for, guards.headers.any), (expected, any), "{resource}: {:?}", watch.findings);
        assert_eq!(guards.makes_up, expected == ForwardedFor::Unknown || any, "{resource}");
    }
}

/// Rows: a resource, and whether what departs may be of Envoy's own making because of it.
#[test]
fn what_envoy_sends_by_itself_may_look_like_any_request() {
    let cluster = |fields: &str| format!("{{'@type': t/envoy.config.cluster.v3.Cluster, name: c, {fields}}}");
    let hcm = |fields: &str| listener(&format!("useRemoteAddress: true, {fields}"));
    let log = |kind: &str| {
        format!("accessLog: [{{name: x, typedConfig: {{'@type': t/envoy.extensions.access_loggers.{kind}}}}}]")
    };
    let transport = |kind: &str| cluster(&format!("transportSocket: {{name: x, typedConfig: {{'@type': t/{kind}}}}}"));
    let rows = [
        (cluster("connectTimeout: 5s, type: EDS, edsClusterConfig: {serviceName: s}, outlierDetection: {}"), false),
        (cluster("edsClusterConfig: {edsConfig: {apiConfigSource: {apiType: REST, clusterNames: [c]}}}"), true),
        (cluster("healthChecks: []"), false),
        (cluster("healthChecks: [{httpHealthCheck: {path: /}}]"), true),
        (cluster("health_checks: [{http_health_check: {path: /}}]"), true),
        (cluster("upstreamConfig: {name: envoy.upstreams.http.tcp}"), true),
        (cluster("fromTheFuture: 1"), true),
        (transport("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"), false),
        (transport("envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport"), true),
        (cluster("transportSocketMatches: [{transportSocket: {name: envoy.transport_sockets.starttls}}]"), true),
        (hcm(&log("file.v3.FileAccessLog")), false),
        (hcm(&log("open_telemetry.v3.OpenTelemetryAccessLogConfig")), true),
        (
            hcm(
                "httpFilters: [{name: envoy.filters.http.router, typedConfig: {'@type': t/envoy.extensions.filters.http.router.v3.Router, upstreamLog: [{name: x}]}}]",
            ),
            true,
        ),
        (hcm("tracing: {}"), false),
        (hcm("tracing: {provider: {name: envoy.tracers.zipkin}}"), true),
        (hcm("rds: {routeConfigName: r, configSource: {ads: {}}}"), false),
        (hcm("rds: {routeConfigName: r, configSource: {apiConfigSource: {apiType: REST}}}"), true),
        (hcm("httpFilters: [{name: envoy.filters.http.lua}]"), true),
    ];
    for (resource, made_up) in rows {
        let watch = with(&envoy_config(&resource));
        assert_eq!(gateway_guards(&watch).makes_up, made_up, "{resource}: {:?}", watch.findings);
        assert!(!made_up || watch.findings.iter().any(|finding| finding.contains("destroys evidence")), "{resource}");
    }
}

#[test]
fn a_connect_that_envoy_may_end_breaks_everything() {
    for (upgrades, any) in [
        ("[{upgradeType: websocket}]", false),
        ("[{upgradeType: CONNECT, enabled: false}]", false),
        ("[{upgradeType: CONNECT}]", true),
        ("[{upgradeType: websocket}, {upgrade_type: CONNECT, connect_config: {}}]", true),
        ("[{}]", true),
    ] {
        let watch = with(&envoy_config(&listener(&format!("useRemoteAddress: true, upgradeConfigs: {upgrades}"))));
        assert_eq!(gateway_guards(&watch).headers.any, any, "{upgrades}: {:?}", watch.findings);
        let routes = format!(
            "{{'@type': t/envoy.config.route.v3.RouteConfiguration, virtual_hosts: [{{routes: [{{route: {{upgrade_configs: {upgrades}}}}}]}}]}}"
        );
        assert_eq!(gateway_guards(&with(&envoy_config(&routes))).headers.any, any, "{routes}");
    }
}

#[test]
fn header_rules_of_envoy_at_every_level_become_touches() {
    let add = |name: &str| {
        format!(
            "requestHeadersToAdd: [{{header: {{key: X-{name}, value: v}}, appendAction: OVERWRITE_IF_EXISTS_OR_ADD}}]"
        )
    };
    let watch = with(&envoy_config(&format!(
        "{{'@type': type.googleapis.com/envoy.config.route.v3.RouteConfiguration, {}, internal_only_headers: [x-i], virtual_hosts: [{{{}, routes: \
         [{{{}, route: {{regex_rewrite: {{}}, weighted_clusters: {{clusters: [{{name: c, {}, host_rewrite_literal: lit}}]}}, request_mirror_policies: [{{cluster: c}}]}}}}]}}]}}",
        add("table"),
        add("host"),
        add("route"),
        add("cluster").replace(", appendAction: OVERWRITE_IF_EXISTS_OR_ADD", "")
    )));
    for (name, touch) in [
        ("x-table", Touch::Set("v".into())),
        ("x-host", Touch::Set("v".into())),
        ("x-route", Touch::Set("v".into())),
        ("x-cluster", Touch::Add("v".into())),
        ("x-i", Touch::Remove),
    ] {
        assert_eq!(touches(&watch, name), [touch], "{name} {:?}", watch.findings);
    }
    let guards = gateway_guards(&watch);
    assert_eq!(guards.path, Some([Touch::Unknown].into()));
    assert_eq!(guards.authority, Some([Touch::Set("lit".into())].into()));
    assert!(guards.mirrors && !guards.headers.any, "{:?}", watch.findings);
}

/// Cilium's own translations, where its module is in Go's cache: all of it must be understood, or named on purpose.
#[test]
fn configurations_that_cilium_generates_are_understood() {
    let home = std::env::var("GOMODCACHE")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/go/pkg/mod")))
        .unwrap_or_default();
    let root = format!("{home}/github.com/cilium/cilium@v1.20.2/operator/pkg/model/translation/gateway-api/testdata");
    let Ok(groups) = std::fs::read_dir(&root) else {
        eprintln!("skipped: {root} is not there (go mod download github.com/cilium/cilium@v1.20.2)");
        return;
    };
    let mut directories: Vec<_> = groups.flatten().map(|entry| entry.path()).collect();
    directories.extend(
        std::fs::read_dir(format!("{root}/conformance")).into_iter().flatten().flatten().map(|entry| entry.path()),
    );
    let mut read = 0;
    for directory in directories {
        let Ok(text) = std::fs::read_to_string(directory.join("cec-output.yaml")) else { continue };
        if !text.contains("resources:") {
            continue;
        }
        let text = format!("apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\n{text}");
        let (inventory, problems) = inventory(&text);
        assert_eq!(problems, [], "{directory:?}");
        let mut findings = Vec::new();
        let guards = compile::effects_for_tests(&inventory, &mut findings);
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(guards.headers.any, name.contains("external_auth"), "{name}: {findings:#?}");
        let breaks = name.contains("external_auth")
            || text.contains("xffNumTrustedHops")
            || text.contains("useRemoteAddress: false");
        assert_eq!(guards.forwarded_for == ForwardedFor::Unknown, breaks, "{name}: {findings:#?}");
        assert_eq!(guards.mirrors, name.contains("mirror"), "{name}");
        read += 1;
    }
    assert!(read > 40, "{read}");
}
