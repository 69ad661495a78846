use super::*;
use crate::lab::topology::Topology;

fn items() -> Vec<Value> {
    let plan = Plan::new("t", &Topology::standard()).unwrap();
    described(&plan).unwrap()["items"].as_array().unwrap().clone()
}

fn find<'a>(items: &'a [Value], kind: &str, name: &str) -> &'a Value {
    items
        .iter()
        .find(|item| item["kind"] == kind && item["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("{kind} {name}"))
}

#[test]
fn every_object_has_the_identity_that_an_api_server_gives() {
    let items = items();
    let mut seen = std::collections::HashSet::new();
    for item in &items {
        for field in ["/apiVersion", "/kind", "/metadata/name", "/metadata/uid"] {
            assert!(
                item.pointer(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
                "{field} of {item}"
            );
        }
        assert!(seen.insert(item["metadata"]["uid"].to_string()), "one UID twice: {item}");
    }
}

#[test]
fn pods_say_where_they_run_and_which_containers_they_have() {
    let items = items();
    let waypoint = find(&items, "Pod", "hello-waypoint-2");
    assert_eq!(waypoint["spec"]["nodeName"], "node-2");
    assert_eq!(waypoint["status"]["podIP"], "10.244.2.10");
    assert_eq!(waypoint["status"]["hostIP"], "172.18.0.12");
    let statuses = waypoint["status"]["containerStatuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.iter().all(|s| s["containerID"].as_str().unwrap().len() == "containerd://".len() + 64));
    let envoy = find(&items, "Pod", "cilium-envoy-node-1");
    assert_eq!((&envoy["spec"]["hostNetwork"], &envoy["status"]["podIP"]), (&json!(true), &json!("172.18.0.11")));
    assert_eq!(envoy["metadata"]["ownerReferences"][0]["kind"], "DaemonSet");
    assert_eq!(
        envoy["metadata"]["ownerReferences"][0]["uid"],
        find(&items, "DaemonSet", "cilium-envoy")["metadata"]["uid"]
    );
}

#[test]
fn a_gateway_has_the_service_and_the_envoy_configuration_that_cilium_makes() {
    let items = items();
    let service = find(&items, "Service", "cilium-gateway-hello-upstream");
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.82");
    assert_eq!(service["spec"]["ports"][0]["nodePort"], 30082);
    assert!(service["spec"].get("selector").is_none());
    let config = find(&items, "CiliumEnvoyConfig", "cilium-gateway-hello-gateway");
    let resources = config["spec"]["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 3);
    assert_eq!(resources[2]["name"], "hello:hello-waypoint:8080");
    assert_eq!(find(&items, "Gateway", "hello-gateway")["status"]["listeners"][0]["attachedRoutes"], 1);
    assert_eq!(find(&items, "CiliumNode", "node-2")["spec"]["ingress"]["ipv4"], "10.244.2.2");
}
