//! Paths that NetworkPolicies close, and those that they only seem to close.

use super::{BASE, analysis, demand, line, world};
use crate::routes::{Assumptions, Change, Class, Enforcement, From, Path, analyze};

/// Another Service of the target's pods, and a Gateway that leads there.
const OTHERS: &str = "
apiVersion: v1
kind: Service
metadata: {name: second, namespace: hello}
spec: {selector: {app: backend}, ports: [{port: 1, targetPort: 8084}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: past, namespace: hello}
spec: {parentRefs: [{name: front}], rules: [{matches: [{path: {value: /past}}], backendRefs: [{name: second, port: 1}]}]}
";

fn kubernetes(spec: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: n, namespace: hello}}, spec: {{{spec}}}}}"
    )
}

fn cilium(spec: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: c, namespace: hello}}, spec: {{{spec}}}}}"
    )
}

fn clusterwide(spec: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {{name: w}}, spec: {{{spec}}}}}"
    )
}

fn paths(policies: &[&str], enforcement: Option<Enforcement>) -> Vec<Path> {
    let texts: Vec<_> = [BASE, OTHERS].into_iter().chain(policies.iter().copied()).collect();
    analyze(&world(&texts), &demand(), &Assumptions { enforcement, ..Assumptions::default() }).paths
}

/// Whether pods are shut out of the second Service, and Gateways.
fn closed(policies: &[&str], enforcement: Enforcement) -> (bool, bool) {
    let paths = paths(policies, Some(enforcement));
    let is_closed = |first: &str| {
        let mut own = paths.iter().filter(|path| {
            path.hops[0].object == first && path.hops.iter().any(|hop| hop.object == "Service hello/second")
        });
        let path = own.next().unwrap();
        assert!(own.next().is_none() && path.class != Class::Through);
        !path.class.is_past()
    };
    (is_closed("Service hello/second"), is_closed("Gateway hello/front"))
}

