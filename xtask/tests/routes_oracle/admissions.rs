//! Whom NetworkPolicies let in: random policies, judged by the policy engine of Cilium's agent and by `routes`. Where `routes` says that
//! somebody is shut out, nobody of that sort may be let in.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use waypoint_verify::manifest::read_str;
use waypoint_verify::model::NamespacedName;
use waypoint_verify::routes::{Admissions, Enforcement, Sender, World};

use super::random::Random;
use super::translate::Answers;

const SETS: u64 = 1500;
const PORTS: [u16; 3] = [8084, 9090, 1];
const NAMESPACES: [(&str, &str); 2] = [("hello", "a"), ("far", "b")];

#[derive(Debug, Deserialize)]
struct Answered {
    #[serde(default)]
    refused: Vec<String>,
    allowed: Vec<bool>,
}

/// A pod of either namespace for each combination of these; the first one is the target.
fn pods() -> Vec<(&'static str, BTreeMap<&'static str, &'static str>)> {
    let mut pods = Vec::new();
    for (namespace, _) in NAMESPACES {
        for app in ["backend", "waypoint", "other"] {
            for tier in ["", "front"] {
                let mut labels = BTreeMap::from([("app", app)]);
                if !tier.is_empty() {
                    labels.insert("tier", tier);
                }
                pods.push((namespace, labels));
            }
        }
    }
    pods
}

/// Those of its Service's selector.
fn is_waypoint(pod: &(&str, BTreeMap<&str, &str>)) -> bool {
    pod.0 == "hello" && pod.1["app"] == "waypoint"
}

fn selector(random: &mut Random, prefix: &str) -> Value {
    let mut selector = json!({});
    if random.often(60) {
        let app = random.of(&["backend", "waypoint", "other"]);
        selector["matchLabels"][format!("{prefix}app")] = json!(app);
    }
    if random.often(20) {
        selector["matchLabels"][format!("{prefix}tier")] = json!("front");
    }
    if random.often(25) {
        let key = format!("{prefix}{}", random.of(&["app", "tier"]));
        let operator = random.of(&["In", "NotIn", "Exists", "DoesNotExist"]);
        selector["matchExpressions"] = json!([{"key": key, "operator": operator}]);
        if operator.ends_with("In") {
            let values: &[&str] = if random.often(50) { &["waypoint"] } else { &["waypoint", "front"] };
            selector["matchExpressions"][0]["values"] = json!(values);
        }
    }
    selector
}

fn namespaces(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!({}),
        1 => json!({"matchLabels": {"kubernetes.io/metadata.name": random.of(&["hello", "far"])}}),
        2 => json!({"matchLabels": {"team": random.of(&["a", "b"])}}),
        _ => {
            json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": random.of(&["In", "NotIn"]), "values": ["hello"]}]})
        }
    }
}

fn some(random: &mut Random, most: usize, mut one: impl FnMut(&mut Random) -> Value) -> Vec<Value> {
    (0..random.between(0, most)).map(|_| one(random)).collect()
}

fn kubernetes(random: &mut Random) -> Value {
    let mut spec = json!({"podSelector": selector(random, "")});
    if random.often(50) {
        spec["policyTypes"] = random.of(&[&["Ingress"][..], &["Egress"], &["Ingress", "Egress"]]).into();
    }
    spec["ingress"] = some(random, 2, |random| {
        let from = some(random, 2, |random| {
            let mut peer = json!({});
            match random.below(4) {
                0 => peer["namespaceSelector"] = namespaces(random),
                1 => {
                    peer["namespaceSelector"] = namespaces(random);
                    peer["podSelector"] = selector(random, "");
                }
                2 if random.often(30) => peer["ipBlock"] = json!({"cidr": "0.0.0.0/0"}),
                _ => peer["podSelector"] = selector(random, ""),
            }
            peer
        });
        let ports = some(random, 2, |random| match random.below(5) {
            0 => json!({"port": 9090, "protocol": "UDP"}),
            1 => json!({"port": "http"}),
            2 => json!({"port": 8000, "endPort": 8100}),
            _ => json!({"port": random.of(&[8084, 9090]), "protocol": "TCP"}),
        });
        json!({"from": from, "ports": ports})
    })
    .into();
    let namespace = random.of(&["hello", "hello", "far"]);
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "k", "namespace": namespace}, "spec": spec})
}

