//! What Cilium's controller makes of the experiment, and of each way past its waypoint.

use serde_json::{Value, json};

use crate::{Cluster, cluster, condition};

const WAYPOINT: &str = "hello:hello-waypoint:8080";
const BACKEND: &str = "hello:hello-backend:8083";

/// The demanded path, and nothing else: what every test finds and leaves.
fn is_undisturbed(cluster: &Cluster) {
    cluster.wait_for_upstreams("hello", "hello-gateway", &[WAYPOINT]);
    cluster.wait_for_upstreams("hello", "hello-upstream", &[BACKEND]);
}

#[test]
fn both_gateways_are_programmed_at_the_lab_s_addresses() {
    let Some(cluster) = cluster("both_gateways_are_programmed_at_the_lab_s_addresses") else { return };
    is_undisturbed(&cluster);
    for (name, ip, balancer) in
        [("hello-gateway", "10.96.0.80", "172.18.0.200"), ("hello-upstream", "10.96.0.82", "172.18.0.201")]
    {
        let gateway = cluster.get("gateways.gateway.networking.k8s.io", "hello", name).unwrap();
        assert_eq!(condition(&gateway, "Accepted").0, "True", "{gateway}");
        assert_eq!(condition(&gateway, "Programmed").0, "True", "{gateway}");
        assert_eq!(gateway["status"]["addresses"][0]["value"], balancer);
        assert_eq!(gateway["status"]["listeners"][0]["attachedRoutes"], 1);
        let service = cluster.get("services", "hello", &format!("cilium-gateway-{name}")).unwrap();
        assert_eq!(service["spec"]["clusterIP"], ip);
        assert_eq!(service["metadata"]["ownerReferences"][0]["kind"], "Gateway");
        let slice = cluster.get("endpointslices.discovery.k8s.io", "hello", &format!("cilium-gateway-{name}")).unwrap();
        assert_eq!(slice["endpoints"][0]["addresses"][0], "192.192.192.192", "{slice}");
    }
}

/// Nobody but the waypoint should call it: no port of the nodes, and a load balancer that lets nobody in.
#[test]
fn the_gateway_behind_the_waypoint_is_as_closed_as_it_can_be() {
    let Some(cluster) = cluster("the_gateway_behind_the_waypoint_is_as_closed_as_it_can_be") else { return };
    let service = cluster.get("services", "hello", "cilium-gateway-hello-upstream").unwrap();
    assert_eq!(service["spec"]["type"], "LoadBalancer");
    assert_eq!(service["spec"]["allocateLoadBalancerNodePorts"], false);
    assert_eq!(service["spec"]["ports"][0].get("nodePort"), None, "{service}");
    assert_eq!(service["spec"]["loadBalancerSourceRanges"], json!(["0.0.0.0/0", "::/0"]));
    assert_eq!(service["metadata"]["annotations"]["service.cilium.io/src-ranges-policy"], "Deny");
    let front = cluster.get("services", "hello", "cilium-gateway-hello-gateway").unwrap();
    assert_eq!(front["spec"]["ports"][0]["nodePort"], 30080, "{front}");
}