#[test]
fn who_is_shut_out_follows_from_every_policy_that_may_select_the_pods() {
    const BOTH: (bool, bool) = (true, true);
    const PODS: (bool, bool) = (true, false);
    const GATEWAYS: (bool, bool) = (false, true);
    const NONE: (bool, bool) = (false, false);
    let of_backend = "podSelector: {matchLabels: {app: backend}}";
    let endpoints = "endpointSelector: {matchLabels: {app: backend}}";
    let waypoint = "{podSelector: {matchLabels: {app: waypoint}}}";
    let rows: Vec<(&str, String, (bool, bool))> = vec![
        // Kubernetes' own.
        ("nobody", kubernetes("podSelector: {}, policyTypes: [Ingress]"), BOTH),
        ("nobody, by default", kubernetes("podSelector: {}"), BOTH),
        ("nothing is said of ingress", kubernetes("podSelector: {}, policyTypes: [Egress]"), NONE),
        ("other pods are selected", kubernetes("podSelector: {matchLabels: {app: other}}"), NONE),
        ("the waypoint alone", kubernetes(&format!("{of_backend}, ingress: [{{from: [{waypoint}]}}]")), BOTH),
        ("everyone", kubernetes(&format!("{of_backend}, ingress: [{{}}]")), NONE),
        (
            "any pod of the namespace",
            kubernetes(&format!("{of_backend}, ingress: [{{from: [{{podSelector: {{}}}}]}}]")),
            GATEWAYS,
        ),
        (
            "pods that need not be the waypoint's",
            kubernetes(&format!(
                "{of_backend}, ingress: [{{from: [{{podSelector: {{matchLabels: {{tier: front}}}}}}]}}]"
            )),
            GATEWAYS,
        ),
        (
            "pods that look like the waypoint, anywhere",
            kubernetes(&format!(
                "{of_backend}, ingress: [{{from: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: waypoint}}}}}}]}}]"
            )),
            GATEWAYS,
        ),
        (
            "the waypoint, by the name of its namespace",
            kubernetes(&format!(
                "{of_backend}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: hello}}}}, podSelector: {{matchExpressions: [{{key: app, operator: In, values: [waypoint]}}]}}}}]}}]"
            )),
            BOTH,
        ),
        (
            "the same of another namespace",
            kubernetes(&format!(
                "{of_backend}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: far}}}}, podSelector: {{matchLabels: {{app: waypoint}}}}}}]}}]"
            )),
            GATEWAYS,
        ),
        (
            "addresses",
            kubernetes(&format!("{of_backend}, ingress: [{{from: [{{ipBlock: {{cidr: 192.0.2.0/24}}}}]}}]")),
            NONE,
        ),
        (
            "everyone at another port",
            kubernetes(&format!("{of_backend}, ingress: [{{ports: [{{port: 9090}}]}}]")),
            BOTH,
        ),
        (
            "everyone at a range that has the port",
            kubernetes(&format!("{of_backend}, ingress: [{{ports: [{{port: 8000, endPort: 8100}}]}}]")),
            NONE,
        ),
        (
            "everyone at a port by name",
            kubernetes(&format!("{of_backend}, ingress: [{{ports: [{{port: http}}]}}]")),
            NONE,
        ),
        ("everyone by UDP", kubernetes(&format!("{of_backend}, ingress: [{{ports: [{{protocol: UDP}}]}}]")), BOTH),
        // Cilium's.
        ("Gateways alone", cilium(&format!("{endpoints}, ingress: [{{fromEntities: [ingress]}}]")), PODS),
        (
            "Gateways, by label",
            cilium(&format!(
                "{endpoints}, ingress: [{{fromEndpoints: [{{matchLabels: {{'reserved:ingress': ''}}}}]}}]"
            )),
            PODS,
        ),
        (
            "the waypoint's pods",
            cilium(&format!("{endpoints}, ingress: [{{fromEndpoints: [{{matchLabels: {{'k8s:app': waypoint}}}}]}}]")),
            BOTH,
        ),
        (
            "the waypoint's, of any namespace",
            cilium(&format!(
                "{endpoints}, ingress: [{{fromEndpoints: [{{matchLabels: {{app: waypoint}}, matchExpressions: [{{key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}}]}}]}}]"
            )),
            GATEWAYS,
        ),
        (
            "the node and the world",
            cilium(&format!("{endpoints}, ingress: [{{fromEntities: [host, world]}}, {{fromCIDR: [0.0.0.0/0]}}]")),
            BOTH,
        ),
        ("the cluster", cilium(&format!("{endpoints}, ingress: [{{fromEntities: [cluster]}}]")), NONE),
        (
            "by something that is not understood",
            cilium(&format!("{endpoints}, ingress: [{{fromNodes: [{{}}]}}]")),
            NONE,
        ),
        ("a rule that names nobody", cilium(&format!("{endpoints}, ingress: [{{}}]")), NONE),
        (
            "at another port",
            cilium(&format!("{endpoints}, ingress: [{{toPorts: [{{ports: [{{port: '9090', protocol: TCP}}]}}]}}]")),
            BOTH,
        ),
        (
            "at every port",
            cilium(&format!("{endpoints}, ingress: [{{toPorts: [{{ports: [{{port: '0', protocol: TCP}}]}}]}}]")),
            NONE,
        ),
        ("only what is denied", cilium(&format!("{endpoints}, ingressDeny: [{{fromEntities: [world]}}]")), BOTH),
        (
            "without a default",
            cilium(&format!("{endpoints}, enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEntities: [host]}}]")),
            NONE,
        ),
        ("nothing of ingress", cilium(&format!("{endpoints}, egress: [{{}}]")), NONE),
        (
            "clusterwide, of one namespace",
            clusterwide(
                "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': hello}}, ingress: [{fromEntities: [ingress]}]",
            ),
            PODS,
        ),
        (
            "clusterwide, of another one",
            clusterwide(
                "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': far}}, ingress: [{fromEntities: [ingress]}]",
            ),
            NONE,
        ),
        (
            "clusterwide, of namespaces by their labels",
            clusterwide(
                "endpointSelector: {matchLabels: {'io.cilium.k8s.namespace.labels.team': a}}, ingress: [{fromEntities: [ingress]}]",
            ),
            NONE,
        ),
        (
            "clusterwide, all endpoints as senders",
            clusterwide("endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]"),
            NONE,
        ),
        (
            "clusterwide, those without a label",
            clusterwide(
                "endpointSelector: {}, ingress: [{fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [x]}]}]}]",
            ),
            NONE,
        ),
        ("nodes are no pods", clusterwide("nodeSelector: {}, ingress: [{fromEntities: [host]}]"), NONE),
    ];
    for (what, policy, expected) in rows {
        assert_eq!(closed(&[&policy], Enforcement::Default), expected, "{what}: {policy}");
        assert_eq!(closed(&[&policy], Enforcement::Never), NONE, "{what}");
    }
}

