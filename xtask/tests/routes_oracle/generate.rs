//! Small worlds by chance: Gateways, ListenerSets, routes, grants and Services, with few enough names that much of them meets.

pub mod ingresses;
pub mod routes;

use serde_json::{Value, json};

use super::random::Random;
use super::translate::Set;

pub const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const SERVICES: [&str; 2] = ["s", "t"];
const HOSTS: [&str; 6] =
    ["a.example.com", "b.example.com", "*.example.com", "x.a.example.com", "*.a.example.com", "*.com"];
const PORTS: [u16; 3] = [80, 8080, 443];
pub const GATEWAYS: [&str; 3] = ["g1", "g2", "g3"];
const LISTENERS: [&str; 3] = ["l1", "l2", "l3"];

/// Where routes may be attached.
#[derive(Debug, Clone)]
pub struct Parent {
    pub kind: &'static str,
    pub namespace: &'static str,
    pub name: String,
}

pub fn set(seed: u64) -> Set {
    let mut random = Random::new(seed);
    let random = &mut random;
    let mut objects = common(random);
    let mut parents = Vec::new();
    for name in &GATEWAYS[..random.between(1, 3)] {
        let namespace = random.of(&NAMESPACES);
        objects.push(gateway(random, namespace, name));
        parents.push(Parent { kind: "Gateway", namespace, name: (*name).to_owned() });
    }
    if random.often(40) {
        let gateway = parents[random.below(parents.len())].clone();
        let namespace = if random.often(50) { gateway.namespace } else { random.of(&NAMESPACES) };
        objects.push(listener_set(random, namespace, &gateway));
        parents.push(Parent { kind: "ListenerSet", namespace, name: "set".to_owned() });
    }
    for number in 1..=random.between(1, 6) {
        objects.push(routes::http(random, &format!("r{number}"), &parents));
    }
    for number in 1..=random.below(3) {
        objects.push(routes::grpc(random, &format!("q{number}"), &parents));
    }
    if random.often(25) {
        objects.push(routes::tls(random, "s1", &parents));
    }
    for number in 1..=random.below(4) {
        objects.push(grant(random, number));
    }
    as_stored(random, seed, objects)
}

/// Ingresses, and routes of Services themselves (GAMMA).
pub fn others(seed: u64) -> Set {
    let mut random = Random::new(seed ^ 0x1296_1234);
    let random = &mut random;
    let mut objects = common(random);
    for number in 1..=random.below(5) {
        objects.push(ingresses::ingress(random, &format!("i{number}")));
    }
    for number in 1..=random.below(4) {
        objects.push(routes::of_services(random, &format!("m{number}")));
    }
    as_stored(random, seed, objects)
}

/// With what an API server adds, in any order.
fn as_stored(random: &mut Random, seed: u64, mut objects: Vec<Value>) -> Set {
    for object in &mut objects {
        let seconds = random.below(60);
        object["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:{seconds:02}Z"));
        object["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{:012x}", random.next() & 0xffff_ffff_ffff));
    }
    random.shuffle(&mut objects);
    Set { id: format!("seed {seed}"), objects }
}

fn common(random: &mut Random) -> Vec<Value> {
    let gateway_api = "gateway.networking.k8s.io/v1";
    let mut objects = vec![json!({
        "apiVersion": gateway_api, "kind": "GatewayClass", "metadata": {"name": "cilium"},
        "spec": {"controllerName": "io.cilium/gateway-controller"},
    })];
    for namespace in NAMESPACES {
        let labels = json!({"team": random.of(&["red", "blue"])});
        objects
            .push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}));
        for name in ["cert1", "cert2"] {
            // Nobody reads what is in it, but that it is PEM.
            let pem = "LS0tLS1CRUdJTiBYLS0tLS0KTUE9PQotLS0tLUVORCBYLS0tLS0K";
            objects.push(json!({
                "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                "metadata": {"namespace": namespace, "name": name}, "data": {"tls.crt": pem, "tls.key": pem},
            }));
        }
        for name in SERVICES {
            if random.often(85) {
                objects.extend(service(random, namespace, name));
            }
        }
    }
    objects
}

