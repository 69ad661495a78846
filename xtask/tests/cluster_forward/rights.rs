//! What a gate's user has to have: each right of the Role that docs/operations.md names is taken away once.

use serde_json::{Value, json};

use xtask::cluster::experiment::render;
use xtask::lab::patience;

use crate::{NAMESPACE, Stage};

/// Rules of a Role in the verifiers' namespace, for an account of their own that may read policies.
fn account(stage: &Stage, name: &str, rules: &[Value]) -> std::path::PathBuf {
    let client = stage.server.client();
    let rbac = "rbac.authorization.k8s.io";
    let version = format!("{rbac}/v1");
    let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": "hello"});
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "hello"}}),
        json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
               "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "waypoint-verify-view"}, "subjects": [subject]}),
        json!({"apiVersion": version, "kind": "Role", "metadata": {"name": name, "namespace": NAMESPACE}, "rules": rules}),
        json!({"apiVersion": version, "kind": "RoleBinding", "metadata": {"name": name, "namespace": NAMESPACE},
               "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name}, "subjects": [subject]}),
    ] {
        client.create(&object).unwrap();
    }
    // The server hears of its own roles a moment later, and of a Role and what is bound to it at once.
    let may = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {"name": ""},
        "spec": {"user": format!("system:serviceaccount:hello:{name}"), "resourceAttributes":
            {"verb": "get", "resource": "probes", "group": "waypoint-verify.dev", "namespace": NAMESPACE}},
    });
    patience::wait("the role", || Ok((client.create(&may)?.data["status"]["allowed"] == true).then_some(()))).unwrap();
    stage.server.kubeconfig_of("hello", name).unwrap()
}

pub fn what_is_documented_is_enough_and_each_of_it_is_needed(stage: &Stage) {
    let objects = render(&stage.server, &xtask::workspace().join("manifests/install")).unwrap();
    let role = objects.iter().find(|object| object.metadata.name.as_deref() == Some("waypoint-verify-gate")).unwrap();
    let all: Vec<Value> = serde_json::from_value(role.data["rules"].clone()).unwrap();
    let probe = json!({"apiGroups": ["waypoint-verify.dev"], "resources": ["probes"], "verbs": ["get"]});
    let with = |name: &str, rules: Vec<Value>| account(stage, name, &[rules, vec![probe.clone()]].concat());
    let without = |name: &str, resource: &str| {
        let kept = all.iter().filter(|rule| rule["resources"] != json!([resource])).cloned().collect::<Vec<_>>();
        assert_eq!(kept.len() + 1, all.len(), "{resource}");
        with(name, kept)
    };
    patience::wait("the documented roles", || Ok((stage.outcome(&stage.pipeline, &[]).code != 2).then_some(())))
        .unwrap();
    stage.outcome(&stage.pipeline, &[]).is_an_answer();

    let cure = "bind the Role waypoint-verify-gate in namespace waypoint-verify";
    let blind = without("without-pods", "pods");
    stage.outcome(&blind, &[]).is_refused(&["cannot list resource \"pods\"", cure]);
    let blind = without("without-ca", "configmaps");
    stage.outcome(&blind, &[]).is_refused(&["cannot get resource \"configmaps\"", cure, "--ca FILE"]);
    let ca = stage.installation.nats.ca().display().to_string();
    stage.outcome(&blind, &["--ca", &ca]).is_an_answer();
    let shut = without("without-portforward", "pods/portforward");
    stage.outcome(&shut, &[]).is_refused(&["cannot get resource \"pods/portforward\"", cure]);

    // Of these two this API server asks for `get` only; a newer one asks for both.
    let only = |name: &str, verb: &str| {
        let rules = all.iter().cloned().map(|mut rule| {
            if rule["resources"] == json!(["pods/portforward"]) {
                rule["verbs"] = json!([verb]);
            }
            rule
        });
        with(name, rules.collect())
    };
    stage.outcome(&only("only-get", "get"), &[]).is_an_answer();
    stage.outcome(&only("only-create", "create"), &[]).is_refused(&["cannot get resource \"pods/portforward\"", cure]);
}
