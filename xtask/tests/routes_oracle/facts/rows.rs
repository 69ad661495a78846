//! What is known of Cilium 1.20, a row for each fact.

use super::{Request, Row};

/// A certificate that is PEM, and nothing else; the oracle has its own.
const SECRET: &str = "
{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: cert, namespace: a}, data: {tls.crt: LS0tLS1CRUdJTiBYLS0tLS0KTUE9PQotLS0tLUVORCBYLS0tLS0K, tls.key: LS0tLS1CRUdJTiBYLS0tLS0KTUE9PQotLS0tLUVORCBYLS0tLS0K}}
---
";
const HTTPS: &str = "{name: secure, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}";

/// A Gateway `a/front` with these listeners.
fn gateway(listeners: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: front, namespace: a}}
spec: {{gatewayClassName: cilium, listeners: [{listeners}]}}
---
"
    )
}

const PLAIN: &str = "{name: public, port: 80, protocol: HTTP}";

/// An HTTPRoute `a/NAME` of that Gateway.
fn route(name: &str, spec: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: a}}
spec: {{parentRefs: [{{name: front}}], {spec}}}
---
"
    )
}

/// An HTTPRoute with one backend at one listener.
fn route_at(section: &str, backend: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r-{section}, namespace: a}}
spec: {{parentRefs: [{{name: front, sectionName: {section}}}], rules: [{{backendRefs: [{{name: {backend}, port: 80}}]}}]}}
---
"
    )
}

fn at(port: u16, host: &str, path: &str) -> Request {
    Request::get(("a", "cilium-gateway-front"), port, host, path)
}

