//! Every way past the waypoint in manifests/experiment is found in what is declared: in the manifests, and in the cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use xtask::cluster::experiment;
use xtask::demo;

use crate::{Cluster, cluster};

/// The way that each opens; the last one takes what the experiment itself has to leave open.
const BYPASSES: [(&str, &str); 4] = [
    (
        "bypass-route",
        "RouteBypass: Gateway hello/hello-gateway > HTTPRoute hello/sampled > Service hello/hello-backend",
    ),
    (
        "bypass-gateway",
        "RouteBypass: Gateway other/other-gateway > HTTPRoute other/other > Service hello/hello-backend",
    ),
    ("bypass-direct", "DirectConnection: Service hello/hello-backend-pods"),
    ("bypass-nodeport", "DirectConnection: Service hello/hello-backend-nodeport"),
];
const UPSTREAM: &str =
    "UpstreamBypass: Gateway hello/hello-upstream > HTTPRoute hello/hello-upstream > Service hello/hello-backend";

fn routes(arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(demo::binary()).args(["routes", "--output", "json"]).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (output.status.code().unwrap(), answer)
}

/// `kind: hop > hop` of each path past the waypoint.
fn past(paths: &Value) -> Vec<String> {
    let line = |path: &Value| {
        let hops: Vec<_> = path["hops"].as_array().unwrap().iter().map(|hop| hop["object"].as_str().unwrap()).collect();
        format!("{}: {}", path["kind"].as_str().unwrap(), hops.join(" > "))
    };
    paths.as_array().unwrap().iter().filter(|path| path["class"] == "past").map(line).collect()
}

fn dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("declared");
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn rendered(cluster: &Cluster, folder: &str, dir: &Path) -> String {
    let objects = experiment::render(&cluster.server, &experiment::bypass(folder)).unwrap();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let file = dir.join(format!("{}.json", if folder.is_empty() { "base" } else { folder }));
    fs::write(&file, list.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn manifests_show_what_each_bypass_would_open() {
    let Some(cluster) = cluster("manifests_show_what_each_bypass_would_open") else { return };
    let dir = dir();
    let base = rendered(&cluster, "", &dir);
    let (code, analysis) = routes(&["--filename", &base]);
    assert_eq!((code, past(&analysis["paths"]).contains(&UPSTREAM.to_owned())), (1, true), "{analysis}");
    assert_eq!(analysis["unread"], serde_json::json!([]));
    let (code, change) = routes(&["--base", &base, "--head", &base]);
    assert_eq!((code, past(&change["opened"])), (0, vec![]));
    for (bypass, way) in BYPASSES {
        let applied = rendered(&cluster, bypass, &dir);
        let (code, change) = routes(&["--base", &base, "--apply", &applied]);
        assert_eq!((code, past(&change["opened"])), (1, vec![way.to_owned()]), "{bypass}");
        // Taking it back closes the same.
        let (code, change) = routes(&["--base", &base, "--base", &applied, "--delete", &applied]);
        assert_eq!(
            (code, past(&change["opened"]), past(&change["closed"])),
            (0, vec![], vec![way.to_owned()]),
            "{bypass}"
        );
    }
}

#[test]
fn the_cluster_shows_what_each_bypass_has_opened() {
    let Some(cluster) = cluster("the_cluster_shows_what_each_bypass_has_opened") else { return };
    let kubeconfig = cluster.server.kubeconfig();
    let ask = || routes(&["--filename", "cluster", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let (code, before) = ask();
    let before = past(&before["paths"]);
    assert_eq!((code, before.contains(&UPSTREAM.to_owned())), (1, true), "{before:?}");
    for (bypass, way) in BYPASSES {
        assert!(!before.contains(&way.to_owned()), "{before:?}");
        cluster.open(bypass);
        let (code, open) = ask();
        assert_eq!((code, past(&open["paths"]).contains(&way.to_owned())), (1, true), "{bypass}: {open}");
        cluster.close(bypass);
    }
    let (_, after) = ask();
    assert_eq!(past(&after["paths"]), before);
}

/// Whoever may not list a kind is told which, and the answer is not whole.
#[test]
fn a_kind_that_may_not_be_listed_is_unread() {
    let Some(cluster) = cluster("a_kind_that_may_not_be_listed_is_unread") else { return };
    let kubeconfig = cluster.server.kubeconfig_of("hello", "default").unwrap();
    let output = Command::new(demo::binary())
        .args(["routes", "--filename", "cluster", "--kubeconfig"])
        .arg(&kubeconfig)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("no WaypointPolicy among the objects"), "{told}");
    // With a policy and its Services from files the rest is what could not be listed.
    let dir = dir();
    let base = rendered(&cluster, "", &dir);
    let kubeconfig = kubeconfig.to_str().unwrap();
    let (_, analysis) = routes(&["--filename", &base, "--filename", "cluster", "--kubeconfig", kubeconfig]);
    let unread = analysis["unread"].as_array().unwrap();
    let told = |kind: &str| {
        unread.iter().any(|one| one.as_str().unwrap().starts_with(&format!("the cluster: {kind}: cannot be listed")))
    };
    assert!(told("HTTPRoute") && told("Service") && told("CiliumEnvoyConfig"), "{unread:?}");
}

/// The first policy of a repository comes with what it is about.
#[test]
fn a_change_that_brings_the_target_itself_opens_all_of_its_ways() {
    let Some(cluster) = cluster("a_change_that_brings_the_target_itself_opens_all_of_its_ways") else { return };
    let dir = dir();
    let base = rendered(&cluster, "", &dir);
    let empty = dir.join("empty.yaml");
    fs::write(&empty, "apiVersion: v1\nkind: Namespace\nmetadata: {name: hello}\n").unwrap();
    let (code, change) = routes(&["--base", empty.to_str().unwrap(), "--apply", &base]);
    assert_eq!((code, past(&change["opened"]).contains(&UPSTREAM.to_owned())), (1, true), "{change}");
    assert_eq!(change["closed"], serde_json::json!([]));
}
