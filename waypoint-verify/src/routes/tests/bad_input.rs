//! Every bad input has a message of its own, and none makes the answer silently smaller.

use super::{analysis, demand, lines, world};
use crate::routes::{Assumptions, analyze, check};

fn said(more: &[&str]) -> (Vec<String>, Vec<String>) {
    let found = analysis(more);
    let text = |problems: &[crate::manifest::Problem]| problems.iter().map(ToString::to_string).collect();
    (text(&found.unread), text(&found.findings))
}

#[test]
fn what_cannot_be_read_is_told_with_file_and_field() {
    let rows = [
        ("broken YAML", "kind: [", "file1.yaml:2:1: not valid YAML"),
        (
            "an unknown version",
            "{apiVersion: gateway.networking.k8s.io/v3, kind: HTTPRoute, metadata: {name: r}}",
            "HTTPRoute hello/r: apiVersion: HTTPRoute of version v3 is not understood",
        ),
        (
            "an old Ingress",
            "{apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: r}}",
            "Ingress hello/r: apiVersion: ",
        ),
        (
            "a wrong type",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {rules: [{backendRefs: [{name: a, port: x}]}]}}",
            "file1.yaml: HTTPRoute hello/r: spec.rules[0]",
        ),
        (
            "no listener name",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g}, spec: {gatewayClassName: cilium, listeners: [{port: 80, protocol: HTTP}]}}",
            "spec.listeners[0]: missing field `name`",
        ),
        (
            "two of one name",
            "{apiVersion: v1, kind: Service, metadata: {name: d}, spec: {ports: [{port: 1}]}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: d}, spec: {ports: [{port: 2}]}}",
            "Service hello/d: metadata.name: this object is given twice, with different content",
        ),
        (
            "a kustomization",
            "{apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization, resources: [a.yaml]}",
            "a kustomization is a recipe",
        ),
    ];
    for (what, objects, expected) in rows {
        let (unread, _) = said(&[objects]);
        assert_eq!(unread.len(), 1, "{what}: {unread:?}");
        assert!(unread[0].contains(expected), "{what}: {unread:?}");
        assert!(analysis(&[objects]).is_partial(), "{what}");
    }
}

#[test]
fn an_object_that_is_given_twice_alike_is_one() {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: d}, spec: {ports: [{port: 1}]}}";
    assert_eq!(said(&[service, service]), (vec![], vec![]));
}

#[test]
fn circles_end_and_are_told() {
    let rows = [
        (
            "names of each other",
            "{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {type: ExternalName, externalName: y.hello.svc, ports: [{port: 80}]}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: y}, spec: {type: ExternalName, externalName: x.hello.svc.cluster.local, ports: [{port: 80}]}}",
            "Service hello/x: traffic goes in a circle: hello/x:80 -> hello/y:80 -> hello/x:80",
        ),
        (
            "a Gateway whose route points at its own Service",
            "{apiVersion: v1, kind: Service, metadata: {name: cilium-gateway-front, labels: {gateway.networking.k8s.io/gateway-name: front}}, spec: {ports: [{port: 80}]}}\n---\n{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: loop}, spec: {parentRefs: [{name: front}], rules: [{matches: [{path: {value: /l}}], backendRefs: [{name: cilium-gateway-front, port: 80}]}]}}",
            "traffic goes in a circle: hello/cilium-gateway-front:80 -> hello/cilium-gateway-front:80",
        ),
    ];
    for (what, objects, expected) in rows {
        let (_, findings) = said(&[objects]);
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{what}: {findings:?}");
    }
}

#[test]
fn references_to_nothing_are_told() {
    let mut demand = demand();
    demand.targets.push(super::name("hello/nothing"));
    demand.via.insert(super::name("hello/no-gateway"));
    let problems: Vec<_> = check(&world(&[super::BASE]), &demand).iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("spec.targetRefs: Service hello/nothing is not among the objects"), "{problems:?}");
    assert!(problems[1].contains("spec.via: Gateway hello/no-gateway is not among the objects"), "{problems:?}");
}

#[test]
fn an_unknown_controller_gets_every_dialect_and_is_told() {
    let route = "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g}, spec: {gatewayClassName: CLASS, listeners: [{name: x, port: 80, protocol: HTTP}]}}\n---\n{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: backend, port: 8083, weight: 0}]}]}}";
    let found = |class: &str| {
        analyze(&world(&[super::BASE, &route.replace("CLASS", class)]), &demand(), &Assumptions::default())
    };
    // Of weight 0: only Cilium's way sends anything there.
    for class in ["other", "unheard-of"] {
        let analysis = found(class);
        let path = analysis.paths.iter().find(|path| super::line(path).contains("Gateway hello/g")).unwrap();
        assert_eq!(path.dialects, [crate::routes::Dialect::Cilium120], "{class}");
        assert_eq!(analysis.findings.len(), usize::from(class == "unheard-of"), "{:?}", lines(&analysis.paths));
    }
}

/// Once a walk was cut short at a circle, what was found inside of it is not all there is for whoever begins there.
#[test]
fn a_circle_that_was_met_before_hides_nothing() {
    let alias = |name: &str, of: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{type: ExternalName, externalName: {of}.hello.svc, ports: [{{port: 8083}}]}}}}"
        )
    };
    // `c` leads to the target by a slice, and to `d`, which leads back. Two other names enter the circle before both are asked.
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: backend-1, uid: u1, labels: {app: backend}}, spec: {containers: [{name: x}]}, status: {podIP: 10.0.0.5}}";
    let slice = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: c-x, labels: {kubernetes.io/service-name: c}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.5]}], ports: [{name: '', port: 8085}]}";
    let objects = [alias("a", "c"), alias("b", "c"), alias("c", "d"), alias("d", "c"), pod.into(), slice.into()];
    let objects: Vec<_> = objects.iter().map(String::as_str).collect();
    let found = lines(&analysis(&objects).paths);
    for way in ["a > Service hello/c", "b > Service hello/c", "c", "d > Service hello/c"] {
        let way = format!("DirectConnection: Service hello/{way} :8085");
        assert!(found.contains(&way), "{way}: {found:?}");
    }
}

#[test]
fn gateways_that_all_lead_to_each_other_end_and_it_is_said_that_not_every_way_was_followed() {
    let gateway = |at: usize| {
        let backends: Vec<_> = (0..16)
            .map(|to| format!("{{name: cilium-gateway-m{to}, port: 80}}"))
            .chain(["{name: backend, port: 8083}".into()])
            .collect();
        format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: m{at}, namespace: hello}}, spec: {{gatewayClassName: cilium, listeners: [{{name: x, port: 80, protocol: HTTP}}]}}}}\n---\n\
             {{apiVersion: v1, kind: Service, metadata: {{name: cilium-gateway-m{at}, namespace: hello}}, spec: {{ports: [{{port: 80}}]}}}}\n---\n\
             {{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: m{at}, namespace: hello}}, spec: {{parentRefs: [{{name: m{at}}}], rules: [{{backendRefs: [{}]}}]}}}}",
            backends.join(", ")
        )
    };
    let texts: Vec<_> = (0..16).map(gateway).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let found = analysis(&texts);
    assert!(found.unread.iter().any(|problem| problem.to_string().contains("ways lead from Service to Service")));
    assert!(found.is_partial());
    // Each of them leads to the target, too.
    assert!(lines(&found.paths).iter().any(|line| line.contains("Gateway hello/m15 ")));
}