#[test]
fn what_one_policy_lets_in_no_other_shuts_out() {
    let nobody = kubernetes("podSelector: {}");
    let perhaps_everyone = clusterwide(
        "endpointSelector: {matchLabels: {'io.cilium.k8s.namespace.labels.team': a}}, ingress: [{fromEntities: [all]}]",
    );
    for other in [
        cilium("endpointSelector: {}, ingress: [{fromEntities: [all]}]"),
        perhaps_everyone,
        // Of kinds and versions that are not understood.
        "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: a}, spec: {}}".into(),
        "{apiVersion: crd.projectcalico.org/v1, kind: GlobalNetworkPolicy, metadata: {name: a}, spec: {}}".into(),
        "{apiVersion: cilium.io/v3, kind: CiliumNetworkPolicy, metadata: {name: a, namespace: hello}, spec: {}}".into(),
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: a, namespace: hello}, spec: {endpointSelector: 1}}".into(),
    ] {
        assert_eq!(closed(&[&nobody, &other], Enforcement::Default), (false, false), "{other}");
    }
    assert_eq!(closed(&[&nobody], Enforcement::Default), (true, true));
}

#[test]
fn where_all_pods_are_guarded_one_that_no_policy_selects_lets_in_nobody() {
    assert_eq!(closed(&[], Enforcement::Always), (true, true));
    let gateways = cilium("endpointSelector: {}, ingress: [{fromEntities: [ingress]}]");
    assert_eq!(closed(&[&gateways], Enforcement::Always), (true, false));
}

#[test]
fn of_a_closed_way_those_are_left_whom_no_policy_shuts_out() {
    let lines =
        |enforcement| paths(&[&kubernetes("podSelector: {}")], enforcement).iter().map(line).collect::<Vec<_>>();
    let own = |class: &str| format!("{class}: Deployment hello/backend :any");
    let by = "closed by NetworkPolicy hello/n";
    let enforced = lines(Some(Enforcement::Default));
    assert!(enforced.contains(&own(by)) && enforced.contains(&own("DirectConnection")), "{enforced:?}");
    assert!(enforced.contains(&format!("{by}: Service hello/backend :8084")), "{enforced:?}");

    let paths = paths(&[&kubernetes("podSelector: {}")], Some(Enforcement::Default));
    let past: Vec<_> = paths.iter().filter(|path| path.class.is_past()).collect();
    assert_eq!(past.len(), 1, "{past:?}");
    assert!(past[0].doors.iter().all(|door| door.from == From::Node), "{past:?}");

    // Where it is not known whether anybody enforces it, it is only said.
    let unsaid = analysis(&[OTHERS, &kubernetes("podSelector: {}")]).paths;
    let without = analysis(&[OTHERS]);
    assert_eq!(unsaid.iter().map(line).collect::<Vec<_>>(), without.paths.iter().map(line).collect::<Vec<_>>());
    let noted = |path: &Path| path.notes.iter().any(|note| note.contains("NetworkPolicy hello/n closes it where"));
    assert!(unsaid.iter().filter(|path| path.class.is_past()).all(noted), "{unsaid:?}");
}

