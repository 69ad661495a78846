use serde_json::json;

use super::*;

/// A Gateway `gw` in `hello`, Services `waypoint:8080` and `backend:8083`, and these routes.
fn input(routes: &[Value]) -> Input {
    let backend = |service: &str, port| Backend { namespace: "hello".into(), service: service.into(), port };
    Input {
        gateways: vec![Gateway {
            name: "gw".into(),
            namespace: "hello".into(),
            listeners: vec![
                Listener { name: "http".into(), port: 80, hostname: None },
                Listener { name: "internal".into(), port: 9090, hostname: None },
            ],
        }],
        routes: routes.iter().map(|route| serde_json::from_value(route.clone()).unwrap()).collect(),
        grants: Vec::new(),
        services: [backend("waypoint", 8080), backend("backend", 8083)].into(),
    }
}

fn route(name: &str, spec: Value) -> Value {
    let mut whole = json!({"parentRefs": [{"name": "gw"}]});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "hello"}, "spec": whole})
}

fn rule(path: Value, service: &str) -> Value {
    let port = if service == "waypoint" { 8080 } else { 8083 };
    json!({"matches": [{"path": path}], "backendRefs": [{"name": service, "port": port}]})
}

/// The routes of the virtual host of that name.
fn routes_of(routes: &[Value], host: &str) -> Vec<Value> {
    let translated = translate(&input(routes));
    let hosts = translated[0].routes["virtualHosts"].as_array().unwrap().clone();
    hosts.iter().find(|h| h["name"] == host).map_or_else(Vec::new, |h| h["routes"].as_array().unwrap().clone())
}

#[test]
fn paths_are_ordered_as_cilium_orders_them_regular_expressions_before_prefixes() {
    let kinds = [
        ("PathPrefix", "/api/orders/long"),
        ("PathPrefix", "/"),
        ("RegularExpression", "/api/.*"),
        ("Exact", "/a"),
        ("Exact", "/api"),
    ];
    let rules: Vec<_> =
        kinds.iter().map(|(kind, value)| rule(json!({"type": kind, "value": value}), "waypoint")).collect();
    let matches: Vec<_> =
        routes_of(&[route("r", json!({"rules": rules}))], "*").iter().map(|r| r["match"].clone()).collect();
    assert_eq!(
        matches,
        [
            json!({"path": "/api"}),
            json!({"path": "/a"}),
            json!({"safeRegex": {"regex": "/api/.*"}}),
            json!({"pathSeparatedPrefix": "/api/orders/long"}),
            json!({"prefix": "/"}),
        ]
    );
}

#[test]
fn a_method_then_more_headers_then_more_query_parameters_are_tried_first() {
    let header = json!({"name": "x-a", "value": "1"});
    let matches = json!([
        {},
        {"queryParams": [{"name": "q", "value": "1"}]},
        {"headers": [header]},
        {"headers": [{"type": "RegularExpression", "name": "x-a", "value": "1.*"}, {"name": "x-b", "value": "2"}]},
        {"method": "POST"},
    ]);
    let rules = json!([{"matches": matches, "backendRefs": [{"name": "backend", "port": 8083}]}]);
    let found: Vec<_> =
        routes_of(&[route("r", json!({"rules": rules}))], "*").iter().map(|r| r["match"].clone()).collect();
    assert_eq!(found[0], json!({"prefix": "/", "headers": [{"name": ":method", "stringMatch": {"exact": "POST"}}]}));
    assert_eq!(found[1]["headers"][0], json!({"name": "x-a", "stringMatch": {"safeRegex": {"regex": "1.*"}}}));
    assert_eq!(found[2]["headers"], json!([{"name": "x-a", "stringMatch": {"exact": "1"}}]));
    assert_eq!(found[3]["queryParameters"], json!([{"name": "q", "stringMatch": {"exact": "1"}}]));
    assert_eq!(found[4], json!({"prefix": "/"}));
}

#[test]
fn weights_count_only_among_backends_that_exist() {
    let rows = [
        (json!([{"name": "waypoint", "port": 8080, "weight": 0}]), json!({"cluster": "hello:waypoint:8080"})),
        (
            json!([{"name": "waypoint", "port": 8080}, {"name": "missing", "port": 1, "weight": 99}]),
            json!({"cluster": "hello:waypoint:8080"}),
        ),
        (
            json!([{"name": "backend", "port": 8083, "weight": 0}, {"name": "missing", "port": 1}]),
            json!({"cluster": "hello:backend:8083"}),
        ),
        (
            json!([{"name": "waypoint", "port": 8080, "weight": 9}, {"name": "backend", "port": 8083}]),
            json!({"weightedClusters": {"clusters": [{"name": "hello:waypoint:8080", "weight": 9}, {"name": "hello:backend:8083", "weight": 1}]}}),
        ),
    ];
    for (backends, mut expected) in rows {
        expected["maxStreamDuration"] = json!({"maxStreamDuration": "0s"});
        assert_eq!(routes_of(&[route("r", json!({"rules": [{"backendRefs": backends}]}))], "*")[0]["route"], expected);
    }
    let none = routes_of(&[route("r", json!({"rules": [{"backendRefs": [{"name": "missing", "port": 1}]}]}))], "*");
    assert_eq!(none[0]["directResponse"], json!({"status": 500}));
}

