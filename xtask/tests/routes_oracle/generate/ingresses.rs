//! Ingresses by chance.

use serde_json::{Map, Value, json};

use super::routes::{EXACT, PATTERNS, PREFIXES};
use super::{HOSTS, NAMESPACES, SERVICES};
use crate::random::Random;

pub fn ingress(random: &mut Random, name: &str) -> Value {
    let mut spec = Map::new();
    // Another controller's is served by nobody here.
    let class = if random.often(92) { "cilium" } else { "other" };
    let mut annotations = annotations(random);
    if random.often(15) {
        annotations.insert("kubernetes.io/ingress.class".to_owned(), json!(class));
    } else {
        spec.insert("ingressClassName".to_owned(), json!(class));
    }
    if random.often(35) {
        spec.insert("defaultBackend".to_owned(), backend(random));
    }
    let rules: Vec<_> = (0..random.between(1, 3)).map(|_| rule(random)).collect();
    if random.often(45) {
        spec.insert("tls".to_owned(), (0..random.between(1, 2)).map(|_| tls(random, &rules)).collect());
    }
    spec.insert("rules".to_owned(), rules.into());
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": random.of(&NAMESPACES), "name": name, "annotations": annotations}, "spec": spec,
    })
}

fn annotations(random: &mut Random) -> Map<String, Value> {
    let mut annotations = Map::new();
    if random.often(60) {
        let name = random.of(&["ingress.cilium.io/loadbalancer-mode", "io.cilium.ingress/loadbalancer-mode"]);
        annotations.insert(name.to_owned(), json!(random.of(&["shared", "shared", "dedicated", "other"])));
    }
    if random.often(50) {
        let value = random.of(&["enabled", "disabled", "true", "false", "perhaps"]);
        annotations.insert("ingress.cilium.io/force-https".to_owned(), json!(value));
    }
    if random.often(12) {
        annotations.insert("ingress.cilium.io/tls-passthrough".to_owned(), json!(random.of(&["enabled", "1", "no"])));
    }
    annotations
}

fn rule(random: &mut Random) -> Value {
    let paths: Vec<_> = (0..random.between(1, 3)).map(|_| path(random)).collect();
    let mut rule = json!({"http": {"paths": paths}});
    if random.often(75) {
        rule["host"] = json!(random.of(&HOSTS));
    }
    rule
}

fn path(random: &mut Random) -> Value {
    let (kind, path) = match random.below(10) {
        0..5 => ("Prefix", random.of(&PREFIXES)),
        5..8 => ("Exact", random.of(&EXACT)),
        _ => ("ImplementationSpecific", random.of(&PATTERNS).0),
    };
    json!({"path": path, "pathType": kind, "backend": backend(random)})
}

/// A port by number or by name, one that may not be there.
fn backend(random: &mut Random) -> Value {
    let port = match random.below(4) {
        0 => json!({"name": "p80"}),
        1 => json!({"number": 8080}),
        _ => json!({"number": 80}),
    };
    json!({"service": {"name": random.of(&SERVICES), "port": port}})
}

/// Hosts, most of them of the rules.
fn tls(random: &mut Random, rules: &[Value]) -> Value {
    let mut hosts: Vec<&str> = Vec::new();
    for _ in 0..random.between(1, 2) {
        let of_rule = rules[random.below(rules.len())]["host"].as_str().filter(|_| random.often(75));
        let host = of_rule.unwrap_or_else(|| random.of(&HOSTS));
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let mut tls = json!({"hosts": hosts});
    if random.often(85) {
        tls["secretName"] = json!(random.of(&["cert1", "cert2"]));
    }
    tls
}
