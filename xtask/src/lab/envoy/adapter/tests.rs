//! The lab describes itself as a cluster would: adapted, that is the configuration that the lab makes by itself.

use super::*;
use crate::gateway;
use crate::lab::objects::Objects;
use crate::lab::plan::Plan;
use crate::lab::topology::Topology;
use crate::lab::{described, envoy};

type Change<'a> = &'a dyn Fn(&mut Value);

fn both() -> (Config, Config) {
    let plan = Plan::new("t", &Topology::standard()).unwrap();
    let translated = gateway::translate(&Objects::new(&plan).unwrap().input(&plan));
    let dir = Path::new("/d");
    let own = envoy::config::of_node(&plan, &plan.nodes[0], dir, &translated);
    (own, of_node(&described(&plan).unwrap(), &plan.nodes[0], dir).unwrap())
}

#[test]
fn the_lab_s_own_description_adapts_to_what_the_lab_serves() {
    let (own, adapted) = both();
    assert_eq!(adapted.listeners, own.listeners);
    assert_eq!(adapted.routes, own.routes);
    assert_eq!(adapted.clusters, own.clusters);
}

#[test]
fn what_cannot_be_served_is_refused_with_its_name() {
    let plan = Plan::new("t", &Topology::standard()).unwrap();
    let adapt = |change: Change| {
        let mut cluster = described(&plan).unwrap();
        let items = cluster["items"].as_array_mut().unwrap();
        items.retain(|item| item["metadata"]["name"] == "cilium-gateway-hello-gateway");
        items.iter_mut().for_each(change);
        format!("{:#}", of_node(&cluster, &plan.nodes[0], Path::new("/d")).unwrap_err())
    };
    let config = |object: &mut Value, pointer: &str, value: Value| {
        if let Some(field) = object.pointer_mut(pointer) {
            *field = value;
        }
    };
    let rows: [(Change, &str); 3] = [
        (&|o| config(o, "/spec/resources/0/@type", json!("x.Secret")), r#"a resource "x.Secret""#),
        (&|o| config(o, "/spec/resources/0/filterChains/0/filters/0/typedConfig/rds", json!(null)), "plain HTTP only"),
        (&|o| config(o, "/spec/services/0/name", json!("gone")), "Service hello/gone is not there"),
    ];
    for (change, expected) in rows {
        let error = adapt(change);
        assert!(
            error.starts_with("CiliumEnvoyConfig hello/cilium-gateway-hello-gateway") && error.contains(expected),
            "{error}"
        );
    }
}

/// A pod that is not ready gets no requests.
#[test]
fn only_ready_endpoints_are_dialled() {
    let plan = Plan::new("t", &Topology::standard()).unwrap();
    let mut cluster = described(&plan).unwrap();
    for slice in cluster["items"].as_array_mut().unwrap().iter_mut().filter(|item| item["kind"] == "EndpointSlice") {
        slice["endpoints"][0]["conditions"]["ready"] = json!(false);
    }
    let config = of_node(&cluster, &plan.nodes[0], Path::new("/d")).unwrap();
    for cluster in config.clusters {
        assert_eq!(cluster["loadAssignment"]["endpoints"][0]["lbEndpoints"].as_array().unwrap().len(), 1, "{cluster}");
    }
}
