//! The API server of the tests itself: it starts, survives being killed, and ends with whoever started it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use serde_json::{Value, json};

use xtask::cluster::controllers::{Container, Running};
use xtask::cluster::{ApiServer, Bound, Client, available};
use xtask::lab::patience;
use xtask::setup::{CILIUM, GATEWAY_API};

fn start(test: &str) -> ApiServer {
    ApiServer::start(&scratch(test)).expect("the API server starts")
}

fn scratch(test: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "hello", "labels": { "app": "hello-backend" } },
        "spec": { "containers": [{
            "name": "backend", "image": "backend:1", "ports": [{ "name": "http", "containerPort": 8084 }],
        }]},
    })
}

#[test]
fn objects_outlive_a_killed_api_server() {
    if !available("objects_outlive_a_killed_api_server") {
        return;
    }
    let mut server = start("outlive");
    server.client().namespace("hello").unwrap();
    server.kill();
    assert!(server.client().get_text("/readyz").is_err());
    server.resume().unwrap();
    let text = server.client().get_text("/api/v1/namespaces/hello").unwrap();
    assert!(text.contains("\"hello\""), "{text}");
    let output = server.kubectl().unwrap().args(["get", "namespace", "hello", "-o", "name"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "namespace/hello\n", "{output:?}");
}

/// Not a test: the owner that the test below kills. It starts a server in a thread that ends, says so, and waits.
#[test]
#[ignore = "started by everything_ends_with_its_owner_however_that_ends"]
fn owner() {
    let server = std::thread::spawn(|| start("owner")).join().unwrap();
    // A thread that ends takes nothing with it.
    server.client().get_text("/readyz").unwrap();
    println!("\nready");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn everything_ends_with_its_owner_however_that_ends() {
    if !available("everything_ends_with_its_owner_however_that_ends") {
        return;
    }
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args(["--ignored", "--exact", "owner", "--nocapture"]).stdout(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let said = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(said.map_while(Result::ok).any(|line| line == "ready"), "the owner ended");
    let children = || {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("owner").display().to_string();
        let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.path().join("cmdline").into());
        let of_it = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&dir));
        all.filter(of_it).count()
    };
    assert_eq!(children(), 2, "etcd and kube-apiserver");
    owner.kill().unwrap();
    owner.wait().unwrap();
    patience::wait("both to end", || Ok((children() == 0).then_some(()))).unwrap();
}

#[test]
fn definitions_of_gateway_api_cilium_and_ours_are_served() {
    if !available("definitions_of_gateway_api_cilium_and_ours_are_served") {
        return;
    }
    let server = start("definitions");
    server.define(&GATEWAY_API).unwrap();
    server.define(&CILIUM).unwrap();
    server.define_policies().unwrap();
    let groups = server.client().get_text("/apis").unwrap();
    for group in ["gateway.networking.k8s.io", "cilium.io", "waypoint-verify.dev"] {
        assert!(groups.contains(&format!("\"{group}\"")), "{group}: {groups}");
    }
}