pub fn rows() -> Vec<Row> {
    let backend = |name: &str| format!("backendRefs: [{{name: {name}, port: 80}}]");
    let (one, two) = (backend("one"), backend("two"));
    let prefix = |path: &str| format!("matches: [{{path: {{type: PathPrefix, value: {path}}}}}]");
    vec![
        Row {
            fact: "a route of one plaintext listener is served on every plaintext port",
            objects: gateway("{name: public, port: 80, protocol: HTTP}, {name: internal, port: 9090, protocol: HTTP}")
                + "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: a}
spec: {parentRefs: [{name: front, sectionName: internal}], rules: [{backendRefs: [{name: one, port: 80}]}]}
---
",
            asks: vec![(at(9090, "x", "/"), &["a:one:80"]), (at(80, "x", "/"), &["a:one:80"])],
        },
        Row {
            fact: "equal matches of two routes are merged",
            objects: gateway(PLAIN)
                + &route("r1", &format!("rules: [{{{one}}}]"))
                + &route("r2", &format!("rules: [{{{two}}}]")),
            asks: vec![(at(80, "x", "/"), &["a:one:80, a:two:80"])],
        },
        Row {
            fact: "equal matches of two rules of one route: the first wins",
            objects: gateway(PLAIN) + &route("r", &format!("rules: [{{{one}}}, {{{two}}}]")),
            asks: vec![(at(80, "x", "/"), &["a:one:80"])],
        },
        Row {
            fact: "a single backend of weight 0 gets everything",
            objects: gateway(PLAIN) + &route("r", "rules: [{backendRefs: [{name: one, port: 80, weight: 0}]}]"),
            asks: vec![(at(80, "x", "/"), &["a:one:80"])],
        },
        Row {
            fact: "missing and ungranted backends are dropped before weighting",
            objects: gateway(PLAIN)
                + &route(
                    "r",
                    "rules: [{backendRefs: [{name: one, port: 80, weight: 0}, {name: none, port: 80, weight: 1}, \
                     {name: far, namespace: b, port: 80, weight: 9}]}]",
                ),
            asks: vec![(at(80, "x", "/"), &["a:one:80"])],
        },
        Row {
            fact: "a port that the Service does not have keeps its share, and answers 503",
            objects: gateway(PLAIN)
                + &route("r", "rules: [{backendRefs: [{name: one, port: 81}, {name: two, port: 80}]}]"),
            asks: vec![(at(80, "x", "/"), &["a:two:80, 503"])],
        },
        Row {
            fact: "with no backend left the answer is 500",
            objects: gateway(PLAIN) + &route("r", "rules: [{backendRefs: [{name: none, port: 80}]}]"),
            asks: vec![(at(80, "x", "/"), &["500"])],
        },
        Row {
            fact: "regular expressions come before prefixes, exact paths before both",
            objects: gateway(PLAIN)
                + &route(
                    "r",
                    "rules: [{matches: [{path: {type: PathPrefix, value: /api/orders}}], backendRefs: [{name: one, port: 80}]}, \
                     {matches: [{path: {type: RegularExpression, value: '/api/.*'}}], backendRefs: [{name: two, port: 80}]}, \
                     {matches: [{path: {type: Exact, value: /api/x}}], backendRefs: [{name: one, port: 80}]}]",
                ),
            asks: vec![
                (at(80, "x", "/api/orders/1"), &["a:two:80"]),
                (at(80, "x", "/api/x"), &["a:one:80"]),
                // The whole path has to match, and nothing but the path.
                (at(80, "x", "/api"), &["404"]),
                (at(80, "x", "/api/x?y"), &["a:one:80"]),
            ],
        },
        Row {
            fact: "a prefix is of whole segments, its last slash does not count",
            objects: gateway(PLAIN) + &route("r", &format!("rules: [{{{}, {one}}}]", prefix("/foo/"))),
            asks: vec![
                (at(80, "x", "/foo"), &["a:one:80"]),
                (at(80, "x", "/foo/bar"), &["a:one:80"]),
                (at(80, "x", "/foobar"), &["404"]),
                (at(80, "x", "/Foo"), &["404"]),
                (at(80, "x", "//foo"), &["404"]),
                (at(80, "x", "/x/../foo"), &["404"]),
                (at(80, "x", "/foo%2fbar"), &["404"]),
            ],
        },
        Row {
            fact: "no request falls from one hostname through to another",
            objects: gateway(PLAIN)
                + &route("r1", &format!("hostnames: [foo.example.com], rules: [{{{}, {one}}}]", prefix("/x")))
                + &route("r2", &format!("hostnames: ['*.example.com'], rules: [{{{two}}}]")),
            asks: vec![
                (at(80, "foo.example.com", "/x"), &["a:one:80"]),
                (at(80, "foo.example.com", "/"), &["404"]),
                (at(80, "FOO.example.com:8080", "/x"), &["a:one:80"]),
                (at(80, "bar.example.com", "/"), &["a:two:80"]),
                // Several labels, but not with a port, and not none.
                (at(80, "a.b.example.com", "/"), &["a:two:80"]),
                (at(80, "bar.example.com:80", "/"), &["404"]),
                (at(80, "example.com", "/"), &["404"]),
            ],
        },
        Row {
            fact: "a redirect by scheme is no matter of what a client says of its scheme",
            objects: gateway(PLAIN)
                + &route(
                    "r",
                    "rules: [{matches: [{path: {value: /up}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}, \
                     {matches: [{path: {value: /same}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: http}}]}, \
                     {backendRefs: [{name: one, port: 80}]}]",
                ),
            asks: vec![
                (at(80, "x", "/up"), &["redirect https://x:443/up"]),
                (at(80, "x", "/up").header("x-forwarded-proto", "https"), &["redirect https://x:443/up"]),
                (at(80, "x", "/same"), &["a:one:80"]),
                (at(80, "x", "/same").header("x-forwarded-proto", "https"), &["a:one:80"]),
            ],
        },
        Row {
            fact: "two backends of weight 0: Envoy refuses the whole table",
            objects: gateway(PLAIN)
                + &route(
                    "r",
                    "rules: [{matches: [{path: {value: /zero}}], backendRefs: [{name: one, port: 80, weight: 0}, {name: two, port: 80, weight: 0}]}, \
                     {backendRefs: [{name: one, port: 80}]}]",
                ),
            asks: vec![(at(80, "x", "/"), &["refused"])],
        },
        Row {
            fact: "one backend of weight 0 at a Gateway with two plaintext listeners: the same",
            objects: gateway("{name: public, port: 80, protocol: HTTP}, {name: internal, port: 9090, protocol: HTTP}")
                + &route("r", "rules: [{backendRefs: [{name: one, port: 80, weight: 0}]}]"),
            asks: vec![(at(80, "x", "/"), &["refused"])],
        },
        Row {
            fact: "of merged routes the filters are those of whichever is listed first",
            objects: gateway(PLAIN)
                + &route(
                    "r1",
                    "rules: [{backendRefs: [{name: one, port: 80}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: two, port: 80}}}]}]",
                )
                + &route("r2", &format!("rules: [{{{one}}}]")),
            asks: vec![(at(80, "x", "/"), &["a:one:80", "a:one:80, mirror a:two:80"])],
        },
        Row {
            fact: "a rule without backends makes an equal one of another route 500, if it is listed first",
            objects: gateway(PLAIN)
                + &route("r1", "rules: [{backendRefs: [{name: none, port: 80}]}]")
                + &route("r2", &format!("rules: [{{{one}}}]")),
            asks: vec![(at(80, "x", "/"), &["500", "a:one:80"])],
        },
        Row {
            fact: "two routes of one length and of different headers: whichever is listed first",
            objects: gateway(PLAIN)
                + &route(
                    "r1",
                    "rules: [{matches: [{headers: [{name: x-a, value: b}]}], backendRefs: [{name: one, port: 80}]}]",
                )
                + &route(
                    "r2",
                    "rules: [{matches: [{headers: [{name: x-c, value: d}]}], backendRefs: [{name: two, port: 80}]}]",
                ),
            asks: vec![
                (at(80, "x", "/").header("X-A", "b").header("x-c", "d"), &["a:one:80", "a:two:80"]),
                (at(80, "x", "/").header("x-a", "B"), &["404"]),
            ],
        },
        Row {
            fact: "each line of a header is matched by itself",
            objects: gateway(PLAIN)
                + &route(
                    "r",
                    "rules: [{matches: [{headers: [{name: x-a, value: b}]}], backendRefs: [{name: one, port: 80}]}, \
                     {matches: [{headers: [{name: x-a, value: 'c,d'}]}], backendRefs: [{name: two, port: 80}]}]",
                ),
            asks: vec![
                (at(80, "x", "/").header("x-a", "b").header("x-a", "z"), &["a:one:80"]),
                (at(80, "x", "/").header("x-a", "z").header("x-a", "b"), &["a:one:80"]),
                (at(80, "x", "/").header("x-a", "b,z"), &["404"]),
                (at(80, "x", "/").header("x-a", "c,d"), &["a:two:80"]),
                (at(80, "x", "/").header("x-a", "c").header("x-a", "d"), &["404"]),
            ],
        },
        Row {
            fact: "one Envoy listener has all ports: plaintext and TLS choose the table, and nobody compares Host with the name of TLS",
            objects: SECRET.to_owned()
                + &gateway(&format!("{PLAIN}, {HTTPS}"))
                + &route_at("public", "one")
                + &route_at("secure", "two"),
            asks: vec![
                (at(443, "x", "/"), &["a:one:80"]),
                (at(80, "x", "/").over_tls("y"), &["a:two:80"]),
                (at(443, "x", "/").over_tls("y"), &["a:two:80"]),
            ],
        },
        Row {
            fact: "two ports of HTTPS are kept apart, and from plaintext too",
            objects: SECRET.to_owned()
                + &gateway(&format!(
                    "{PLAIN}, {HTTPS}, {{name: other, port: 8443, protocol: HTTPS, tls: {{certificateRefs: [{{name: cert}}]}}}}"
                ))
                + &route_at("public", "one")
                + &route_at("secure", "two"),
            asks: vec![
                (at(443, "x", "/"), &["closed"]),
                (at(80, "x", "/").over_tls("x"), &["closed"]),
                (at(443, "x", "/").over_tls("x"), &["a:two:80"]),
                (at(8443, "x", "/").over_tls("x"), &["404"]),
            ],
        },
        Row {
            fact: "passed-through TLS goes by its name at every port, and its own port has the plaintext table",
            objects: gateway(&format!(
                "{PLAIN}, {{name: pass, port: 8443, protocol: TLS, tls: {{mode: Passthrough}}}}"
            )) + &route("r", &format!("rules: [{{{one}}}]"))
                + "
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: t, namespace: a}
spec: {parentRefs: [{name: front}], hostnames: [tls.example.com], rules: [{backendRefs: [{name: two, port: 80}]}]}
---
",
            asks: vec![
                (at(8443, "x", "/"), &["a:one:80"]),
                (at(8443, "x", "/").over_tls("tls.example.com"), &["a:two:80"]),
                (at(80, "x", "/").over_tls("tls.example.com"), &["a:two:80"]),
                (at(8443, "x", "/").over_tls("x.example.com"), &["closed"]),
            ],
        },
        Row {
            fact: "the first value of a query parameter counts, as it is written",
            objects: gateway(PLAIN)
                + &route(
                    "r",
                    "rules: [{matches: [{queryParams: [{name: q, value: a b}]}, {queryParams: [{name: q, value: v}]}], backendRefs: [{name: one, port: 80}]}]",
                ),
            asks: vec![
                (at(80, "x", "/?q=v"), &["a:one:80"]),
                (at(80, "x", "/?z=1&q=v&q=w"), &["a:one:80"]),
                (at(80, "x", "/?q=w&q=v"), &["404"]),
                (at(80, "x", "/?q=a%20b"), &["404"]),
                (at(80, "x", "/?Q=v"), &["404"]),
            ],
        },
    ]
}
