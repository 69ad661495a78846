//! Files of a cluster in, a watch list out.

mod bad_input;
mod envoy;
mod selectors;

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

#[test]
fn canaries_enter_at_the_gateway_and_self_attacks_go_past_the_waypoint() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata: {namespace: hello, name: \
                 hello-backend, labels: {kubernetes.io/service-name: hello-backend}}\nendpoints: [{addresses: [10.244.1.40]}]\n\
                 ports: [{port: 8084}]\n";
    let (inventory, _) = inventory(&format!("{CLUSTER}---\n{slice}"));
    let paths = |policy: &str| canary_paths(&policies(policy)[0], &inventory);
    assert_eq!(paths(POLICY), None, "nobody asked for them");
    let asked = POLICY.replace("window: 10m", "canary: {path: /healthz}");
    let found = paths(&asked).unwrap();
    assert_eq!(found.entry, ["10.96.0.80:80".parse().unwrap()].into());
    assert_eq!(found.upstream, Some("10.96.0.82:8082".parse().unwrap()));
    let direct: Vec<_> = found.direct.iter().map(ToString::to_string).collect();
    assert_eq!(direct, ["10.244.1.40:8084"]);
    let elsewhere = POLICY.replace("window: 10m", "canary: {path: /healthz, port: 443}");
    assert_eq!(paths(&elsewhere).unwrap().entry, [].into(), "the Gateway has no such port");
}
