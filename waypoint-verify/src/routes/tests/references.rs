//! References: grants, allowed namespaces and kinds, parents.

use super::{added, lines};

fn route(namespace: &str, parent: &str, backend: &str) -> String {
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: r, namespace: {namespace}}}, spec: {{parentRefs: [{parent}], rules: [{{backendRefs: [{backend}]}}]}}}}"
    )
}

fn gateway(namespace: &str, listener: &str) -> String {
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: g, namespace: {namespace}}}, spec: {{gatewayClassName: cilium, listeners: [{{name: x, port: 80, protocol: HTTP{listener}}}]}}}}"
    )
}

fn grant(from: &str, to: &str) -> String {
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {{name: grant, namespace: hello}}, spec: {{from: [{from}], to: [{to}]}}}}"
    )
}

const FAR: &str = "{name: backend, namespace: hello, port: 8083}";
const FROM: &str = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}";
const TO: &str = "{group: '', kind: Service}";

#[test]
fn a_reference_to_another_namespace_needs_a_grant() {
    let rows = [
        (None, false),
        (Some(grant(FROM, TO)), true),
        (Some(grant(FROM, "{group: '', kind: Service, name: backend}")), true),
        (Some(grant(FROM, "{group: '', kind: Service, name: another}")), false),
        (Some(grant(FROM, "{group: '', kind: Secret}")), false),
        (Some(grant(&FROM.replace("HTTPRoute", "GRPCRoute"), TO)), false),
        (Some(grant(&FROM.replace("other", "third"), TO)), false),
    ];
    let (gateway, route) = (gateway("other", ""), route("other", "{name: g}", FAR));
    for (grant, open) in rows {
        let objects: Vec<&str> = [gateway.as_str(), route.as_str()].into_iter().chain(grant.as_deref()).collect();
        let expected = if open {
            "RouteBypass: Gateway other/g > HTTPRoute other/r > Service hello/backend :8084"
        } else {
            "closed by no ReferenceGrant in hello for HTTPRoute of other: HTTPRoute other/r > Service hello/backend :8084"
        };
        assert_eq!(lines(&added(&objects)), [expected], "{grant:?}");
    }
}

#[test]
fn listeners_say_which_routes_they_let_in() {
    let route = route("hello", "{name: g, namespace: other}", "{name: backend, port: 8083}");
    let labelled = "{apiVersion: v1, kind: Namespace, metadata: {name: hello, labels: {team: blue}}}";
    let rows = [
        ("", false),
        (", allowedRoutes: {namespaces: {from: Same}}", false),
        (", allowedRoutes: {namespaces: {from: None}}", false),
        (", allowedRoutes: {namespaces: {from: All}}", true),
        (", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: blue}}}}", true),
        (", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: red}}}}", false),
        (", allowedRoutes: {namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}", false),
        (", allowedRoutes: {namespaces: {from: All}, kinds: [{kind: HTTPRoute}]}", true),
    ];
    for (listener, open) in rows {
        let found = added(&[&gateway("other", listener), &route, labelled]);
        assert_eq!(!found.is_empty(), open, "{listener}: {:?}", lines(&found));
    }
    // Of a namespace that is not among the objects nobody knows the labels.
    let red = ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: red}}}}";
    assert_eq!(added(&[&gateway("other", red), &route]).len(), 1);
}

#[test]
fn parents_pick_listeners_by_name_port_and_host() {
    let rows = [
        ("{name: g}", true),
        ("{name: g, sectionName: x}", true),
        ("{name: g, sectionName: y}", false),
        ("{name: g, port: 80}", true),
        ("{name: g, port: 81}", false),
        ("{name: another}", false),
        ("{name: g, namespace: other}", false),
        ("{name: g, kind: ListenerSet}", false),
    ];
    for (parent, open) in rows {
        let found = added(&[&gateway("hello", ""), &route("hello", parent, "{name: backend, port: 8083}")]);
        assert_eq!(!found.is_empty(), open, "{parent}: {:?}", lines(&found));
    }
    let hosts = [
        ("a.example.com", true),
        ("*.example.com", true),
        ("a.b.example.com", true),
        ("example.com", false),
        ("a.example.org", false),
    ];
    for (host, open) in hosts {
        let route = route("hello", "{name: g}", "{name: backend, port: 8083}")
            .replace("rules:", &format!("hostnames: ['{host}'], rules:"));
        let found = added(&[&gateway("hello", ", hostname: '*.example.com'"), &route]);
        assert_eq!(!found.is_empty(), open, "{host}: {:?}", lines(&found));
    }
}
