use proptest::prelude::*;

use super::*;
use crate::manifest::read_str;
use crate::model::{Appends, ExemptFrom, ForwardedFor, ProxyKind, Touch, WatchList};
use crate::policy::{Loaded, take_policies};

const CLUSTER: &str = include_str!("../../tests/testdata/cluster/cluster.yaml");
const POLICY: &str = include_str!("../../tests/testdata/policy.yaml");

fn policies(text: &str) -> Vec<Loaded> {
    let (objects, mut problems) = read_str("policy.yaml", text);
    let (policies, _) = take_policies(objects, &mut problems);
    assert_eq!(problems, []);
    policies
}

fn inventory(text: &str) -> (Inventory, Vec<Problem>) {
    let (objects, mut problems) = read_str("cluster.yaml", text);
    let (inventory, more) = Inventory::from_objects(objects);
    problems.extend(more);
    (inventory, problems)
}

fn build(cluster: &str, policy: &str) -> Result<WatchList, Vec<String>> {
    let (inventory, problems) = inventory(cluster);
    let problems: Vec<_> = problems.into_iter().filter(Problem::is_error).map(|one| one.to_string()).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    compile(&policies(policy), &inventory).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn good() -> WatchList {
    build(CLUSTER, POLICY).unwrap()
}

/// The cluster with one more document.
fn with(document: &str) -> WatchList {
    build(&format!("{CLUSTER}---\n{document}"), POLICY).unwrap()
}

fn gateway_guards(watch: &WatchList) -> crate::model::Guards {
    watch.proxies.values().find(|proxy| proxy.kind == ProxyKind::Gateway).unwrap().guards.clone()
}

fn touches(watch: &WatchList, header: &str) -> Vec<Touch> {
    gateway_guards(watch).headers.touches.get(header).into_iter().flatten().cloned().collect()
}

fn route(filters: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{namespace: hello, name: more}}\n\
         spec: {{parentRefs: [{{name: hello-gateway}}], rules: [{{backendRefs: [{{name: hello-backend, port: 8083}}], filters: [{filters}]}}]}}\n"
    )
}

fn envoy_config(resource: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {{namespace: other, name: own}}\nspec:\n  resources:\n  - {resource}\n"
    )
}

