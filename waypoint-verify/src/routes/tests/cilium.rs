//! What Cilium 1.20.2 makes of routes (facts read in its source and seen in Envoy: xtask/tests/routes_oracle holds the model against both).

use super::{answers, request, world};
use crate::routes::Dialect;

fn route(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {name}, namespace: hello}}, spec: {{{spec}}}}}\n"
    )
}

const SERVICES: &str = "
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: hello}, spec: {ports: [{port: 1}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: b, namespace: hello}, spec: {ports: [{port: 1}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: hello}, spec: {gatewayClassName: cilium, listeners: [{name: x, port: 80, protocol: HTTP}, {name: internal, port: 9090, protocol: HTTP}]}}
";

/// Who gets `url` at port 80 of the Gateway.
fn gets(routes: &[String], url: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let texts: Vec<&str> = [SERVICES].into_iter().chain(routes.iter().map(String::as_str)).collect();
    answers(&world(&texts), Dialect::Cilium120, "hello/g", 80, &request(url, headers))
}

const TO_A: &str = "backendRefs: [{name: a, port: 1}]";
const TO_B: &str = "backendRefs: [{name: b, port: 1}]";

fn rule(matches: &str, to: &str) -> String {
    format!("parentRefs: [{{name: g}}], rules: [{{matches: [{matches}], {to}}}]")
}

#[test]
fn plaintext_listeners_share_one_table_whatever_their_port() {
    let internal = route("r", &format!("parentRefs: [{{name: g, sectionName: internal}}], rules: [{{{TO_A}}}]"));
    assert_eq!(gets(&[internal], "h.example/", &[]), ["a"]);
}

#[test]
fn equal_matches_of_two_routes_are_merged() {
    let path = "{path: {value: /x}}";
    assert_eq!(gets(&[route("r", &rule(path, TO_A)), route("s", &rule(path, TO_B))], "h.example/x", &[]), ["a", "b"]);
}

#[test]
fn of_equal_matches_of_one_route_the_first_rule_wins() {
    let rules = format!("parentRefs: [{{name: g}}], rules: [{{{TO_A}}}, {{{TO_B}}}]");
    assert_eq!(gets(&[route("r", &rules)], "h.example/", &[]), ["a"]);
}

#[test]
fn a_single_backend_gets_everything_whatever_its_weight() {
    // With one plaintext listener: with two the backend is there twice, and Envoy refuses two of weight 0.
    let gateway = SERVICES.replace(", {name: internal, port: 9090, protocol: HTTP}", "");
    let gets = |backends: &str| {
        let route = route("r", &format!("parentRefs: [{{name: g}}], rules: [{{backendRefs: {backends}}}]"));
        answers(&world(&[&gateway, &route]), Dialect::Cilium120, "hello/g", 80, &request("h.example/", &[]))
    };
    assert_eq!(gets("[{name: a, port: 1, weight: 0}]"), ["a"]);
    assert_eq!(gets("[{name: a, port: 1, weight: 0}, {name: missing, port: 1, weight: 1}]"), ["a"]);
    assert_eq!(gets("[{name: a, port: 1, weight: 0}, {name: b, port: 1, weight: 1}]"), ["b"]);
    assert_eq!(gets("[{name: missing, port: 1}]"), [""; 0]);
}

#[test]
fn a_table_whose_weights_come_to_nothing_is_refused_and_said_to_be() {
    let zero = route("r", "parentRefs: [{name: g}], rules: [{backendRefs: [{name: a, port: 1, weight: 0}]}]");
    let world = world(&[SERVICES, &zero]);
    let listeners = crate::routes::listeners(&world, &world.gateways[&super::name("hello/g")]);
    assert!(Dialect::Cilium120.tables(&world, &listeners)[0].refused.is_some());
}

#[test]
fn a_regular_expression_comes_before_a_prefix_however_long() {
    let routes = [
        route("r", &rule("{path: {type: RegularExpression, value: '/api/.*'}}", TO_A)),
        route("s", &rule("{path: {value: /api/orders/very/long/indeed}}", TO_B)),
    ];
    assert_eq!(gets(&routes, "h.example/api/orders/very/long/indeed", &[]), ["a"]);
    let exact = route("t", &rule("{path: {type: Exact, value: /api/x}}", TO_B));
    assert_eq!(gets(&[routes[0].clone(), exact], "h.example/api/x", &[]), ["b"]);
}

#[test]
fn no_request_falls_through_from_one_host_to_another() {
    let routes = [
        route(
            "r",
            &format!(
                "parentRefs: [{{name: g}}], hostnames: [foo.example.com], rules: [{{matches: [{{path: {{value: /x}}}}], {TO_A}}}]"
            ),
        ),
        route("s", &format!("parentRefs: [{{name: g}}], hostnames: ['*.example.com'], rules: [{{{TO_B}}}]")),
    ];
    assert_eq!(gets(&routes, "foo.example.com/x", &[]), ["a"]);
    assert_eq!(gets(&routes, "foo.example.com/y", &[]), [""; 0]);
    assert_eq!(gets(&routes, "bar.example.com/y", &[]), ["b"]);
    assert_eq!(gets(&routes, "a.bar.example.com/y", &[]), ["b"]);
    assert_eq!(gets(&routes, "example.com/y", &[]), [""; 0]);
}

#[test]
fn of_ties_between_routes_each_may_win() {
    let routes = [
        route("r", &rule("{headers: [{name: x, value: '1'}]}", TO_A)),
        route("s", &rule("{headers: [{name: y, value: '1'}]}", TO_B)),
    ];
    assert_eq!(gets(&routes, "h.example/", &[("x", "1"), ("y", "1")]), ["a", "b"]);
    assert_eq!(gets(&routes, "h.example/", &[("x", "1")]), ["a"]);
}

#[test]
fn a_method_counts_more_than_headers() {
    let routes = [
        route("r", &rule("{method: GET}", TO_A)),
        route("s", &rule("{headers: [{name: y, value: '1'}, {name: z, value: '1'}]}", TO_B)),
    ];
    assert_eq!(gets(&routes, "h.example/", &[("y", "1"), ("z", "1")]), ["a"]);
    assert_eq!(gets(&routes, "POST h.example/", &[("y", "1"), ("z", "1")]), ["b"]);
}

#[test]
fn a_redirect_to_https_takes_every_plaintext_request_unless_proxies_are_trusted() {
    let redirect = |scheme: &str| {
        let filter = format!("{{type: RequestRedirect, requestRedirect: {{scheme: {scheme}}}}}");
        [route("r", &format!("parentRefs: [{{name: g}}], rules: [{{filters: [{filter}]}}, {{{TO_A}}}]"))]
    };
    assert_eq!(gets(&redirect("https"), "h.example/", &[]), [""; 0]);
    // What a client sends there Envoy overwrites, unless it is told to trust a proxy in front: then this one gets past.
    assert_eq!(gets(&redirect("https"), "h.example/", &[("x-forwarded-proto", "https")]), ["a"]);
    assert_eq!(gets(&redirect("http"), "h.example/", &[]), ["a"]);
}

#[test]
fn a_wildcard_host_covers_no_name_with_a_port() {
    let routes = [
        route("r", &format!("parentRefs: [{{name: g}}], hostnames: ['*.example.com'], rules: [{{{TO_A}}}]")),
        route("s", &format!("parentRefs: [{{name: g}}], hostnames: [x.example.com], rules: [{{{TO_B}}}]")),
    ];
    assert_eq!(gets(&routes, "y.example.com/", &[]), ["a"]);
    assert_eq!(gets(&routes, "y.example.com:80/", &[]), [""; 0]);
    assert_eq!(gets(&routes, "X.example.com:80/", &[]), ["b"]);
}

#[test]
fn of_several_lines_of_a_header_any_may_match() {
    let routes =
        [route("r", &rule("{headers: [{name: x, value: '1'}]}", TO_A)), route("s", &rule("{path: {value: /}}", TO_B))];
    assert_eq!(gets(&routes, "h.example/", &[("x", "1")]), ["a"]);
    assert_eq!(gets(&routes, "h.example/", &[("x", "2"), ("X", "1")]), ["a", "b"]);
    assert_eq!(gets(&routes, "h.example/", &[("x", "2"), ("x", "3")]), ["b"]);
}

#[test]
fn listeners_of_other_ports_isolate_names() {
    let gateway = "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: hello}, spec: {gatewayClassName: cilium, listeners: [{name: x, port: 80, protocol: HTTP}, {name: y, port: 81, protocol: HTTP, hostname: foo.example.com}]}}";
    let services = SERVICES.split("---\n").take(2).collect::<Vec<_>>().join("---\n");
    let route = route(
        "r",
        &format!("parentRefs: [{{name: g, sectionName: x}}], hostnames: [foo.example.com], rules: [{{{TO_A}}}]"),
    );
    let world = world(&[&services, gateway, &route]);
    assert_eq!(answers(&world, Dialect::Cilium120, "hello/g", 80, &request("foo.example.com/", &[])), [""; 0]);
}

#[test]
fn the_port_of_a_parent_is_asked_of_any_parent() {
    // `parentRefsMatchListener` looks at the references to other Gateways, too.
    let parents = "parentRefs: [{name: g, port: 9090}, {name: elsewhere}]";
    let one = route("r", &format!("{parents}, rules: [{{{TO_A}}}]"));
    assert_eq!(gets(&[one], "h.example/", &[]), ["a"]);
}

#[test]
fn a_route_that_sets_host_is_not_served_at_all() {
    let filter = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: v}]}}]";
    let refused = |filter: &str| route("r", &format!("parentRefs: [{{name: g}}], rules: [{{{filter}, {TO_A}}}]"));
    assert_eq!(gets(&[refused(filter)], "h.example/", &[]), [""; 0]);
    assert_eq!(gets(&[refused(&filter.replace("Host", "host"))], "h.example/", &[]), ["a"]);
}

#[test]
fn of_listeners_in_conflict_both_lose_their_port() {
    let gateway = |listeners: &str| {
        format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: g, namespace: hello}}, spec: {{gatewayClassName: cilium, listeners: [{listeners}]}}}}"
        )
    };
    let services = SERVICES.split("---\n").take(2).collect::<Vec<_>>().join("---\n");
    let served = |listeners: &str| {
        let route = route("r", &format!("parentRefs: [{{name: g}}], rules: [{{{TO_A}}}]"));
        answers(
            &world(&[&services, &gateway(listeners), &route]),
            Dialect::Cilium120,
            "hello/g",
            80,
            &request("h.example/", &[]),
        )
    };
    assert_eq!(served("{name: x, port: 80, protocol: HTTP}, {name: y, port: 80, protocol: HTTP}"), [""; 0]);
    assert_eq!(
        served("{name: x, port: 80, protocol: HTTP}, {name: y, port: 80, protocol: HTTP, hostname: b.example}"),
        ["a"]
    );
    assert_eq!(served("{name: x, port: 80, protocol: HTTP}, {name: y, port: 80, protocol: TCP}"), [""; 0]);
}
