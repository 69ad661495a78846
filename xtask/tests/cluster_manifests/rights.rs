//! What each account may do, as the server itself sees it.

use std::path::PathBuf;

use kube::api::DynamicObject;
use serde_json::json;

use xtask::cluster::client::shown;
use xtask::cluster::{ApiServer, Bound, Client, available};
use xtask::lab::patience;

use crate::installed;
use crate::rendered::{self, pods, render};

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
    patience::wait("the roles", || Ok(may(client, "waypoint-verify-verifier", pods).then_some(()))).unwrap();
    let gateway = "gateway.networking.k8s.io";
    let read = [
        ("", vec!["namespaces", "nodes", "pods", "services"]),
        ("discovery.k8s.io", vec!["endpointslices"]),
        (gateway, vec!["gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants"]),
        (
            "cilium.io",
            vec![
                "ciliumclusterwideenvoyconfigs",
                "ciliumclusterwidenetworkpolicies",
                "ciliumenvoyconfigs",
                "ciliumnetworkpolicies",
                "ciliumnodes",
            ],
        ),
        ("waypoint-verify.dev", vec!["waypointpolicies"]),
    ];
    for (group, resources) in read {
        for resource in resources {
            for verb in ["list", "watch"] {
                assert!(may(client, "waypoint-verify-verifier", (verb, group, resource, "hello")), "{verb} {resource}");
            }
            // Of a policy, its status before it is written.
            let may_get = may(client, "waypoint-verify-verifier", ("get", group, resource, "hello"));
            assert_eq!(may_get, resource == "waypointpolicies", "get {resource}");
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
        ("update", "waypoint-verify.dev", "waypointpolicies/status", "hello", false),
        ("create", "events.k8s.io", "events", "hello", true),
        ("patch", "events.k8s.io", "events", "hello", false),
        ("create", "", "events", "hello", false),
        ("create", "openreports.io", "reports", "hello", true),
        ("patch", "openreports.io", "reports", "hello", true),
        ("get", "openreports.io", "reports", "hello", false),
        ("delete", "openreports.io", "reports", "hello", false),
        ("create", "openreports.io", "clusterreports", "", false),
        ("create", "authentication.k8s.io", "tokenreviews", "", true),
        ("create", "authorization.k8s.io", "subjectaccessreviews", "", true),
        ("create", "coordination.k8s.io", "leases", "waypoint-verify", true),
        ("update", "coordination.k8s.io", "leases", "waypoint-verify", true),
        ("list", "coordination.k8s.io", "leases", "kube-system", false),
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
    let bound = Bound { audience: "waypoint-verify", ..Default::default() };
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