/// A Service, its pod and its EndpointSlice.
fn service(random: &mut Random, namespace: &str, name: &str) -> Vec<Value> {
    let mut ports = vec![json!({"name": "p80", "port": 80, "targetPort": 8000, "protocol": "TCP"})];
    if random.often(50) {
        ports.push(json!({"name": "p8080", "port": 8080, "targetPort": 8001, "protocol": "TCP"}));
    }
    for port in &mut ports {
        if random.often(30) {
            port["appProtocol"] = json!(random.of(&["http", "grpc", "kubernetes.io/h2c"]));
        }
    }
    let address = format!("10.0.{}.{}", namespace.as_bytes()[0], name.as_bytes()[0]);
    let labels = json!({"app": name});
    let slice_ports: Vec<_> =
        ports.iter().map(|p| json!({"name": p["name"], "port": p["targetPort"], "protocol": "TCP"})).collect();
    let containers =
        json!([{"name": "main", "image": "none", "ports": [{"containerPort": 8000}, {"containerPort": 8001}]}]);
    vec![
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name},
            "spec": {"type": "ClusterIP", "selector": labels, "ports": ports},
        }),
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"containers": containers}, "status": {"podIP": address, "podIPs": [{"ip": address}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": namespace, "name": format!("{name}-1"), "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": slice_ports,
            "endpoints": [{
                "addresses": [address], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": name},
            }],
        }),
    ]
}

fn gateway(random: &mut Random, namespace: &str, name: &str) -> Value {
    let count = random.between(1, 3);
    let mut spec = json!({"gatewayClassName": "cilium", "listeners": listeners(random, &LISTENERS[..count])});
    if random.often(70) {
        let from = random.of(&["All", "All", "Same", "None"]);
        spec["allowedListeners"] = json!({"namespaces": {"from": from}});
    }
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec,
    })
}

fn listener_set(random: &mut Random, namespace: &str, gateway: &Parent) -> Value {
    let mut parent = json!({"name": gateway.name});
    if gateway.namespace != namespace {
        parent["namespace"] = json!(gateway.namespace);
    }
    let names = if random.often(50) { &LISTENERS[..2] } else { &["l4"][..] };
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet",
        "metadata": {"namespace": namespace, "name": "set"},
        "spec": {"parentRef": parent, "listeners": listeners(random, names)},
    })
}

/// No two of one port and name: the API server would refuse them.
fn listeners(random: &mut Random, names: &[&str]) -> Vec<Value> {
    let mut taken = Vec::new();
    let mut listeners = Vec::new();
    for name in names {
        let port = random.of(&PORTS);
        let hostname = random.often(50).then(|| random.of(&HOSTS));
        let protocol = match random.below(20) {
            0..15 => "HTTP",
            15..18 => "HTTPS",
            _ => "TLS",
        };
        if taken.contains(&(port, protocol, hostname)) {
            continue;
        }
        taken.push((port, protocol, hostname));
        let mut listener = json!({"name": name, "port": port, "protocol": protocol});
        match protocol {
            "HTTPS" => listener["tls"] = json!({"certificateRefs": [certificate(random)]}),
            "TLS" => listener["tls"] = json!({"mode": "Passthrough"}),
            _ => {}
        }
        if let Some(hostname) = hostname {
            listener["hostname"] = json!(hostname);
        }
        if random.often(92) {
            listener["allowedRoutes"] = allowed_routes(random);
        }
        listeners.push(listener);
    }
    listeners
}

/// One that may be missing or of another namespace.
fn certificate(random: &mut Random) -> Value {
    let mut certificate = json!({"name": if random.often(8) { "none" } else { random.of(&["cert1", "cert2"]) }});
    if random.often(10) {
        certificate["namespace"] = json!(random.of(&NAMESPACES));
    }
    certificate
}

fn allowed_routes(random: &mut Random) -> Value {
    let mut allowed = match random.below(10) {
        0..6 => json!({"namespaces": {"from": "All"}}),
        6 => json!({"namespaces": {"from": "Same"}}),
        7 => json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}}),
        8 => {
            json!({"namespaces": {"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["red"]}]}}})
        }
        _ => json!({}),
    };
    if random.often(12) {
        allowed["kinds"] = json!([{"kind": random.of(&["HTTPRoute", "GRPCRoute"])}]);
    }
    allowed
}

fn grant(random: &mut Random, number: usize) -> Value {
    let mut to = json!({"group": "", "kind": "Service"});
    if random.often(40) {
        to["name"] = json!(random.of(&SERVICES));
    }
    let kind = random.of(&["HTTPRoute", "HTTPRoute", "GRPCRoute"]);
    let from = json!({"group": "gateway.networking.k8s.io", "kind": kind, "namespace": random.of(&NAMESPACES)});
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": {"namespace": random.of(&NAMESPACES), "name": format!("grant{number}")},
        "spec": {"from": [from], "to": [to]},
    })
}
