//! Ingresses: every rule is a way, and Cilium's tables say which request takes it.

use super::{added, analysis};

/// An Ingress of Cilium whose rules lead to the backend.
fn ingress(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: hello, annotations: {{{annotations}}}}}
spec: {{ingressClassName: cilium, {spec}}}
"
    )
}

fn rule(host: &str, kind: &str, path: &str, service: &str, port: u16) -> String {
    let host = if host.is_empty() { String::new() } else { format!("host: \"{host}\", ") };
    format!(
        "{{{host}http: {{paths: [{{path: \"{path}\", pathType: {kind}, backend: {{service: {{name: {service}, port: {{number: {port}}}}}}}}}]}}}}"
    )
}

/// Ways past the waypoint that these add, each with its request.
fn requests(objects: &[String]) -> Vec<(String, Option<String>)> {
    let objects: Vec<_> = objects.iter().map(String::as_str).collect();
    let past = added(&objects).into_iter().filter(|path| path.class.is_past());
    past.map(|path| (path.hops[0].what.clone(), path.witness.map(|witness| witness.curl()))).collect()
}

const TO_BACKEND: (&str, u16) = ("backend", 8083);
const TO_WAYPOINT: (&str, u16) = ("waypoint", 8080);

fn only(rules: &[String]) -> String {
    ingress("i", "", &format!("rules: [{}]", rules.join(", ")))
}

#[test]
fn a_request_is_one_that_no_other_rule_takes() {
    let backend = |host, kind, path| rule(host, kind, path, TO_BACKEND.0, TO_BACKEND.1);
    let waypoint = |host, kind, path| rule(host, kind, path, TO_WAYPOINT.0, TO_WAYPOINT.1);
    let found = requests(&[only(&[
        backend("", "Prefix", "/a"),
        waypoint("", "Exact", "/a"),
        waypoint("", "Prefix", "/a/waypoint-verify"),
    ])]);
    assert_eq!(
        found,
        [("rule 0: * Prefix /a".to_owned(), Some("curl -H 'Host: any.example' 'http://<ingress>:80/a/'".to_owned()))]
    );
    // Equal rules of one host are merged: the way is there, and takes its share.
    let found = requests(&[only(&[waypoint("", "Prefix", "/"), backend("", "Prefix", "/")])]);
    assert_eq!(found[0].1.as_deref(), Some("curl -H 'Host: any.example' 'http://<ingress>:80/'"));
    let path = added(&[&only(&[waypoint("", "Prefix", "/"), backend("", "Prefix", "/")])]).remove(0);
    assert_eq!(path.witness.unwrap().share, Some(50.0));
    // A wildcard is one label.
    let found = requests(&[only(&[backend("*.example.com", "Prefix", "/")])]);
    assert_eq!(found[0].1.as_deref(), Some("curl -H 'Host: a.example.com' 'http://<ingress>:80/'"));
    // Shadowed as a whole: the way is told, because another controller may take it, but no request is made up.
    let found = requests(&[only(&[waypoint("", "ImplementationSpecific", ".*"), backend("", "Prefix", "/")])]);
    assert_eq!(found, [("rule 1: * Prefix /".to_owned(), None)]);
}

#[test]
fn plaintext_that_is_redirected_is_no_request() {
    let rules = format!("rules: [{}]", rule("a.example.com", "Prefix", "/", TO_BACKEND.0, TO_BACKEND.1));
    let tls = "tls: [{hosts: [a.example.com], secretName: cert}]";
    let of =
        |annotations: &str| requests(&[ingress("i", annotations, &format!("{rules}, {tls}"))])[0].1.clone().unwrap();
    // Whether it is redirected the operator's settings say.
    let https = "curl -H 'Host: a.example.com' 'https://<ingress>:443/'";
    assert_eq!(of(""), https);
    assert_eq!(of("ingress.cilium.io/force-https: enabled"), https);
    assert_eq!(of("ingress.cilium.io/force-https: disabled"), "curl -H 'Host: a.example.com' 'http://<ingress>:80/'");
    // What is passed through is TLS of the pod's own.
    let passed = requests(&[ingress("i", "ingress.cilium.io/tls-passthrough: enabled", &rules)]);
    assert_eq!(passed.iter().map(|(_, request)| request.is_some()).collect::<Vec<_>>(), [false]);
}