#[test]
fn who_comes_from_outside_by_a_node_may_be_taken_for_it() {
    let open = "{apiVersion: v1, kind: Service, metadata: {name: open, namespace: hello}, spec: {type: NodePort, selector: {app: backend}, ports: [{port: 1, targetPort: 8084}]}}";
    let paths = paths(&[open, &kubernetes("podSelector: {}")], Some(Enforcement::Default));
    let path = paths.iter().find(|path| path.hops[0].object == "Service hello/open").unwrap();
    assert!(path.class.is_past() && path.doors.iter().all(|door| door.from == From::Outside), "{path:?}");
    assert_eq!(path.notes, ["NetworkPolicy hello/n closes it to pods"]);
}

#[test]
fn a_proxy_that_may_come_as_anybody_is_shut_out_only_where_everybody_is() {
    let ingress = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: hello}, spec: {defaultBackend: {service: {name: second, port: {number: 1}}}}}";
    let is_closed = |policy: &str| {
        let paths = paths(&[ingress, policy], Some(Enforcement::Default));
        !paths.iter().find(|path| path.hops[0].object == "Ingress hello/i").unwrap().class.is_past()
    };
    assert!(is_closed(&kubernetes("podSelector: {}")));
    assert!(!is_closed(&cilium("endpointSelector: {}, ingress: [{fromEntities: [ingress]}]")));
    assert!(!is_closed(&kubernetes("podSelector: {}, ingress: [{from: [{podSelector: {}}]}]")));
}

#[test]
fn pods_in_the_nodes_own_network_and_pods_that_are_assumed_are_never_shut_out() {
    for (from, to) in [
        ("containers: [{name: c, ports: [{name: http", "hostNetwork: true, containers: [{name: c, ports: [{name: http"),
        ("labels: {app: backend}", "labels: {app: gone}"),
    ] {
        let base = BASE.replacen(from, to, 1);
        let texts = [base.as_str(), OTHERS, &kubernetes("podSelector: {}")];
        let found = analyze(
            &world(&texts),
            &demand(),
            &Assumptions { enforcement: Some(Enforcement::Always), ..Assumptions::default() },
        );
        assert!(found.paths.iter().all(|path| !matches!(path.class, Class::Closed { .. })), "{to}");
        assert!(found.past().count() > 0, "{to}");
    }
}

#[test]
fn a_label_that_a_controller_adds_may_select_or_not() {
    let by_hash = kubernetes("podSelector: {matchLabels: {app: backend, pod-template-hash: abc}}");
    assert_eq!(closed(&[&by_hash], Enforcement::Default), (false, false));
    let nobody = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: all, namespace: hello}, spec: {podSelector: {}}}";
    let lets_in = kubernetes("podSelector: {matchLabels: {pod-template-hash: abc}}, ingress: [{}]");
    assert_eq!(closed(&[nobody, &lets_in], Enforcement::Default), (false, false));
}

#[test]
fn a_policy_that_is_removed_opens_what_it_had_closed() {
    let nobody = kubernetes("podSelector: {}");
    let of = |policies: &[&str]| {
        let texts: Vec<_> = [BASE, OTHERS].into_iter().chain(policies.iter().copied()).collect();
        let assumptions = Assumptions { enforcement: Some(Enforcement::Default), ..Assumptions::default() };
        analyze(&world(&texts), &demand(), &assumptions)
    };
    let (closed, open) = (of(&[&nobody]), of(&[]));
    assert!(Change::between(&closed, &open).opens_past());
    let change = Change::between(&open, &closed);
    assert!(!change.opens_past(), "{:?}", change.opened);
    assert!(change.closed.iter().any(|path| path.hops[0].object == "Service hello/second"));
}
