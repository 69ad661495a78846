//! manifests/ on the real API server: everything is applied as an operator applies it, every pod is really admitted, and every right is
//! looked at. `manifests/experiment` has tests of its own.

mod rendered;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use kube::api::DynamicObject;
use serde_json::{Value, json};

use rendered::{kustomizations, pods, render, yaml_files};
use xtask::cluster::client::shown;
use xtask::cluster::{ApiServer, Client, available};
use xtask::setup::{CILIUM, GATEWAY_API};

fn start(test: &str) -> ApiServer {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&dir);
    ApiServer::start(&dir).expect("the API server starts")
}

/// With everything of manifests/install, and the ServiceAccounts that a controller-manager would make.
fn installed(test: &str) -> ApiServer {
    let server = start(test);
    succeeds(server.kubectl().unwrap().args(["apply", "-k", "manifests/install"]));
    server.client().service_accounts().unwrap();
    server
}

/// In the project's folder, as docs/operations.md has it.
fn succeeds(command: &mut Command) -> String {
    let output = command.current_dir(xtask::workspace()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    // A field that the server does not know, or an old version: it says so here, and goes on. The exception it says of every headless
    // Service, and means a value that it filled in itself.
    let known = "Warning: spec.SessionAffinity is ignored for headless services";
    assert!(stderr.lines().all(|line| line.is_empty() || line == known), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_file_is_applied_with_strict_validation_and_removed_again() {
    if !available("every_file_is_applied_with_strict_validation_and_removed_again") {
        return;
    }
    let server = installed("manifests-apply");
    let kustomizations = kustomizations();
    assert!(kustomizations.len() >= 4, "{kustomizations:?}");
    for dir in &kustomizations {
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-k"];
        succeeds(server.kubectl().unwrap().args(apply).arg(dir));
        // kubectl is one reader; what it hands over is put to the server by another one, too.
        for object in render(&server, dir) {
            server.client().apply_one(object).unwrap_or_else(|error| panic!("{}: {error:#}", dir.display()));
        }
    }
    succeeds(server.kubectl().unwrap().args(["delete", "--wait=false", "-k", "manifests/install"]));
}

#[test]
fn every_file_belongs_to_a_kustomization() {
    let mut used = BTreeSet::new();
    for dir in kustomizations() {
        let text = std::fs::read_to_string(dir.join("kustomization.yaml")).unwrap();
        let kustomization: Value = serde_norway::from_str(&text).unwrap();
        let resources = kustomization["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let patches = kustomization["patches"].as_array().into_iter().flatten().filter_map(|p| p["path"].as_str());
        used.extend(resources.chain(patches).map(|file| dir.join(file)));
    }
    for file in yaml_files() {
        assert!(used.contains(&file) || file.ends_with("kustomization.yaml"), "nothing uses {}", file.display());
    }
}

#[test]
fn every_pod_is_admitted_and_only_the_agents_need_a_privileged_namespace() {
    if !available("every_pod_is_admitted_and_only_the_agents_need_a_privileged_namespace") {
        return;
    }
    let server = installed("manifests-pods");
    let client = server.client();
    for level in ["baseline", "restricted"] {
        client
            .apply(&format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {level}, labels: \
                 {{pod-security.kubernetes.io/enforce: {level}}}}}}}"
            ))
            .unwrap();
        for account in ["waypoint-verify-agent", "waypoint-verify-verifier", "waypoint-verify-nats"] {
            let account =
                format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {account}, namespace: {level}}}}}");
            client.apply(&account).unwrap();
        }
    }
    for dir in kustomizations() {
        for pod in pods(&render(&server, &dir)) {
            let name = pod["metadata"]["generateName"].as_str().unwrap().to_owned();
            let create = |namespace: &str| {
                let mut pod = pod.clone();
                pod["metadata"]["namespace"] = namespace.into();
                client.create(&pod).map_err(|error| format!("{error:#}"))
            };
            create("waypoint-verify").unwrap_or_else(|error| panic!("{}: {name}: {error}", dir.display()));
            if name.contains("agent") {
                let error = create("baseline").expect_err("the agent has capabilities");
                assert!(error.contains("violates PodSecurity"), "{error}");
            } else {
                create("restricted").unwrap_or_else(|error| panic!("{}: {name}: {error}", dir.display()));
            }
        }
    }
}

#[test]
fn an_image_has_a_version_and_ours_is_this_one() {
    if !available("an_image_has_a_version_and_ours_is_this_one") {
        return;
    }
    let server = start("manifests-images");
    for dir in kustomizations() {
        for pod in pods(&render(&server, &dir)) {
            for container in pod["spec"]["containers"].as_array().unwrap() {
                let image = container["image"].as_str().unwrap();
                let (name, version) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no version"));
                assert!(version != "latest" && version.starts_with(|c: char| c.is_ascii_digit()), "{image}");
                if name == "waypoint-verify" {
                    assert_eq!(version, env!("CARGO_PKG_VERSION"), "manifests/install/kustomization.yaml: newTag");
                }
            }
        }
    }
}

/// Whether the server would let somebody do something.
fn may(client: &Client, account: &str, (verb, group, resource, namespace): (&str, &str, &str, &str)) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": { "name": "" },
        "spec": {
            "user": format!("system:serviceaccount:waypoint-verify:{account}"),
            "groups": ["system:serviceaccounts", "system:serviceaccounts:waypoint-verify", "system:authenticated"],
            "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
            },
        },
    });
    client.create(&review).unwrap().data["status"]["allowed"] == true
}

