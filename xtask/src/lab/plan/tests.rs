use super::*;

fn plan() -> Plan {
    Plan::new("t", &Topology::standard()).unwrap()
}

#[test]
fn pods_are_spread_over_the_nodes_and_addressed_from_their_ranges() {
    let plan = plan();
    let rows = [
        ("cilium-envoy-node-1", "node-1", "172.18.0.11"),
        ("cilium-envoy-node-2", "node-2", "172.18.0.12"),
        ("hello-waypoint-1", "node-1", "10.244.1.10"),
        ("hello-waypoint-2", "node-2", "10.244.2.10"),
        ("hello-backend-1", "node-1", "10.244.1.11"),
        ("hello-backend-2", "node-2", "10.244.2.11"),
        ("client-1", "node-1", "10.244.1.12"),
        ("client-8", "node-2", "10.244.2.15"),
    ];
    for (name, node, address) in rows {
        let pod = plan.pod(name).unwrap();
        assert_eq!((pod.node.as_str(), pod.ip().to_string().as_str()), (node, address), "{name}");
    }
}

#[test]
fn no_address_is_given_twice() {
    let plan = plan();
    let of_nodes = plan.nodes.iter().flat_map(|n| [n.address, n.router, n.ingress]);
    let of_pods = plan.pods.iter().filter(|p| !p.host_network).map(|p| p.address);
    let all: Vec<IpAddr> = of_nodes.chain(of_pods).flat_map(Address::iter).collect();
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert!(all.contains(&"fd00:10:244:2::a".parse().unwrap()));
}

#[test]
fn two_labs_have_different_uids_and_the_same_lab_the_same() {
    let uid = |id: &str| Plan::new(id, &Topology::standard()).unwrap().pod("client-1").unwrap().uid.clone();
    assert_eq!(uid("a"), uid("a"));
    assert_ne!(uid("a"), uid("b"));
    assert_eq!(uid("a").len(), 36);
}

#[test]
fn a_restarted_container_has_another_id_and_cgroup_in_the_same_pod() {
    let mut plan = plan();
    let before = plan.pod("hello-waypoint-1").unwrap().clone();
    plan.restart("hello-waypoint-1", "caddy").unwrap();
    let after = plan.pod("hello-waypoint-1").unwrap();
    assert_eq!(before.uid, after.uid);
    assert_ne!(before.containers[0].id, after.containers[0].id);
    assert_ne!(before.containers[0].cgroup, after.containers[0].cgroup);
    assert_eq!(before.containers[1].id, after.containers[1].id);
}

#[test]
fn endpoints_are_found_by_the_name_of_a_port() {
    let plan = plan();
    let found: Vec<_> =
        plan.endpoints("hello-backend", "http").iter().map(|(pod, port)| (pod.name.clone(), *port)).collect();
    assert_eq!(found, [("hello-backend-1".to_owned(), 8084), ("hello-backend-2".to_owned(), 8084)]);
}
