//! manifests/ on the real API server: everything is applied as an operator applies it, every pod is really admitted, and every right is
//! looked at. `manifests/experiment` has tests of its own.

mod arguments;
mod capabilities;
mod rendered;
mod rights;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use rendered::{kustomizations, pods, render, yaml_files};
use xtask::cluster::{ApiServer, available};
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
    // Pods of manifests/canary belong to a namespace of their own.
    succeeds(server.kubectl().unwrap().args(["apply", "-k", "manifests/canary"]));
    for level in ["baseline", "restricted"] {
        client
            .apply(&format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {level}, labels: \
                 {{pod-security.kubernetes.io/enforce: {level}}}}}}}"
            ))
            .unwrap();
        for piece in ["agent", "verifier", "nats", "canary"] {
            let account = format!("waypoint-verify-{piece}");
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
            let own = pod["metadata"]["namespace"].as_str().unwrap();
            create(own).unwrap_or_else(|error| panic!("{}: {name}: {error}", dir.display()));
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

/// The commands of docs/operations.md are run as they stand there.
#[test]
fn the_documented_commands_make_what_the_pods_mount() {
    if !available("the_documented_commands_make_what_the_pods_mount") {
        return;
    }
    let server = start("manifests-secrets");
    let docs = std::fs::read_to_string(xtask::workspace().join("docs/operations.md")).unwrap();
    let (_, rest) = docs.split_once("<!-- secrets:begin -->\n```\n").unwrap();
    let (script, _) = rest.split_once("```\n<!-- secrets:end -->").unwrap();
    let kubectl = server.kubectl().unwrap();
    let folder = std::path::Path::new(kubectl.get_program()).parent().unwrap();
    let path = std::env::join_paths([folder.to_owned()].into_iter().chain(["/usr/bin".into(), "/bin".into()])).unwrap();
    // Not where the server has a ca.crt of its own.
    let folder = server.dir().join("secrets");
    std::fs::create_dir(&folder).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", script]).current_dir(&folder).env("KUBECONFIG", server.kubeconfig()).env("PATH", path);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // These two are made by `waypoint-verify bus init`, the settings by kustomize.
    let mut made: BTreeSet<String> = ["waypoint-verify-bus", "waypoint-verify-bus-keys"].map(str::to_owned).into();
    let listed = ["get", "secret,configmap", "-n", "waypoint-verify", "-o", "jsonpath={.items[*].metadata.name}"];
    made.extend(succeeds(server.kubectl().unwrap().args(listed)).split_whitespace().map(str::to_owned));
    for pod in pods(&render(&server, &rendered::install())) {
        for volume in pod["spec"]["volumes"].as_array().unwrap() {
            let wanted = [&volume["secret"]["secretName"], &volume["configMap"]["name"]];
            for name in wanted.into_iter().filter_map(Value::as_str) {
                assert!(made.contains(name), "{name} is mounted, and docs/operations.md does not make it: {made:?}");
            }
        }
    }
    let mut check = Command::new("openssl");
    check.args([
        "verify",
        "-CAfile",
        "ca.crt",
        "-verify_hostname",
        "waypoint-verify-nats-2.waypoint-verify-nats-peers.waypoint-verify.svc",
        "nats.crt",
    ]);
    let output = check.current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