/// With labels that only Cilium's endpoints have.
fn endpoints(random: &mut Random) -> Value {
    let prefix = random.of(&["", "k8s:", "any:"]);
    let mut made = selector(random, prefix);
    match random.below(12) {
        0 => made["matchLabels"]["k8s:io.kubernetes.pod.namespace"] = json!(random.of(&["hello", "far"])),
        1 => made["matchLabels"]["io.cilium.k8s.namespace.labels.team"] = json!(random.of(&["a", "b"])),
        2 => {
            made["matchExpressions"] =
                json!([{"key": "k8s:io.kubernetes.pod.namespace", "operator": random.of(&["Exists", "DoesNotExist"])}])
        }
        3 => made = json!({"matchLabels": {"reserved:ingress": ""}}),
        4 => made = json!({"matchExpressions": [{"key": "reserved:ingress", "operator": "Exists"}]}),
        5 => made = json!({"matchLabels": {"ingress": ""}}),
        6 => made = json!({"matchLabels": {"reserved:host": ""}}),
        _ => {}
    }
    made
}

fn cilium(random: &mut Random) -> Value {
    let is_clusterwide = random.often(40);
    let mut spec = json!({"endpointSelector": if is_clusterwide { endpoints(random) } else { selector(random, "") }});
    let rules = |random: &mut Random| {
        some(random, 2, |random| {
            let mut rule = json!({});
            if random.often(50) {
                rule["fromEndpoints"] = some(random, 2, endpoints).into();
            }
            if random.often(40) {
                let entities = [
                    "ingress",
                    "world",
                    "host",
                    "cluster",
                    "all",
                    "remote-node",
                    "health",
                    "init",
                    "unmanaged",
                    "none",
                    "kube-apiserver",
                ];
                rule["fromEntities"] = some(random, 2, |random| json!(random.of(&entities))).into();
            }
            if random.often(15) {
                rule["fromCIDR"] = json!(["0.0.0.0/0"]);
            }
            if random.often(40) {
                let port = random.of(&[json!("8084"), json!("9090"), json!("http"), json!("0")].each_ref()).clone();
                let protocol = random.of(&["TCP", "UDP", "ANY"]);
                rule["toPorts"] = json!([{"ports": [{"port": port, "protocol": protocol}]}]);
            }
            rule
        })
    };
    if random.often(90) {
        spec["ingress"] = rules(random).into();
    }
    if random.often(20) {
        spec["ingressDeny"] = rules(random).into();
    }
    if random.often(10) {
        spec["enableDefaultDeny"] = json!({"ingress": random.often(50)});
    }
    let (kind, metadata) = match is_clusterwide {
        true => ("CiliumClusterwideNetworkPolicy", json!({"name": "w"})),
        false => ("CiliumNetworkPolicy", json!({"name": "c", "namespace": random.of(&["hello", "hello", "far"])})),
    };
    json!({"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": spec})
}

fn policies(random: &mut Random) -> Vec<Value> {
    (0..random.between(1, 3))
        .map(|number| {
            let mut made = if random.often(50) { kubernetes(random) } else { cilium(random) };
            made["metadata"]["name"] = format!("p{number}").into();
            made
        })
        .collect()
}