#[test]
fn equal_matches_of_two_routes_are_merged_and_of_one_route_the_first_wins() {
    let to = |service| json!({"rules": [rule(json!({"value": "/x"}), service)]});
    let merged = routes_of(&[route("a", to("waypoint")), route("b", to("backend"))], "*");
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0]["route"]["weightedClusters"]["clusters"].as_array().unwrap().len(), 2);
    let rules = [rule(json!({"value": "/x"}), "waypoint"), rule(json!({"value": "/x"}), "backend")];
    let first = routes_of(&[route("a", json!({"rules": rules}))], "*");
    assert_eq!(first[0]["route"]["cluster"], "hello:waypoint:8080");
}

#[test]
fn host_names_have_virtual_hosts_of_their_own() {
    let routes = [
        route("wide", json!({"hostnames": ["*.example.com"], "rules": [rule(json!({"value": "/"}), "waypoint")]})),
        route("narrow", json!({"hostnames": ["foo.example.com"], "rules": [rule(json!({"value": "/x"}), "backend")]})),
    ];
    assert_eq!(routes_of(&routes, "foo.example.com").len(), 1);
    assert_eq!(routes_of(&routes, "*.example.com").len(), 1);
    assert!(routes_of(&routes, "*").is_empty());
}

#[test]
fn a_route_of_one_listener_is_served_on_all_plaintext_listeners() {
    let mut one = route("r", json!({"rules": [rule(json!({"value": "/"}), "backend")]}));
    one["spec"]["parentRefs"][0]["sectionName"] = json!("internal");
    let translated = translate(&input(&[one]));
    assert_eq!(translated[0].attached, [("http".to_owned(), 0), ("internal".to_owned(), 1)].into());
    assert_eq!(translated[0].route_name, "hello/cilium-gateway-gw/listener-insecure");
    assert_eq!(translated[0].routes["virtualHosts"].as_array().unwrap().len(), 1);
}

#[test]
fn filters_become_header_changes_rewrites_and_mirrors() {
    let filters = json!([
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {
            "set": [{"name": "x-forwarded-for", "value": "10.0.0.1"}], "add": [{"name": "x-b", "value": "2"}], "remove": ["traceparent"]}},
        {"type": "URLRewrite", "urlRewrite": {"hostname": "other", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/y"}}},
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "backend", "port": 8083}, "percent": 50}},
    ]);
    let mut one = rule(json!({"value": "/x"}), "waypoint");
    one["filters"] = filters;
    one["retry"] = json!({"codes": [503], "attempts": 3, "backoff": "500ms"});
    let translated = translate(&input(&[route("r", json!({"rules": [one]}))]));
    let found = &translated[0].routes["virtualHosts"][0]["routes"][0];
    assert_eq!(
        found["requestHeadersToAdd"][0],
        json!({"header": {"key": "x-forwarded-for", "value": "10.0.0.1"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"})
    );
    assert_eq!(found["requestHeadersToAdd"][1]["appendAction"], "APPEND_IF_EXISTS_OR_ADD");
    assert_eq!(found["requestHeadersToRemove"], json!(["traceparent"]));
    let action = &found["route"];
    assert_eq!(action["hostRewriteLiteral"], "other");
    assert_eq!(action["regexRewrite"], json!({"pattern": {"regex": "^/.*$"}, "substitution": "/y"}));
    assert_eq!(
        action["requestMirrorPolicies"][0],
        json!({"cluster": "hello:backend:8083", "runtimeFraction": {"defaultValue": {"numerator": 50}}})
    );
    assert_eq!(
        action["retryPolicy"],
        json!({"retriableStatusCodes": [503], "numRetries": 3, "retryBackOff": {"baseInterval": "0.5s", "maxInterval": "1s"}})
    );
    assert_eq!(translated[0].backends.len(), 2, "the mirror's cluster is needed too");
}

#[test]
fn replacing_a_prefix_never_leaves_an_empty_path_or_a_double_slash() {
    let rows = [
        ("/old", "/new", json!({"prefixRewrite": "/new"})),
        ("/old", "/", json!({"regexRewrite": {"pattern": {"regex": "^/old(/?)(.*)"}, "substitution": "/\\2"}})),
        ("/", "/new", json!({"prefixRewrite": "/new/"})),
    ];
    for (old, new, expected) in rows {
        let mut one = rule(json!({"value": old}), "waypoint");
        one["filters"] = json!([{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": new}}}]);
        let action = &routes_of(&[route("r", json!({"rules": [one]}))], "*")[0]["route"];
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&action[key], value, "{old} -> {new}");
        }
    }
}

#[test]
fn another_namespace_needs_a_grant() {
    let mut foreign = route("r", json!({"rules": [rule(json!({"value": "/"}), "backend")]}));
    foreign["metadata"]["namespace"] = json!("other");
    foreign["spec"]["parentRefs"][0]["namespace"] = json!("hello");
    foreign["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("hello");
    let mut input = input(&[foreign]);
    assert!(translate(&input)[0].backends.is_empty());
    let grant = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant", "metadata": {"name": "g", "namespace": "hello"},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "other"}], "to": [{"group": "", "kind": "Service"}]}});
    input.grants.push(serde_json::from_value(grant).unwrap());
    assert_eq!(translate(&input)[0].backends.len(), 1);
}
