//! From what Cilium's operator generates to what an Envoy can serve: addresses for listeners, endpoints for clusters, routes by file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::Config;
use crate::gateway::{Backend, Translated, generated_name, resources};
use crate::lab::plan::{Node, Plan};
use crate::lab::topology::GatewaySpec;

pub fn bootstrap(node: &str, dir: &Path) -> Value {
    let file = |name: &str| file_source(&dir.join(name));
    json!({
        "node": {"id": node, "cluster": "waypoint-verify-lab"},
        "admin": {"address": {"pipe": {"path": dir.join("admin.sock")}}},
        "dynamicResources": {"ldsConfig": file("lds.json"), "cdsConfig": file("cds.json")},
        "staticResources": {"listeners": [revision_listener(dir)]},
        // As Cilium limits it.
        "overloadManager": {"resourceMonitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "maxActiveDownstreamConnections": 50000,
            },
        }]},
    })
}

/// Answered by the worker itself; how `Envoy::update` knows that the worker has come to what was queued for it.
fn revision_listener(dir: &Path) -> Value {
    let answer = json!({"name": "revision", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "directResponse": {"status": 200}}]});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "statPrefix": "revision",
        "routeConfig": {"name": "revision", "virtualHosts": [answer]},
        "httpFilters": [{"name": "envoy.filters.http.router", "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    json!({
        "name": "revision",
        "address": {"pipe": {"path": dir.join("revision.sock")}},
        "filterChains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typedConfig": manager}]}],
    })
}

/// File name, without its end, for a route configuration.
pub fn route_file(route_name: &str) -> String {
    format!("rds-{}", route_name.replace('/', "-"))
}

/// The whole configuration of one node's Envoy. All its Gateways share one cluster for each Service port.
pub fn of_node(plan: &Plan, node: &Node, dir: &Path, translated: &[Translated]) -> Config {
    let backends: BTreeSet<&Backend> = translated.iter().flat_map(|t| &t.backends).collect();
    let gateways = plan.topology.gateways.iter().zip(translated);
    Config {
        listeners: gateways.map(|(gateway, t)| listener(node, dir, gateway, &t.route_name)).collect(),
        clusters: backends.into_iter().map(|backend| cluster(plan, node, backend)).collect(),
        routes: translated.iter().map(|t| (t.route_name.clone(), t.routes.clone())).collect::<BTreeMap<_, _>>(),
    }
}

/// The addresses at which a Gateway answers on a node: where Cilium would hand the connection to this node's Envoy.
fn listener(node: &Node, dir: &Path, gateway: &GatewaySpec, route_name: &str) -> Value {
    let mut addresses = Vec::new();
    for listener in &gateway.listeners {
        let vips = gateway.cluster_ip.iter().chain(gateway.load_balancer_ip.iter()).map(|ip| (ip, listener.port));
        let node_ports = node.address.iter().map(|ip| (ip, listener.node_port));
        addresses.extend(vips.chain(node_ports).map(|(ip, port)| socket_address(ip, port)));
    }
    let name = format!("{}/{}/listener", gateway.namespace, generated_name(&gateway.name));
    let mut out = resources::listener(&name, route_name);
    let mut addresses = addresses.into_iter();
    out["address"] = addresses.next().unwrap_or_default();
    out["additionalAddresses"] = addresses.map(|address| json!({"address": address})).collect();
    let rds = &mut out["filterChains"][0]["filters"][0]["typedConfig"]["rds"];
    let path = dir.join(format!("{}.json", route_file(route_name)));
    rds["configSource"] = file_source(&path);
    out
}

fn cluster(plan: &Plan, node: &Node, backend: &Backend) -> Value {
    let mut out = resources::cluster(backend);
    let services =
        plan.topology.services.iter().filter(|s| s.namespace == backend.namespace && s.name == backend.service);
    let ports =
        services.flat_map(|s| s.ports.iter().filter(|p| p.port == backend.port).map(|p| (&s.workload, &p.target_port)));
    let endpoints: Vec<_> = ports
        .flat_map(|(workload, target_port)| plan.endpoints(workload, target_port))
        .map(|(pod, port)| json!({"endpoint": {"address": socket_address(pod.ip(), port)}}))
        .collect();
    let fields = out.as_object_mut().expect("a cluster is an object");
    fields.remove("edsClusterConfig");
    fields.insert("type".to_owned(), json!("STATIC"));
    fields.insert(
        "loadAssignment".to_owned(),
        json!({"clusterName": backend.to_string(), "endpoints": [{"lbEndpoints": endpoints}]}),
    );
    // Cilium: the source of a Gateway's upstream connections is the node's ingress address (facts A2, case a).
    let source = json!({"address": node.ingress.v4(), "portValue": 0});
    fields.insert("upstreamBindConfig".to_owned(), json!({"sourceAddress": source}));
    out
}

/// Read from a file, and again whenever another one is moved there.
pub(super) fn file_source(path: &Path) -> Value {
    json!({"pathConfigSource": {"path": path}, "resourceApiVersion": "V3"})
}

pub(super) fn socket_address(ip: IpAddr, port: u16) -> Value {
    json!({"socketAddress": {"address": ip, "portValue": port}})
}
