//! The specification, by the comments of its types (sigs.k8s.io/gateway-api, apis/v1).

use super::{answers, request, world};
use crate::routes::Dialect;

const SERVICES: &str = "
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: hello}, spec: {ports: [{port: 1}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: b, namespace: hello}, spec: {ports: [{port: 1}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: hello}, spec: {gatewayClassName: other, listeners: [{name: x, port: 80, protocol: HTTP}, {name: internal, port: 9090, protocol: HTTP}]}}
";

fn route(name: &str, created: &str, spec: &str) -> String {
    let created =
        if created.is_empty() { String::new() } else { format!(", creationTimestamp: '2026-01-{created}T00:00:00Z'") };
    format!(
        "---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {name}, namespace: hello{created}}}, spec: {{parentRefs: [{{name: g}}], {spec}}}}}\n"
    )
}

fn to(matches: &str, backend: &str) -> String {
    format!("rules: [{{matches: [{matches}], backendRefs: [{{name: {backend}, port: 1}}]}}]")
}

fn gets(routes: &[String], url: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let texts: Vec<&str> = [SERVICES].into_iter().chain(routes.iter().map(String::as_str)).collect();
    answers(&world(&texts), Dialect::Spec, "hello/g", 80, &request(url, headers))
}

/// HTTPRouteRule.Matches: "Proxy or Load Balancer routing configuration generated from HTTPRoutes MUST prioritize matches based
/// on the following criteria, continuing on ties."
#[test]
fn precedence_of_matches() {
    type Row<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
    let rows: &[Row<'_>] = &[
        // "`Exact` path match."
        ("{path: {type: Exact, value: /x}}", "{path: {value: /x}, method: GET}", "h/x", &[], "a"),
        // "`Prefix` path match with largest number of characters."
        ("{path: {value: /x/y}}", "{path: {value: /x}, method: GET}", "h/x/y", &[], "a"),
        // "Method match."
        ("{method: GET}", "{headers: [{name: p, value: '1'}]}", "h/", &[("p", "1")], "a"),
        // "Largest number of header matches."
        (
            "{headers: [{name: p, value: '1'}, {name: q, value: '1'}]}",
            "{headers: [{name: p, value: '1'}], queryParams: [{name: k, value: v}]}",
            "h/?k=v",
            &[("p", "1"), ("q", "1")],
            "a",
        ),
        // "Largest number of query param matches."
        ("{queryParams: [{name: k, value: v}]}", "{path: {value: /}}", "h/?k=v", &[], "a"),
    ];
    for (first, second, url, headers, expected) in rows {
        for names in [["r", "s"], ["s", "r"]] {
            let routes = [route(names[0], "", &to(first, "a")), route(names[1], "", &to(second, "b"))];
            assert_eq!(gets(&routes, url, headers), [*expected], "{first} and {second}");
        }
    }
}

/// "If ties still exist across multiple Routes, matching precedence MUST be determined in order of the following criteria,
/// continuing on ties: The oldest Route based on creation timestamp. The Route appearing first in alphabetical order by
/// "{namespace}/{name}"."
#[test]
fn of_ties_the_oldest_route_wins_then_the_first_by_name() {
    let all = "{path: {value: /}}";
    let young = route("a", "02", &to(all, "a"));
    let old = route("z", "01", &to(all, "b"));
    assert_eq!(gets(&[young.clone(), old], "h/", &[]), ["b"]);
    let same = route("z", "02", &to(all, "b"));
    assert_eq!(gets(&[same, young], "h/", &[]), ["a"]);
    // Of unknown age each may.
    assert_eq!(gets(&[route("a", "", &to(all, "a")), route("z", "01", &to(all, "b"))], "h/", &[]), ["a", "b"]);
}

/// "If ties still exist within an HTTPRoute, matching precedence MUST be granted to the FIRST matching rule (in list order)."
#[test]
fn of_ties_in_one_route_the_first_rule_wins() {
    let rules = "rules: [{backendRefs: [{name: a, port: 1}]}, {backendRefs: [{name: b, port: 1}]}]";
    assert_eq!(gets(&[route("r", "", rules)], "h/", &[]), ["a"]);
}

/// HTTPPathMatch: "PathMatchRegularExpression ... implementation-specific conformance"; its rank is not said.
#[test]
fn where_a_regular_expression_ranks_is_not_said() {
    let routes = [
        route("r", "01", &to("{path: {type: RegularExpression, value: '/x.*'}}", "a")),
        route("s", "01", &to("{path: {value: /x}}", "b")),
    ];
    assert_eq!(gets(&routes, "h/x", &[]), ["a", "b"]);
}

/// HTTPRouteSpec.Hostnames: "the match ... with the largest number of characters in a matching non-wildcard hostname" first;
/// precedence is of matches, so that a request which the more specific route does not match goes on to the other.
#[test]
fn a_request_that_the_more_specific_host_does_not_match_goes_on() {
    let routes = [
        route("r", "", &format!("hostnames: [foo.example.com], {}", to("{path: {value: /x}}", "a"))),
        route("s", "", &format!("hostnames: ['*.example.com'], {}", to("{path: {value: /}}", "b"))),
    ];
    assert_eq!(gets(&routes, "foo.example.com/x", &[]), ["a"]);
    assert_eq!(gets(&routes, "foo.example.com/y", &[]), ["b"]);
}

/// BackendRef.Weight: "If weight is set to 0, no traffic should be forwarded for this entry."
#[test]
fn weight_zero_gets_nothing() {
    let backends = |refs: &str| gets(&[route("r", "", &format!("rules: [{{backendRefs: {refs}}}]"))], "h/", &[]);
    assert_eq!(backends("[{name: a, port: 1, weight: 0}, {name: b, port: 1}]"), ["b"]);
    assert_eq!(backends("[{name: a, port: 1, weight: 0}, {name: missing, port: 1}]"), [""; 0]);
    assert_eq!(backends("[{name: a, port: 1, weight: 0}]"), [""; 0]);
}

/// ParentReference.SectionName, .Port: "the Route attaches to ... the listener"; another port does not serve it.
#[test]
fn a_route_of_another_listener_is_not_served() {
    let internal =
        route("r", "", &to("{path: {value: /}}", "a")).replace("{name: g}", "{name: g, sectionName: internal}");
    assert_eq!(gets(&[internal], "h/", &[]), [""; 0]);
}

/// Listener.Hostname, "listener isolation": an extended feature, so that with and without it count.
#[test]
fn listener_isolation_is_left_open() {
    let gateway = "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: hello}, spec: {gatewayClassName: other, listeners: [{name: wild, port: 80, protocol: HTTP, hostname: '*.example.com'}, {name: foo, port: 80, protocol: HTTP, hostname: foo.example.com}]}}";
    let services = SERVICES.split("---\n").take(2).collect::<Vec<_>>().join("---\n");
    let wild = route("w", "", &to("{path: {type: Exact, value: /x}}", "a"))
        .replace("{name: g}", "{name: g, sectionName: wild}")
        .replace("rules:", "hostnames: [foo.example.com], rules:");
    let foo = route("f", "", &to("{path: {value: /}}", "b")).replace("{name: g}", "{name: g, sectionName: foo}");
    let world = world(&[&services, gateway, &wild, &foo]);
    assert_eq!(answers(&world, Dialect::Spec, "hello/g", 80, &request("foo.example.com/x", &[])), ["a", "b"]);
}