#[test]
fn the_sample_cluster_compiles_whole() {
    let watch = good();
    assert_eq!(watch.findings, [""; 0]);
    assert_ne!(watch.revision, 0);
    assert_eq!(watch.pods.len(), 11);
    assert_eq!(watch.protected.len(), 2);
    let policy = &watch.policies[0];
    let names: Vec<_> = policy.waypoint.iter().map(|id| watch.containers[id].to_string()).collect();
    assert_eq!(
        names,
        [
            "pod hello/hello-waypoint-1 container caddy on node-1",
            "pod hello/hello-waypoint-2 container caddy on node-2"
        ]
    );
    assert_eq!(policy.via.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hello/hello-upstream"]);
    assert_eq!(policy.window.as_secs(), 600);
    assert_eq!(policy.exempt[0].from, ExemptFrom::Kubelet);
    assert!(matches!(&policy.exempt[1].from, ExemptFrom::Pods(pods) if pods.len() == 1));
    assert_eq!(watch.proxies.len(), 4);
    assert_eq!(watch.proxies.values().filter(|proxy| proxy.kind == ProxyKind::Gateway).count(), 2);
}

#[test]
fn every_address_of_a_gateway_is_mapped() {
    let watch = good();
    for (address, gateway) in [
        ("10.96.0.80:80", "hello/hello-gateway"),
        ("172.18.255.80:80", "hello/hello-gateway"),
        ("172.18.0.2:31080", "hello/hello-gateway"),
        ("[fc00:f853::3]:31080", "hello/hello-gateway"),
        ("10.244.1.50:31082", "hello/hello-upstream"),
        ("10.96.0.82:8082", "hello/hello-upstream"),
    ] {
        assert_eq!(watch.listeners[&address.parse().unwrap()].gateway.to_string(), gateway, "{address}");
    }
    assert!(!watch.listeners.contains_key(&"127.0.0.1:31080".parse().unwrap()));
    assert!(!watch.listeners.contains_key(&"10.96.0.83:8083".parse().unwrap()));
}

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
fn the_revision_follows_the_content() {
    assert_eq!(good().revision, good().revision);
    assert_eq!(good().revision, with(&route("")).revision);
    assert_ne!(good().revision, with(&route("{type: RequestMirror}")).revision);
}

#[test]
fn filters_of_routes_become_touches() {
    let watch = with(&route(
        "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: one}], add: [{name: x-b, value: two}], remove: [X-C]}}, \
         {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-d, value: '%REQ(x)%'}]}}, \
         {type: URLRewrite, urlRewrite: {hostname: h.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /api/}}}, \
         {type: RequestMirror}, {type: CORS}, {type: ResponseHeaderModifier}",
    ));
    assert_eq!(touches(&watch, "x-a"), [Touch::Set("one".into())]);
    assert_eq!(touches(&watch, "x-b"), [Touch::Add("two".into())]);
    assert_eq!(touches(&watch, "x-c"), [Touch::Remove]);
    assert_eq!(touches(&watch, "x-d"), [Touch::Unknown]);
    let guards = gateway_guards(&watch);
    assert_eq!(guards.path, Some([Touch::Prefix("/api".into())].into()));
    assert_eq!(guards.authority, Some([Touch::Set("h.example".into())].into()));
    assert!(guards.mirrors && !guards.headers.any);
    assert_eq!(guards.forwarded_for, ForwardedFor::Appends(Appends::Envoy));
    assert_eq!(watch.findings, [""; 0]);
}

#[test]
fn a_route_that_forges_evidence_is_named() {
    let watch = with(&route(
        "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Forwarded-For, value: 10.244.1.60}], remove: [traceparent]}}",
    ));
    assert_eq!(touches(&watch, "x-forwarded-for"), [Touch::Set("10.244.1.60".into())]);
    assert_eq!(watch.findings.len(), 2);
    assert!(
        watch.findings[0].contains(
            "HTTPRoute hello/more: spec.rules[0].filters[0]: destroys evidence: sets x-forwarded-for to \"10.244.1.60\""
        ),
        "{:?}",
        watch.findings
    );
    assert!(watch.findings[1].contains("removes traceparent"), "{:?}", watch.findings);
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
fn an_l7_network_policy_breaks_forwarded_for() {
    let l7 = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {namespace: hello, name: l7}\nspec: {ingress: [{toPorts: [{ports: [{port: '8084'}], rules: {http: [{method: GET}]}}]}]}\n";
    let watch = with(l7);
    assert_eq!(gateway_guards(&watch).forwarded_for, ForwardedFor::Unknown);
    assert!(
        watch.findings[0].contains("CiliumNetworkPolicy hello/l7: destroys evidence: its L7 rules"),
        "{:?}",
        watch.findings
    );
    assert!(!gateway_guards(&watch).makes_up);
    // A parser of another protocol passes on octets.
    assert!(gateway_guards(&with(&l7.replace("http: [{method: GET}]", "l7proto: r2d2, l7: [{}]"))).makes_up);
    let l4 = with(&l7.replace(", rules: {http: [{method: GET}]}", ""));
    assert_eq!(gateway_guards(&l4).forwarded_for, ForwardedFor::Appends(Appends::Envoy));
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

#[test]
fn a_gateway_in_service_without_its_configuration_breaks_every_guard() {
    let cluster: Vec<_> =
        CLUSTER.split("---\n").filter(|document| !document.contains("kind: CiliumEnvoyConfig")).collect();
    let watch = build(&cluster.join("---\n"), POLICY).unwrap();
    assert!(gateway_guards(&watch).headers.any);
    assert!(
        watch.findings[0]
            .contains("Gateway hello/hello-gateway: destroys evidence: its CiliumEnvoyConfig is not in the inventory"),
        "{:?}",
        watch.findings
    );
}

#[test]
fn services_of_other_configurations_are_other_listeners() {
    let watch = with(
        "apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {namespace: hello, name: mine}\nspec: {services: [{name: hello-backend, namespace: hello}]}\n",
    );
    assert_eq!(watch.listeners[&"10.96.0.83:8083".parse().unwrap()].gateway.name, "CiliumEnvoyConfig/mine");
}

#[test]
fn an_address_that_two_claim_is_no_ones() {
    let watch = with(
        "apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {namespace: hello, name: mine}\nspec: {services: [{name: cilium-gateway-hello-upstream, namespace: hello, ports: [8082]}]}\n",
    );
    assert!(!watch.listeners.contains_key(&"10.96.0.82:8082".parse().unwrap()));
    assert!(
        watch.findings.iter().any(|finding| finding.contains("10.96.0.82:8082 is claimed by")),
        "{:?}",
        watch.findings
    );
}

#[test]
fn a_label_does_not_make_a_proxy_outside_of_kube_system() {
    let pod = CLUSTER.split("---\n").find(|document| document.contains("name: client-1")).unwrap();
    let pod = pod
        .replace("app: client", "k8s-app: cilium-envoy")
        .replace("name: client", "name: cilium-envoy")
        .replace("000051", "000091");
    let pod = pod.replace("10.244.1.60", "10.244.1.61").replace(&"d1".repeat(32), &"77".repeat(32));
    let watch = with(&pod);
    assert!(!watch.proxies.contains_key(&"77".repeat(32)));
    assert!(watch.containers.contains_key(&"77".repeat(32)));
}

#[test]
fn the_agent_serves_where_there_is_no_envoy_daemon_set() {
    let cluster: Vec<_> =
        CLUSTER.split("---\n").filter(|document| !document.contains("k8s-app: cilium-envoy")).collect();
    let watch = build(&cluster.join("---\n"), POLICY).unwrap();
    assert!(watch.proxies.contains_key(&"a1".repeat(32)) && watch.proxies.contains_key(&"a2".repeat(32)));
}

#[test]
fn two_policies_hold_a_waypoint_to_what_both_declare() {
    let second = POLICY
        .replace("hello-through-waypoint", "second")
        .replace("[method, authority, path]", "[method]")
        .replace("Replaces", "Appends");
    let watch = build(CLUSTER, &format!("{POLICY}---\n{second}")).unwrap();
    assert_eq!(watch.policies.len(), 2);
    let guards = &watch.proxies[&"c1".repeat(32)].guards;
    assert_eq!((guards.forwarded_for, &guards.method, &guards.path), (ForwardedFor::Unknown, &Some([].into()), &None));
}

#[test]
fn a_bad_policy_does_not_take_the_others_with_it() {
    let second = POLICY.replace("hello-through-waypoint", "second").replace("name: hello-backend", "name: gone");
    let (inventory, _) = inventory(CLUSTER);
    let compiled = compile_all(&policies(&format!("{POLICY}---\n{second}")), &inventory);
    assert_eq!(compiled.watch.policies.len(), 1);
    assert_eq!(compiled.problems.iter().filter(|problem| problem.is_error()).count(), 1);
}

/// What is spoilt in the cluster or the policy, and what is said of it.
#[test]
fn each_kind_of_bad_input_has_its_message() {
    let rows: &[(&str, &str, &str, &str)] = &[
        (
            "policy",
            "name: hello-backend}",
            "name: gone}",
            "policy.yaml: WaypointPolicy hello/hello-through-waypoint: spec.targetRefs[0].name: there is no Service hello/gone in the inventory (dump the cluster again, or mend the name)",
        ),
        (
            "policy",
            "namespace: hello}",
            "namespace: default}",
            "spec.waypoint.ref.name: there is no Service default/hello-waypoint in the inventory (did you mean hello/hello-waypoint? Set `namespace`)",
        ),
        (
            "policy",
            "name: hello-upstream}",
            "name: gone}",
            "spec.via[0].name: there is no Gateway hello/gone in the inventory (dump the cluster again, or mend the name)",
        ),
        (
            "policy",
            "kind: Service, name: hello-backend}",
            "kind: Service, name: hello-backend, namespace: monitoring}",
            "spec.targetRefs[0].namespace: Service monitoring/hello-backend is in another namespace, which does not allow it (create a ReferenceGrant in monitoring from WaypointPolicy of hello to Service)",
        ),
        (
            "cluster",
            "selector: {app: hello-backend}",
            "selector: {app: nothing}",
            "spec.targetRefs[0].name: Service hello/hello-backend has no pods (its selector is app=nothing: check the labels of the pods, and that the pods were dumped)",
        ),
        (
            "cluster",
            "\n  selector: {app: hello-backend}",
            "",
            "Service hello/hello-backend has no pods (it has no selector: add its EndpointSlices to the inventory)",
        ),
        (
            "cluster",
            "targetPort: 8081",
            "targetPort: 7777",
            "spec.waypoint.ref: which container of Pod hello/hello-waypoint-1 (cluster.yaml (document 4)) is the waypoint? none of caddy, exporter declares the target port (declare the target port of Service hello/hello-waypoint as containerPort of exactly one container)",
        ),
        (
            "cluster",
            "containerPort: 9180",
            "containerPort: 8081",
            "is the waypoint? caddy and exporter declare target ports of it",
        ),
        (
            "cluster",
            "selector: {app: hello-backend}",
            "selector: {app: hello-waypoint}",
            "spec.waypoint.ref: Pod hello/hello-waypoint-1 is behind the waypoint's Service and behind a target's (give waypoint and target selectors that do not overlap)",
        ),
        (
            "cluster",
            "controllerName: io.cilium/gateway-controller",
            "controllerName: example.com/other",
            "spec.via[0]: Gateway hello/hello-upstream is served by example.com/other, whose proxies are not known (use a GatewayClass of io.cilium/gateway-controller)",
        ),
        (
            "cluster",
            "gatewayClassName: cilium",
            "gatewayClassName: other",
            "spec.entry[0]: GatewayClass other of Gateway hello/hello-gateway is not in the inventory (add the output of `kubectl get gatewayclasses -o yaml`)",
        ),
        (
            "cluster",
            "listeners: [{name: http, port: 80, protocol: HTTP}]",
            "listeners: []",
            "spec.entry[0]: Gateway hello/hello-gateway has no listener (give it one, or name another Gateway)",
        ),
        (
            "cluster",
            "containerID:",
            "containerId:",
            "spec.via[0]: no running Envoy of Cilium serves Gateway hello/hello-upstream (add the pods of kube-system (DaemonSet cilium-envoy, or cilium) with their status)",
        ),
        (
            "cluster",
            "containerID:",
            "containerId:",
            "spec.waypoint.ref: no pod of Service hello/hello-waypoint has a running container (wait until the waypoint runs, and dump its pods with their status)",
        ),
        (
            "cluster",
            "  uid: 00000041-1111-4222-8333-444444444444\n",
            "",
            "cluster.yaml (document 5): Pod hello/hello-backend-1: metadata.uid: missing: sockets are attributed to pods by their UID (use the output of `kubectl get pods -A -o yaml`, not a manifest)",
        ),
        (
            "cluster",
            "uid: 00000041-",
            "uid: 00000042-",
            "cluster.yaml (document 10): Pod hello/hello-backend-2: metadata.uid: UID 00000042-1111-4222-8333-444444444444 is also that of Pod hello/hello-backend-1 (cluster.yaml (document 5)) (no two pods have one UID: dump the cluster at one moment, and remove old files)",
        ),
        (
            "cluster",
            "10.244.1.40",
            "10.244.1.30",
            "status.podIPs: address 10.244.1.30 is also that of Pod hello/hello-backend-1",
        ),
        (
            "cluster",
            "podIP: 10.244.1.40",
            "podIP: 10.244.1.400",
            "Pod hello/hello-backend-1: status.podIP: invalid IP address syntax (this is not what an API server hands out; dump it again)",
        ),
        (
            "cluster",
            "nodeName: node-1",
            "nodeName: [node-1]",
            "spec.nodeName: invalid type: sequence, expected a string (this is not what an API server hands out; dump it again)",
        ),
        (
            "cluster",
            "port: 8083,",
            "port: eighty,",
            "Service hello/hello-backend: spec.ports[0].port: invalid type: string \"eighty\", expected u16",
        ),
        (
            "cluster",
            "podCIDRs: [10.244.1.0/24]",
            "podCIDRs: [10.244.1.0]",
            "CiliumNode node-1: spec.ipam.podCIDRs[0]: \"10.244.1.0\" is not a network (write it like 10.244.1.0/24)",
        ),
        (
            "cluster",
            "app: hello-waypoint}\n  ownerReferences",
            "app: hello-waypoint\n  ownerReferences",
            "not valid YAML",
        ),
    ];
    for (which, from, to, message) in rows {
        let (cluster, policy) = match *which {
            "policy" => (CLUSTER.to_owned(), POLICY.replacen(from, to, 1)),
            _ => (CLUSTER.replace(from, to), POLICY.to_owned()),
        };
        assert!(cluster != CLUSTER || policy != POLICY, "{from}");
        let problems = build(&cluster, &policy).expect_err(message);
        assert!(problems.iter().any(|problem| problem.contains(message)), "{from} -> {to}\n{problems:#?}\n{message}");
    }
}

#[test]
fn a_gateway_without_address_is_an_error() {
    let cluster: Vec<_> = CLUSTER
        .split("---\n")
        .filter(|one| !(one.contains("kind: Service") && one.contains("cilium-gateway-hello-upstream")))
        .collect();
    let cluster =
        cluster.join("---\n").replace("addresses: [{type: IPAddress, value: 172.18.255.82}]", "addresses: []");
    let problems = build(&cluster, POLICY).unwrap_err();
    assert!(problems[0].ends_with("spec.via[0]: Gateway hello/hello-upstream has no address that is its own (add its Service (cilium-gateway-hello-upstream) to the inventory)"), "{problems:?}");
}

#[test]
fn one_object_twice_is_refused_only_if_it_differs() {
    assert!(build(&format!("{CLUSTER}---\n{}", CLUSTER.split("---\n").nth(1).unwrap()), POLICY).is_ok());
    let other = CLUSTER.split("---\n").nth(1).unwrap().replace("phase: Running", "phase: Pending");
    let problems = build(&format!("{CLUSTER}---\n{other}"), POLICY).unwrap_err();
    assert!(problems[0].contains("this object is given twice, with different content"), "{problems:?}");
}

#[test]
fn unknown_kinds_are_listed() {
    let watch = with(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: TLSRoute\nmetadata: {name: a}\n",
    );
    assert_eq!(
        watch.findings,
        ["kinds that were read but are not used: 1 ConfigMap, 1 TLSRoute.gateway.networking.k8s.io"]
    );
}

#[test]
fn apply_and_delete_keep_the_store_as_if_read_anew() {
    let (mut inventory, _) = inventory(CLUSTER);
    let (objects, _) = read_str("api server", &route("{type: RequestMirror}"));
    inventory.apply(&objects[0]);
    assert_eq!(inventory.http_routes.len(), 3);
    let before = compile(&policies(POLICY), &inventory).unwrap();
    assert!(gateway_guards(&before).mirrors);
    inventory.delete(&objects[0].key);
    assert_eq!(compile(&policies(POLICY), &inventory).unwrap().revision, good().revision);
}

#[test]
fn manual_slices_lead_to_pods_by_address() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {namespace: hello, name: manual, labels: {kubernetes.io/service-name: hello-backend}}\naddressType: IPv4\nendpoints: [{addresses: [10.244.2.60]}, {addresses: [192.0.2.7]}]\n";
    let watch = with(slice);
    assert_eq!(watch.protected.len(), 3);
    assert!(
        watch.findings[0].contains("Service hello/hello-backend leads to 192.0.2.7, which is no pod of the inventory"),
        "{:?}",
        watch.findings
    );
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

proptest! {
    /// k8s.io/apimachinery's rules, written down a second time.
    #[test]
    fn selectors_follow_their_requirements(
        labels in proptest::collection::btree_map("[a-c]", "[x-z]", 0..4),
        key in "[a-c]", values in proptest::collection::vec("[x-z]", 1..3), operator in 0_usize..4,
    ) {
        let name = ["In", "NotIn", "Exists", "DoesNotExist"][operator];
        let selector = serde_json::from_value(serde_json::json!({
            "matchExpressions": [{"key": key, "operator": name, "values": if operator < 2 { values.clone() } else { vec![] }}]
        })).unwrap();
        let value = labels.get(&key);
        let expected = match name {
            "In" => value.is_some_and(|value| values.contains(value)),
            "NotIn" => value.is_none_or(|value| !values.contains(value)),
            "Exists" => value.is_some(),
            _ => value.is_none(),
        };
        prop_assert_eq!(matches(&selector, &labels), expected);
        prop_assert!(matches(&Default::default(), &labels));
    }

    #[test]
    fn match_labels_is_a_conjunction(labels in proptest::collection::btree_map("[a-c]", "[x-z]", 0..4), wanted in proptest::collection::btree_map("[a-c]", "[x-z]", 0..3)) {
        let expected = wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
        let selector = serde_json::from_value(serde_json::json!({"matchLabels": wanted.clone()})).unwrap();
        prop_assert_eq!(matches(&selector, &labels), expected);
        prop_assert_eq!(matches_labels(&wanted, &labels), expected && !wanted.is_empty());
    }
}