#[test]
fn pods_get_nodes_addresses_and_endpoints_by_hand() {
    if !available("pods_get_nodes_addresses_and_endpoints_by_hand") {
        return;
    }
    let server = start("by-hand");
    let client = server.client();
    client.namespace("hello").unwrap();
    client.node("node-1", &["192.168.1.1"]).unwrap();
    for name in ["backend-1", "backend-2"] {
        client.create(&pod(name)).unwrap();
        client.bind("hello", name, "node-1").unwrap();
    }
    let service = "{apiVersion: v1, kind: Service, metadata: {name: hello-backend, namespace: hello}, spec: {selector: {app: \
                   hello-backend}, type: LoadBalancer, ports: [{name: web, port: 8083, targetPort: http}]}}";
    client.apply(service).unwrap();
    let containers = [Container { name: "backend", id: "containerd://0123" }];
    for (name, address) in [("backend-1", "10.244.1.2"), ("backend-2", "10.244.1.3")] {
        let running = Running { node_address: "192.168.1.1", addresses: &[address], containers: &containers };
        client.running("hello", name, &running).unwrap();
    }
    let backend: Pod = client.get("hello", "backend-1").unwrap();
    assert_eq!(backend.spec.unwrap().node_name.as_deref(), Some("node-1"));
    assert_eq!(backend.status.unwrap().pod_ip.as_deref(), Some("10.244.1.2"));

    client.endpoint_slices("hello").unwrap();
    assert_eq!(endpoints(client), [("10.244.1.2".into(), true, 8084), ("10.244.1.3".into(), true, 8084)]);
    client.not_ready("hello", "backend-2").unwrap();
    client.endpoint_slices("hello").unwrap();
    assert_eq!(endpoints(client), [("10.244.1.2".into(), true, 8084), ("10.244.1.3".into(), false, 8084)]);
    client.apply(&service.replace("app: hello-backend", "app: nobody")).unwrap();
    client.endpoint_slices("hello").unwrap();
    assert_eq!(endpoints(client), []);

    client.load_balancer("hello", "hello-backend", &["172.18.0.5"]).unwrap();
    let service: Service = client.get("hello", "hello-backend").unwrap();
    let ingress = service.status.unwrap().load_balancer.unwrap().ingress.unwrap();
    assert_eq!(ingress[0].ip.as_deref(), Some("172.18.0.5"));
}

/// Address, readiness and port of each endpoint in the namespace.
fn endpoints(client: &Client) -> Vec<(String, bool, i32)> {
    let slices = client.run(client.api::<EndpointSlice>("hello").list(&ListParams::default())).unwrap();
    let mut all = Vec::new();
    for slice in slices {
        let port = slice.ports.iter().flatten().find_map(|port| port.port).unwrap();
        for endpoint in slice.endpoints {
            let ready = endpoint.conditions.and_then(|conditions| conditions.ready).unwrap();
            all.push((endpoint.addresses[0].clone(), ready, port));
        }
    }
    all.sort();
    all
}

#[test]
fn a_service_account_may_do_what_it_was_given_and_a_pods_token_names_its_node() {
    if !available("a_service_account_may_do_what_it_was_given_and_a_pods_token_names_its_node") {
        return;
    }
    let server = start("access");
    let client = server.client();
    client.namespace("hello").unwrap();
    client.node("node-1", &["192.168.1.1"]).unwrap();
    client.create(&pod("agent")).unwrap();
    client.bind("hello", "agent", "node-1").unwrap();
    let as_account = Client::new(&server.kubeconfig_of("hello", "default").unwrap()).unwrap();
    let refused = as_account.get::<Pod>("hello", "agent").unwrap_err();
    assert!(format!("{refused:#}").contains("forbidden"), "{refused:#}");
    client
        .apply(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: look, namespace: hello}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: look, namespace: hello}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: look}
subjects: [{kind: ServiceAccount, name: default, namespace: hello}, {kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
",
        )
        .unwrap();
    // The server hears of its own roles a moment later.
    patience::wait("the role", || Ok(as_account.get::<Pod>("hello", "agent").ok())).unwrap();
    let jane = Client::new(&server.kubeconfig_as("jane", "jane", &[]).unwrap()).unwrap();
    jane.get::<Pod>("hello", "agent").unwrap();
    let john = Client::new(&server.kubeconfig_as("john", "john", &[]).unwrap()).unwrap();
    john.get::<Pod>("hello", "agent").unwrap_err();

    let bound = Bound { audience: "waypoint-verify", pod: Some("agent"), seconds: Some(600) };
    let token = server.token("hello", "default", &bound).unwrap();
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": { "name": "" },
        "spec": { "token": token, "audiences": ["waypoint-verify"] },
    });
    let answer = client.create(&review).unwrap();
    let status = &answer.data["status"];
    assert_eq!(status["authenticated"], true, "{status}");
    assert_eq!(status["user"]["extra"]["authentication.kubernetes.io/node-name"], json!(["node-1"]), "{status}");
}