#[test]
fn what_others_share_a_load_balancer_with_takes_from_it() {
    let own = ingress("own", "", &format!("rules: [{}]", rule("", "Prefix", "/a", TO_BACKEND.0, TO_BACKEND.1)));
    let other = |mode: &str| {
        let rules = format!("rules: [{}]", rule("", "Prefix", "/a/", TO_WAYPOINT.0, TO_WAYPOINT.1));
        ingress("other", &format!("ingress.cilium.io/loadbalancer-mode: {mode}"), &rules)
    };
    let taken = |objects: &[String]| requests(objects)[0].1.is_some();
    assert!(taken(&[own.clone(), other("dedicated")]));
    // Of equal rank the first by name has it: `other` comes before `own`.
    assert!(!taken(&[own, other("shared")]));
}

#[test]
fn a_host_with_two_certificates_breaks_all_that_share() {
    let of = |name: &str, secret: &str| {
        let rules = rule("a.example.com", "Prefix", "/", TO_BACKEND.0, TO_BACKEND.1);
        let tls = format!("tls: [{{hosts: [a.example.com], secretName: {secret}}}]");
        ingress(name, "ingress.cilium.io/loadbalancer-mode: shared", &format!("rules: [{rules}], {tls}"))
    };
    let unread = |second: &str| {
        let analysis = analysis(&[&of("i", "one"), &of("j", second)]);
        analysis.unread.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(unread("one"), [""; 0]);
    let told = unread("two");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("Envoy refuses the routes of this Ingress (several Ingresses have a certificate"),
        "{told:?}"
    );
}

/// Whatever its rules lead to now: what they led to before goes on.
#[test]
fn a_table_that_is_refused_is_told_of_rules_that_lead_elsewhere_too() {
    let of = |tls: &str| {
        let rules = rule("a.example.com", "Prefix", "/", "elsewhere", 80);
        let (yes, no) = ("ingress.cilium.io/force-https: enabled", "ingress.cilium.io/force-https: disabled");
        let rules = format!("rules: [{rules}], tls: [{tls}]");
        let shared = "ingress.cilium.io/loadbalancer-mode: shared";
        let texts =
            [ingress("i", &format!("{shared}, {yes}"), &rules), ingress("j", &format!("{shared}, {no}"), &rules)];
        analysis(&texts.each_ref().map(String::as_str)).unread.len()
    };
    assert_eq!(of("{hosts: [a.example.com], secretName: cert}"), 2);
    assert_eq!(of("{hosts: [b.example.com], secretName: cert}"), 0);
    // Without a Secret, unless the operator has one for all: the host is there twice, once with a redirect.
    let alone = |force: &str| {
        let rules = rule("a.example.com", "Prefix", "/", "elsewhere", 80);
        let annotations = format!("ingress.cilium.io/force-https: {force}");
        let text = ingress("i", &annotations, &format!("rules: [{rules}], tls: [{{hosts: [a.example.com]}}]"));
        analysis(&[&text]).unread.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(alone("disabled"), [""; 0]);
    assert!(alone("enabled")[0].contains("depending on how Cilium's operator is set"), "{:?}", alone("enabled"));
}

#[test]
fn of_another_class_every_rule_counts_as_it_is_written() {
    let objects = only(&[
        rule("*.example.com", "Prefix", "/a", TO_BACKEND.0, TO_BACKEND.1),
        rule("", "Exact", "/", TO_WAYPOINT.0, TO_WAYPOINT.1),
    ]);
    let found = requests(&[objects.replace("ingressClassName: cilium", "ingressClassName: nginx")]);
    assert_eq!(found[0].1.as_deref(), Some("curl -H 'Host: a.example.com' 'http://<ingress>:80/a'"));
}

/// Cilium makes one table of all routes of a Service, and serves it at every port that one of them names.
#[test]
fn a_service_s_own_routes_of_one_port_serve_the_other_ports_that_have_any() {
    let service = "
apiVersion: v1
kind: Service
metadata: {name: mesh, namespace: hello}
spec: {ports: [{port: 80}, {port: 8080}, {port: 9090}]}
";
    let route = |name: &str, port: u16, backend: &str| {
        format!(
            "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: hello}}
spec: {{parentRefs: [{{group: '', kind: Service, name: mesh, port: {port}}}], rules: [{{backendRefs: [{backend}]}}]}}
"
        )
    };
    let objects = [
        service.to_owned(),
        route("past", 80, "{name: backend, port: 8083}"),
        route("through", 8080, "{name: waypoint, port: 8080}"),
    ];
    let objects: Vec<_> = objects.iter().map(String::as_str).collect();
    let past = added(&objects).into_iter().filter(|path| path.class.is_past());
    let ports: Vec<_> = past.map(|path| path.hops[0].what.clone()).collect();
    assert_eq!(ports, ["port 80", "port 8080"]);
}
