//! Every bad input has a message that names file, object and field.

use super::*;

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