fn world(policies: &[Value]) -> World {
    let (namespace, labels) = &pods()[0];
    let target = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "target", "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8084}]}]}, "status": {"phase": "Running"}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "waypoint", "namespace": "hello"},
        "spec": {"selector": {"app": "waypoint"}, "ports": [{"port": 8080}]}});
    let texts: Vec<_> = policies.iter().chain([&target, &service]).map(Value::to_string).collect();
    let (objects, problems) = read_str("set.yaml", &texts.join("\n---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    let world = World::from_objects(objects);
    assert!(world.unread.is_empty(), "{:?}", world.unread);
    world
}

/// Who is asked about at one port: everybody but the waypoint's pods; nothing stands for a Gateway.
fn senders() -> Vec<Option<usize>> {
    let pods = pods();
    let others = (0..pods.len()).filter(|at| *at != 0 && !is_waypoint(&pods[*at])).map(Some);
    others.chain([None]).collect()
}

#[derive(Debug, Default)]
struct Counts {
    /// Said to be shut out, and so they are.
    shut: usize,
    /// Shut out, and not said to be.
    unsaid: usize,
    open: usize,
    refused: usize,
}

fn try_one(seed: u64, answers: &mut Answers, counts: &mut Counts) -> Result<()> {
    let mut random = Random::new(seed);
    let policies = policies(&mut random);
    let (mode, name) =
        if random.often(20) { (Enforcement::Always, "always") } else { (Enforcement::Default, "default") };
    let labels: BTreeMap<&str, &str> = NAMESPACES.into();
    let pods: Vec<_> = pods()
        .iter()
        .map(|(namespace, own)| {
            let of_namespace = json!({"kubernetes.io/metadata.name": namespace, "team": labels[namespace]});
            json!({"namespace": namespace, "namespaceLabels": of_namespace, "labels": own, "ports": {"http": 8084}})
        })
        .collect();
    let flows: Vec<_> = PORTS.iter().flat_map(|port| senders().into_iter().map(move |from| (*port, from))).collect();
    let asked: Vec<_> = flows.iter().map(|(port, from)| json!({"from": from, "to": 0, "port": port})).collect();
    let answered: Answered = answers
        .ask(&json!({"id": seed.to_string(), "mode": name, "policies": policies, "pods": pods, "flows": asked}))?;
    // One that Cilium does not take holds nowhere; what others say is not changed by it for us.
    if !answered.refused.is_empty() {
        counts.refused += 1;
        return Ok(());
    }
    let world = world(&policies);
    let waypoint = NamespacedName { namespace: "hello".into(), name: "waypoint".into() };
    let admissions = Admissions::new(&world, &waypoint, mode);
    let target = world.workloads.iter().find(|item| item.key.name == "target").context("the target")?;
    let all: BTreeSet<u16> = PORTS.into();
    let ports = PORTS.iter().map(|port| BTreeSet::from([*port])).chain([BTreeSet::new()]);
    for ports in ports {
        for sender in [Sender::Client, Sender::Gateway, Sender::Proxy] {
            let is_meant = |port: u16, from: Option<usize>| {
                let at_port = if ports.is_empty() { all.contains(&port) } else { ports.contains(&port) };
                at_port && (sender == Sender::Proxy || from.is_none() == (sender == Sender::Gateway))
            };
            let let_in: Vec<_> = flows
                .iter()
                .zip(&answered.allowed)
                .filter(|((port, from), allowed)| **allowed && is_meant(*port, *from))
                .collect();
            match (admissions.closed_by(target, &ports, sender), let_in.is_empty()) {
                (Some(by), false) => anyhow::bail!(
                    "seed {seed} ({name}): {sender:?} at {ports:?} is said to be shut out by {by:?}, and Cilium lets in {let_in:?}:\n{}",
                    serde_json::to_string_pretty(&policies)?
                ),
                (Some(_), true) => counts.shut += 1,
                (None, true) => counts.unsaid += 1,
                (None, false) => counts.open += 1,
            }
        }
    }
    Ok(())
}

#[test]
fn nobody_is_let_in_who_is_said_to_be_shut_out() {
    if !super::available("nobody_is_let_in_who_is_said_to_be_shut_out") {
        return;
    }
    let mut answers = Answers::start(&["admissions"]).unwrap();
    let mut counts = Counts::default();
    let (first, count) = super::seeds(SETS);
    for seed in first..first + count {
        try_one(seed, &mut answers, &mut counts).unwrap();
    }
    eprintln!("{counts:?}");
    let Counts { shut, unsaid, open, refused } = counts;
    // What is always said of nobody is always right.
    assert!(shut > unsaid && open > shut / 10 && refused * 10 < shut + unsaid + open, "{counts:?}");
}