#[test]
fn the_verifier_may_read_the_cluster_and_write_only_its_own() {
    if !available("the_verifier_may_read_the_cluster_and_write_only_its_own") {
        return;
    }
    let server = installed("manifests-rights");
    let client = server.client();
    // The server reads its own roles a moment after they were written.
    let pods = ("list", "", "pods", "hello");
    xtask::lab::patience::wait("the roles", || Ok(may(client, "waypoint-verify-verifier", pods).then_some(())))
        .unwrap();
    let gateway = "gateway.networking.k8s.io";
    let read = [
        ("", vec!["namespaces", "nodes", "pods", "services"]),
        ("discovery.k8s.io", vec!["endpointslices"]),
        (gateway, vec!["gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants"]),
        ("cilium.io", vec!["ciliumclusterwideenvoyconfigs", "ciliumenvoyconfigs"]),
        ("waypoint-verify.dev", vec!["waypointpolicies"]),
    ];
    for (group, resources) in read {
        for resource in resources {
            for verb in ["get", "list", "watch"] {
                assert!(may(client, "waypoint-verify-verifier", (verb, group, resource, "hello")), "{verb} {resource}");
            }
            for verb in ["create", "update", "patch", "delete"] {
                assert!(
                    !may(client, "waypoint-verify-verifier", (verb, group, resource, "hello")),
                    "{verb} {resource}"
                );
            }
        }
    }
    for (verb, group, resource, namespace, allowed) in [
        ("patch", "waypoint-verify.dev", "waypointpolicies/status", "hello", true),
        ("update", "waypoint-verify.dev", "waypointpolicies/status", "hello", true),
        ("create", "events.k8s.io", "events", "hello", true),
        ("patch", "events.k8s.io", "events", "hello", true),
        ("create", "authentication.k8s.io", "tokenreviews", "", true),
        ("create", "authorization.k8s.io", "subjectaccessreviews", "", true),
        ("create", "coordination.k8s.io", "leases", "waypoint-verify", true),
        ("update", "coordination.k8s.io", "leases", "waypoint-verify", true),
        ("get", "coordination.k8s.io", "leases", "kube-system", false),
        ("get", "", "secrets", "waypoint-verify", false),
        ("list", "", "secrets", "hello", false),
        ("create", "", "pods/exec", "hello", false),
        ("create", "", "serviceaccounts/token", "waypoint-verify", false),
        ("patch", "", "nodes/status", "", false),
    ] {
        let asked = (verb, group, resource, namespace);
        assert_eq!(may(client, "waypoint-verify-verifier", asked), allowed, "{asked:?}");
    }
}

#[test]
fn agents_and_nats_have_no_rights_and_no_token_for_the_api() {
    if !available("agents_and_nats_have_no_rights_and_no_token_for_the_api") {
        return;
    }
    let server = installed("manifests-no-rights");
    let objects = render(&server, &rendered::install());
    let is_binding = |object: &&DynamicObject| shown(object).contains("RoleBinding");
    for binding in objects.iter().filter(is_binding) {
        let subjects = binding.data["subjects"].as_array().unwrap();
        assert!(subjects.iter().all(|subject| subject["name"] == "waypoint-verify-verifier"), "{}", shown(binding));
    }
    for pod in pods(&objects) {
        let mounts_token = pod["spec"]["automountServiceAccountToken"] != false;
        let is_verifier = pod["spec"]["serviceAccountName"] == "waypoint-verify-verifier";
        assert_eq!(mounts_token, is_verifier, "{}", pod["metadata"]["generateName"]);
    }
    // What the agent presents is no good for the API server.
    let bound = xtask::cluster::Bound { audience: "waypoint-verify", ..Default::default() };
    let token = server.token("waypoint-verify", "waypoint-verify-agent", &bound).unwrap();
    let mut kubectl = server.kubectl().unwrap();
    let output =
        kubectl.args(["--token", &token, "get", "pods"]).env("KUBECONFIG", anonymous(&server)).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("Unauthorized"), "{output:?}");
}

/// A kubeconfig without anybody in it.
fn anonymous(server: &ApiServer) -> PathBuf {
    let path = server.dir().join("anonymous.kubeconfig");
    let text = format!(
        "{{apiVersion: v1, kind: Config, clusters: [{{name: a, cluster: {{server: '{}', certificate-authority: '{}'}}}}], \
         contexts: [{{name: a, context: {{cluster: a, user: ''}}}}], current-context: a}}",
        server.url(),
        server.ca().display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn gateway_api_and_cilium_may_be_missing_or_there() {
    if !available("gateway_api_and_cilium_may_be_missing_or_there") {
        return;
    }
    // `installed` has neither: a role may name what is not there.
    let server = installed("manifests-optional");
    server.define(&GATEWAY_API).unwrap();
    server.define(&CILIUM).unwrap();
    succeeds(server.kubectl().unwrap().args(["apply", "-k", "manifests/install"]));
    let verifier = server.kubeconfig_of("waypoint-verify", "waypoint-verify-verifier").unwrap();
    for resource in ["gateways.gateway.networking.k8s.io", "httproutes", "referencegrants", "ciliumenvoyconfigs", "wpp"]
    {
        succeeds(server.kubectl_with(&verifier).unwrap().args(["get", resource, "-A", "-o", "name"]));
    }
}