#[test]
fn a_gateway_with_a_cluster_ip_only_is_refused() {
    let Some(cluster) = cluster("a_gateway_with_a_cluster_ip_only_is_refused") else { return };
    let config = |kind: &str| {
        json!({
            "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumGatewayClassConfig",
            "metadata": {"name": "tried", "namespace": "hello"}, "spec": {"service": {"type": kind}},
        })
    };
    let error = format!("{:#}", cluster.server.client().create(&config("ClusterIP")).unwrap_err());
    assert!(error.contains(r#"supported values: "LoadBalancer", "NodePort""#), "{error}");
    let made = cluster.server.client().create(&config("NodePort")).unwrap();
    cluster.server.client().delete(&made).unwrap();
}

#[test]
fn a_second_route_sends_some_requests_of_the_same_gateway_to_the_backend() {
    let Some(cluster) = cluster("a_second_route_sends_some_requests_of_the_same_gateway_to_the_backend") else {
        return;
    };
    is_undisturbed(&cluster);
    cluster.open("bypass-route");
    cluster.wait_for_upstreams("hello", "hello-gateway", &[BACKEND, WAYPOINT]);
    let config = cluster.get("ciliumenvoyconfigs.cilium.io", "hello", "cilium-gateway-hello-gateway").unwrap();
    let tables = config["spec"]["resources"].as_array().unwrap().iter().filter(|r| r["virtualHosts"].is_array());
    let routes: Vec<&Value> = tables.flat_map(|t| t["virtualHosts"][0]["routes"].as_array().unwrap()).collect();
    // The narrower match comes first; both are of one table, and so of one listener.
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert_eq!(routes[0]["route"]["cluster"], BACKEND);
    assert_eq!(routes[0]["match"]["headers"][0]["name"], "traceparent");
    assert_eq!(routes[1]["route"]["cluster"], WAYPOINT);
    cluster.close("bypass-route");
    is_undisturbed(&cluster);
}

#[test]
fn a_gateway_of_another_namespace_reaches_the_backend_by_a_grant_and_only_by_it() {
    let Some(cluster) = cluster("a_gateway_of_another_namespace_reaches_the_backend_by_a_grant_and_only_by_it") else {
        return;
    };
    cluster.open("bypass-gateway");
    cluster.wait_for_upstreams("other", "other-gateway", &[BACKEND]);
    xtask::cluster::populate::gateways(&cluster.server, &cluster.plan).unwrap();
    let service = cluster.get("services", "other", "cilium-gateway-other-gateway").unwrap();
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.90");
    is_undisturbed(&cluster);
    let kubectl = ["delete", "referencegrant", "--namespace=hello", "other-to-hello"];
    assert!(cluster.server.kubectl().unwrap().args(kubectl).status().unwrap().success());
    cluster.wait_for_upstreams("other", "other-gateway", &[]);
    let route = cluster.get("httproutes.gateway.networking.k8s.io", "other", "other").unwrap();
    let refused = condition(&route["status"]["parents"][0], "ResolvedRefs");
    assert_eq!(refused, ("False".to_owned(), "RefNotPermitted".to_owned()));
    // Whole again, so that it can be taken back as a whole.
    cluster.open("bypass-gateway");
    cluster.close("bypass-gateway");
    assert!(cluster.upstreams("other", "other-gateway").is_err());
}

/// Nothing that configures a Gateway tells of these: only traffic does.
#[test]
fn the_other_bypasses_leave_no_trace_in_any_gateway() {
    let Some(cluster) = cluster("the_other_bypasses_leave_no_trace_in_any_gateway") else { return };
    let before = configurations(&cluster);
    for bypass in ["bypass-direct", "bypass-nodeport", "bypass-upstream"] {
        cluster.open(bypass);
        cluster.server.client().endpoint_slices("hello").unwrap();
        // The controller has seen it by the time that it has seen something newer.
        touch(&cluster);
        assert_eq!(configurations(&cluster), before, "{bypass}");
        match bypass {
            "bypass-direct" => {
                let service = cluster.get("services", "hello", "hello-backend-pods").unwrap();
                assert_eq!(service["spec"]["clusterIP"], "None");
            }
            "bypass-nodeport" => {
                let service = cluster.get("services", "hello", "hello-backend-nodeport").unwrap();
                assert_eq!(service["spec"]["clusterIP"], "10.96.0.21");
                assert_eq!(service["spec"]["ports"][0]["nodePort"], 30084);
            }
            _ => {}
        }
        cluster.close(bypass);
        cluster.server.client().endpoint_slices("hello").unwrap();
    }
}

fn configurations(cluster: &Cluster) -> Vec<Value> {
    let output =
        cluster.server.kubectl().unwrap().args(["get", "ciliumenvoyconfigs", "-A", "--output=json"]).output().unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["items"].as_array().unwrap().iter().map(|item| item["spec"].clone()).collect()
}

/// Makes the controller look at a Gateway once more, and waits until it has.
fn touch(cluster: &Cluster) {
    cluster.open("bypass-route");
    cluster.wait_for_upstreams("hello", "hello-gateway", &[BACKEND, WAYPOINT]);
    cluster.close("bypass-route");
    is_undisturbed(cluster);
}
