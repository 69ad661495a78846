//! manifests/experiment on a real API server, with the real definitions of Gateway API and Cilium, and Cilium's own Gateway controller.
//!
//! One control plane serves all of these tests, one after the other; each puts back what it changes.

mod bypasses;
mod declared;
mod files;
mod inventory;

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::Value;

use xtask::cluster::{Controller, experiment};
use xtask::lab::{Plan, Topology, patience};

static CLUSTER: LazyLock<Result<Mutex<Cluster>>> = LazyLock::new(|| start().map(Mutex::new));

/// None, and said so, where it cannot run.
fn cluster(test: &str) -> Option<MutexGuard<'static, Cluster>> {
    let cluster = || match &*CLUSTER {
        // What a test that failed has left behind is the next one's to find.
        Ok(cluster) => cluster.lock().unwrap_or_else(PoisonError::into_inner),
        Err(error) => panic!("{error:#}"),
    };
    Controller::available(test).then(cluster)
}

struct Cluster(experiment::Cluster);

fn start() -> Result<Cluster> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-experiment");
    let _ = fs::remove_dir_all(&dir);
    Ok(Cluster(experiment::start(&dir, Plan::new("experiment", &Topology::standard())?)?))
}

impl Deref for Cluster {
    type Target = experiment::Cluster;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Cluster {
    fn open(&self, bypass: &str) {
        experiment::apply(&self.server, &self.plan, &experiment::bypass(bypass)).unwrap();
    }

    fn close(&self, bypass: &str) {
        experiment::delete(&self.server, &experiment::bypass(bypass)).unwrap();
    }

    fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let output =
            self.server.kubectl()?.args(["get", kind, name, "--namespace", namespace, "--output=json"]).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Names of the clusters that a Gateway's Envoy is to have.
    fn upstreams(&self, namespace: &str, gateway: &str) -> Result<Vec<String>> {
        let config = self.get("ciliumenvoyconfigs.cilium.io", namespace, &format!("cilium-gateway-{gateway}"))?;
        let resources = config["spec"]["resources"].as_array().cloned().unwrap_or_default();
        let clusters = resources.iter().filter(|r| r["@type"].as_str().is_some_and(|t| t.ends_with(".v3.Cluster")));
        let mut names: Vec<_> = clusters.map(|r| r["name"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn wait_for_upstreams(&self, namespace: &str, gateway: &str, wanted: &[&str]) {
        let what = format!("the Envoy of {namespace}/{gateway} to have {wanted:?}");
        patience::wait(&what, || {
            let found = self.upstreams(namespace, gateway)?;
            anyhow::ensure!(found == wanted, "it has {found:?}");
            Ok(Some(()))
        })
        .unwrap();
    }
}

/// `True`, `False` or nothing, and the reason.
fn condition(object: &Value, kind: &str) -> (String, String) {
    let conditions = object["conditions"].as_array().or_else(|| object["status"]["conditions"].as_array());
    let found = conditions.into_iter().flatten().find(|c| c["type"] == kind);
    let text = |field: &str| found.and_then(|c| c[field].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}
