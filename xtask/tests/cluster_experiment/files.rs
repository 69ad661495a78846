//! The files themselves: they agree with the lab, and the API server takes them.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use xtask::cluster::experiment;
use xtask::lab::Topology;

use crate::{Cluster, cluster};

const FOLDERS: [&str; 6] =
    ["", "bypass-direct", "bypass-gateway", "bypass-nodeport", "bypass-route", "bypass-upstream"];

fn rendered(cluster: &Cluster, folder: &str) -> Vec<Value> {
    let objects = experiment::render(&cluster.server, &experiment::bypass(folder)).unwrap();
    objects.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
}

#[test]
fn names_ports_and_the_policy_are_the_lab_s() {
    let Some(cluster) = cluster("names_ports_and_the_policy_are_the_lab_s") else { return };
    let topology = Topology::standard();
    let all: Vec<Value> = FOLDERS.iter().flat_map(|folder| rendered(&cluster, folder)).collect();
    let find = |kind: &str, namespace: &str, name: &str| {
        let of =
            |o: &&Value| o["kind"] == kind && o["metadata"]["name"] == name && o["metadata"]["namespace"] == namespace;
        all.iter().find(of).unwrap_or_else(|| panic!("{kind} {namespace}/{name} is not in the manifests"))
    };
    for service in &topology.services {
        let applied = find("Service", &service.namespace, &service.name);
        let ports: Vec<_> = service.ports.iter().map(|p| (p.port, p.target_port.as_str(), p.node_port)).collect();
        let number = |v: &Value| v.as_u64().and_then(|n| u16::try_from(n).ok());
        let of = |p: &Value| {
            (number(&p["port"]).unwrap(), p["targetPort"].as_str().unwrap().to_owned(), number(&p["nodePort"]))
        };
        let applied: Vec<_> = applied["spec"]["ports"].as_array().unwrap().iter().map(of).collect();
        assert_eq!(applied.iter().map(|(a, b, c)| (*a, b.as_str(), *c)).collect::<Vec<_>>(), ports);
    }
    for gateway in &topology.gateways {
        let applied = find("Gateway", &gateway.namespace, &gateway.name);
        let listeners: Vec<_> =
            gateway.listeners.iter().map(|l| json!({"name": l.name, "port": l.port, "protocol": "HTTP"})).collect();
        assert_eq!(applied["spec"]["listeners"], json!(listeners));
    }
    for workload in topology.workloads.iter().filter(|workload| workload.namespace != "kube-system") {
        let kind = format!("{:?}", workload.kind);
        let applied = find(&kind, &workload.namespace, &workload.name);
        assert_eq!(applied["spec"]["replicas"], workload.replicas, "{}", workload.name);
        assert_eq!(applied["spec"]["template"]["metadata"]["labels"], json!(workload.labels));
    }
    for object in &topology.objects {
        let (kind, meta) = (object["kind"].as_str().unwrap(), &object["metadata"]);
        let applied = find(kind, meta["namespace"].as_str().unwrap(), meta["name"].as_str().unwrap());
        assert_eq!(applied["spec"], object["spec"], "{kind} {meta}");
    }
    assert_eq!(find("WaypointPolicy", "hello", "hello-through-waypoint")["spec"], topology.policy["spec"]);
}

/// The pods that controllers would make are admitted, under `restricted`; and one that wants more is not.
#[test]
fn every_pod_template_is_admitted_as_a_pod() {
    let Some(cluster) = cluster("every_pod_template_is_admitted_as_a_pod") else { return };
    let mut seen = 0;
    for object in FOLDERS.iter().flat_map(|folder| rendered(&cluster, folder)) {
        let template = &object["spec"]["template"];
        if template["spec"]["containers"].is_null() {
            continue;
        }
        seen += 1;
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
            "metadata": {"name": "tried", "namespace": object["metadata"]["namespace"], "labels": template["metadata"]["labels"]},
        });
        admit(&cluster, &pod).unwrap_or_else(|error| panic!("{}: {error}", object["metadata"]));
        pod["spec"]["containers"][0]["securityContext"]["privileged"] = json!(true);
        let refused = admit(&cluster, &pod).unwrap_err();
        assert!(refused.contains("privileged"), "{refused}");
        pod["spec"]["containers"][0]["securityContext"].as_object_mut().unwrap().remove("privileged");
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        assert!(admit(&cluster, &pod).unwrap_err().contains("violates PodSecurity \"restricted"));
    }
    assert_eq!(seen, 5);
}

/// Asks the server whether it would take a pod, strictly.
fn admit(cluster: &Cluster, pod: &Value) -> Result<(), String> {
    let mut command = cluster.server.kubectl().unwrap();
    command.args(["create", "--dry-run=server", "--validate=strict", "--filename=-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(pod.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Both Caddyfiles are what Debian's Caddy can read, and the waypoint dials the Service that Cilium makes for hello-upstream.
#[test]
fn the_caddyfiles_are_valid_and_listen_where_the_containers_say() {
    let adapt = |name: &str| -> Value {
        let file = experiment::base().join(name).join("Caddyfile");
        let output = Command::new("caddy").args(["adapt", "--adapter", "caddyfile", "--config"]).arg(&file).output();
        let output = output.expect("caddy can be run: `cargo xtask setup`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let listens = |config: &Value| -> Vec<String> {
        let servers = config["apps"]["http"]["servers"].as_object().unwrap().values();
        servers.flat_map(|s| s["listen"].as_array().unwrap()).map(|l| l.as_str().unwrap().to_owned()).collect()
    };
    let (waypoint, backend) = (adapt("waypoint"), adapt("backend"));
    let topology = Topology::standard();
    for (config, name) in [(&waypoint, "hello-waypoint"), (&backend, "hello-backend")] {
        let ports = topology.workload(name).unwrap().containers.iter().flat_map(|c| &c.ports);
        let mut expected: Vec<_> = ports.map(|p| format!(":{}", p.port)).collect();
        let mut found = listens(config);
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{name}");
    }
    let text = waypoint.to_string();
    assert!(text.contains(r#""dial":"cilium-gateway-hello-upstream.hello.svc:8082""#), "{text}");
}

/// Every value that kind/ sets is one that the chart of that Cilium knows; its address pool and class are what the CRDs take.
#[test]
fn what_kind_gives_to_cilium_is_known_to_it() {
    let Some(cluster) = cluster("what_kind_gives_to_cilium_is_known_to_it") else { return };
    let kind = xtask::workspace().join("kind");
    let read =
        |path: &std::path::Path| -> Value { serde_norway::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    let chart = read(&xtask::setup::CILIUM.folder().unwrap().join("install/kubernetes/cilium/values.yaml"));
    known("", &read(&kind.join("cilium-values.yaml")), &chart);
    let made = cluster.server.client().apply_file(&kind.join("address-pool.yaml")).unwrap();
    made.iter().for_each(|object| cluster.server.client().delete(object).unwrap());
}

fn known(path: &str, ours: &Value, chart: &Value) {
    for (key, value) in ours.as_object().into_iter().flatten() {
        let theirs = chart.get(key).unwrap_or_else(|| panic!("the chart has no value {path}{key}"));
        if value.is_object() {
            known(&format!("{path}{key}."), value, theirs);
        }
    }
}
