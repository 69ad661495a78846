//! The bridge: what the API server hands out after the lab was put into it is what a watch list of that lab is made of.

use std::collections::BTreeSet;

use serde_json::Value;

use waypoint_verify::inventory::{Inventory, compile};
use waypoint_verify::manifest::{Problem, read_str};
use waypoint_verify::model::{ProxyKind, WatchList};
use waypoint_verify::policy::take_policies;

use xtask::cluster;
use xtask::lab::topology::Program;

use crate::{Cluster, cluster as the_cluster};

/// Everything in the API server, its policy among it, compiled; nothing of it may be a problem.
fn compiled(cluster: &Cluster) -> WatchList {
    let list = cluster::everything(&cluster.server).unwrap();
    let (objects, mut problems) = read_str("the API server", &list.to_string());
    let (policies, objects) = take_policies(objects, &mut problems);
    assert_eq!(policies.len(), 1);
    let (inventory, more) = Inventory::from_objects(objects);
    problems.extend(more);
    let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, [""; 0]);
    compile(&policies, &inventory).unwrap()
}

/// Container ids of the plan that run this.
fn running(cluster: &Cluster, wanted: impl Fn(&Program) -> bool) -> BTreeSet<String> {
    let containers = cluster.plan.pods.iter().flat_map(|pod| &pod.containers);
    containers.filter(|c| wanted(&c.run)).map(|c| c.id.clone()).collect()
}

#[test]
fn the_watch_list_names_the_lab_s_containers() {
    let Some(cluster) = the_cluster("the_watch_list_names_the_lab_s_containers") else { return };
    let watch = compiled(&cluster);
    // A whole API server has much that no watch list needs, and that is said.
    let findings: Vec<_> =
        watch.findings.iter().filter(|finding| !finding.starts_with("kinds that were read")).collect();
    assert_eq!(findings, [""; 0]);
    let all: BTreeSet<String> = watch.containers.keys().cloned().collect();
    assert_eq!(all, running(&cluster, |_| true));
    let pods: BTreeSet<&str> = watch.pods.keys().map(String::as_str).collect();
    assert_eq!(pods, cluster.plan.pods.iter().map(|pod| pod.uid.as_str()).collect());
    let policy = &watch.policies[0];
    let waypoint: BTreeSet<String> = policy.waypoint.iter().map(ToString::to_string).collect();
    // The Service leads to the port of Caddy: the sidecar beside it is no waypoint.
    assert_eq!(waypoint, running(&cluster, |run| matches!(run, Program::Waypoint { .. })));
    let gateways = watch.proxies.iter().filter(|(_, proxy)| proxy.kind == ProxyKind::Gateway);
    assert_eq!(
        gateways.map(|(id, _)| id.to_string()).collect::<BTreeSet<_>>(),
        running(&cluster, |run| *run == Program::Envoy)
    );
    assert_eq!(watch.protected.len(), 2);
}

#[test]
fn every_address_of_the_lab_s_gateways_is_a_listener() {
    let Some(cluster) = the_cluster("every_address_of_the_lab_s_gateways_is_a_listener") else { return };
    let watch = compiled(&cluster);
    for (address, gateway) in [
        ("10.96.0.80:80", "hello/hello-gateway"),
        ("[fd00:10:96::80]:80", "hello/hello-gateway"),
        ("172.18.0.200:80", "hello/hello-gateway"),
        ("172.18.0.11:30080", "hello/hello-gateway"),
        ("10.96.0.82:8082", "hello/hello-upstream"),
        ("172.18.0.201:8082", "hello/hello-upstream"),
    ] {
        let listener = watch.listeners.get(&address.parse().unwrap());
        assert_eq!(listener.map(|l| l.gateway.to_string()).as_deref(), Some(gateway), "{address}");
    }
    // hello-upstream has no port of the nodes.
    assert!(!watch.listeners.contains_key(&"172.18.0.11:30082".parse().unwrap()));
}

/// The pod is another one after it, to the watch list and to the plan alike.
#[test]
fn a_container_that_was_restarted_is_known_by_its_new_id() {
    let Some(mut cluster) = the_cluster("a_container_that_was_restarted_is_known_by_its_new_id") else { return };
    let id = |cluster: &Cluster| cluster.plan.pod("hello-backend-1").unwrap().container("caddy").unwrap().id.clone();
    let before = id(&cluster);
    cluster.0.plan.restart("hello-backend-1", "caddy").unwrap();
    cluster::populate::restarted(&cluster.server, &cluster.plan, "hello-backend-1").unwrap();
    let after = id(&cluster);
    assert_ne!(before, after);
    assert!(compiled(&cluster).containers.contains_key(&after));
}

/// What Cilium makes of the experiment is what the lab's own translation makes of it: Envoy's routes and clusters, and whose they are.
#[test]
fn the_lab_s_own_translation_agrees_with_cilium_s() {
    let Some(cluster) = the_cluster("the_lab_s_own_translation_agrees_with_cilium_s") else { return };
    let lab = xtask::lab::Plan::new("experiment", &xtask::lab::Topology::standard()).unwrap();
    let own = xtask::lab::described(&lab).unwrap();
    for name in ["cilium-gateway-hello-gateway", "cilium-gateway-hello-upstream"] {
        let real = cluster.get("ciliumenvoyconfigs.cilium.io", "hello", name).unwrap();
        let items = own["items"].as_array().unwrap().iter();
        let of = |o: &&Value| o["kind"] == "CiliumEnvoyConfig" && o["metadata"]["name"] == name;
        let own = items.clone().find(of).unwrap();
        for field in ["services", "backendServices"] {
            assert_eq!(own["spec"][field], real["spec"][field], "{name}: {field}");
        }
        assert_eq!(essence(own), essence(&real), "{name}");
    }
}

/// Virtual hosts with matches and clusters, and the clusters' endpoints.
fn essence(config: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    for resource in config["spec"]["resources"].as_array().unwrap() {
        for host in resource["virtualHosts"].as_array().into_iter().flatten() {
            for route in host["routes"].as_array().unwrap() {
                out.push(serde_json::json!([host["domains"], route["match"], route["route"]["cluster"]]));
            }
        }
        if let Some(service) = resource.pointer("/edsClusterConfig/serviceName") {
            out.push(serde_json::json!([resource["name"], service]));
        }
    }
    out
}
