//! waypoint-verify in the lab, as manifests/install has it in a cluster: NATS, verifiers with the rights of their ServiceAccount, and
//! an agent on each node, in the node's cgroup, with the DaemonSet's capabilities and the token of a pod that the API server has bound
//! to this node.

mod agent;
mod pods;
mod verifier;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::experiment::render;
use super::{ApiServer, Nats};
use crate::lab::Lab;
use crate::lab::patience;
use agent::Agent;
pub use agent::{AUDIENCE, pod, token};
pub use pods::reachable_pod;
pub use verifier::Verifier;

pub const NAMESPACE: &str = "waypoint-verify";
const VERIFIER: &str = "waypoint-verify-verifier";

#[derive(Debug)]
pub struct Installation {
    dir: PathBuf,
    pub nats: Nats,
    /// The first one is whom agents ask to be admitted.
    verifiers: Vec<Verifier>,
    /// By node.
    agents: Vec<(String, Agent)>,
    kubeconfig: PathBuf,
    /// How far the clock of a node's agent is off, as libfaketime reads it.
    clocks: BTreeMap<String, String>,
}

impl Installation {
    /// Applies manifests/install and starts what its pods would run. Returns when the verifier is ready.
    pub fn start(server: &ApiServer, lab: &Lab) -> Result<Self> {
        let mut new = Self::without_agents(server)?;
        new.add_verifier()?;
        for node in lab.plan().nodes.clone() {
            pod(server, &node.name)?;
            new.start_agent(server, lab, &node.name)?;
        }
        Ok(new)
    }

    /// Applies manifests/install and starts NATS.
    pub fn without_agents(server: &ApiServer) -> Result<Self> {
        let dir = server.dir().join("installation");
        fs::create_dir_all(&dir)?;
        apply(server)?;
        let kubeconfig = server.kubeconfig_of(NAMESPACE, VERIFIER)?;
        let nats = Nats::start(&dir.join("nats"))?;
        // As docs/operations.md makes it: pods mount it, and gates read it.
        server.client().create(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "waypoint-verify-ca", "namespace": NAMESPACE},
            "data": {"ca.crt": fs::read_to_string(nats.ca())?},
        }))?;
        Ok(Self { dir, nats, verifiers: Vec::new(), agents: Vec::new(), kubeconfig, clocks: BTreeMap::new() })
    }

    /// One more, `verifier-N` from 1. Returns when it says that it is ready.
    pub fn add_verifier(&mut self) -> Result<()> {
        let identity = format!("verifier-{}", self.verifiers.len() + 1);
        let mut verifier = Verifier::new(&self.dir, &identity, &self.kubeconfig, NAMESPACE)?;
        verifier.start(&self.nats)?;
        verifier.ready()?;
        self.verifiers.push(verifier);
        Ok(())
    }

    /// By its number, from 1.
    pub fn verifier(&mut self, number: usize) -> Result<&mut Verifier> {
        self.verifiers.get_mut(number - 1).with_context(|| format!("there is no verifier-{number}"))
    }

    pub fn verifiers(&self) -> &[Verifier] {
        &self.verifiers
    }

    /// SIGKILL.
    pub fn kill_verifier(&mut self, number: usize) -> Result<()> {
        self.verifier(number)?.kill();
        Ok(())
    }

    /// Starts one again that was killed. Does not wait.
    pub fn start_verifier(&mut self, number: usize) -> Result<()> {
        let verifier = self.verifiers.get_mut(number - 1).with_context(|| format!("there is no verifier-{number}"))?;
        verifier.start(&self.nats)
    }

    /// ... and waits until it says that it is ready.
    pub fn restart_verifier(&mut self, number: usize) -> Result<()> {
        self.start_verifier(number)?;
        self.verifier(number)?.ready()
    }

    /// Starts a node's agent; it ends with the node's cgroup, if not before.
    pub fn start_agent(&mut self, server: &ApiServer, lab: &Lab, node: &str) -> Result<()> {
        let url = self.url();
        let agent = Agent::start(server, lab, node, &self.dir, &self.nats, &url, self.clocks.get(node))?;
        self.agents.push((node.to_owned(), agent));
        Ok(())
    }

    /// Of the agents of this node that are started from now on (`clock::shift`).
    pub fn set_clock(&mut self, node: &str, by: Option<&str>) {
        match by {
            Some(by) => self.clocks.insert(node.to_owned(), by.to_owned()),
            None => self.clocks.remove(node),
        };
    }

    /// As the kubelet does before tokens end.
    pub fn renew_tokens(&self, server: &ApiServer) -> Result<()> {
        self.agents.iter().try_for_each(|(node, _)| agent::write_token(server, &self.dir, node).map(drop))
    }

    /// Of the verifiers.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// SIGKILL.
    pub fn kill_agent(&mut self, node: &str) {
        self.agents.retain(|(name, _)| name != node);
    }

    /// Of a node's agent that runs.
    pub fn agent_pid(&self, node: &str) -> Option<u32> {
        self.agents.iter().find(|(name, _)| name == node).map(|(_, agent)| agent.pid())
    }

    /// Everything that agents of this node have said.
    pub fn agent_log(&self, node: &str) -> Result<String> {
        let path = self.dir.join(format!("agent-{node}.log"));
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Metrics of the first verifier, in Prometheus' text form.
    pub fn metrics(&self) -> Result<String> {
        self.verifiers.first().context("there is no verifier")?.metrics()
    }

    /// What the first verifier answers over TLS to whoever has this token: the code and the text.
    pub fn ask(&self, path: &str, token: &str) -> Result<(u16, String)> {
        self.ask_one(1, path, token)
    }

    /// As [`Self::ask`], of one by its number.
    pub fn ask_one(&self, number: usize, path: &str, token: &str) -> Result<(u16, String)> {
        let verifier = self.verifiers.get(number - 1).with_context(|| format!("there is no verifier-{number}"))?;
        verifier.ask(&self.nats, path, token, None)
    }

    /// Where the first verifier answers over TLS.
    pub fn url(&self) -> String {
        self.verifiers.first().map(Verifier::url).unwrap_or_default()
    }
}

/// Who holds the Lease of a partition, of the verifiers in this namespace.
pub fn holder(server: &ApiServer, namespace: &str, partition: u16) -> Result<Option<String>> {
    let (client, name) = (server.client(), format!("{VERIFIER}-{partition}"));
    let lease = client.run(client.api::<Lease>(namespace).get_opt(&name))?;
    Ok(lease.and_then(|lease| lease.spec?.holder_identity).filter(|holder| !holder.is_empty()))
}

/// WaypointPolicies of a namespace.
pub fn policies(server: &ApiServer, namespace: &str) -> Result<Api<DynamicObject>> {
    server.client().api_of(&serde_json::from_value(json!({
        "apiVersion": "waypoint-verify.dev/v1alpha1", "kind": "WaypointPolicy", "metadata": {"namespace": namespace},
    }))?)
}

/// A policy's status as the API server has it.
pub fn policy_status(server: &ApiServer, namespace: &str, name: &str) -> Result<Value> {
    let found = server.client().run(policies(server, namespace)?.get(name))?;
    Ok(found.data["status"].clone())
}

/// Changes a policy's `spec.window`, and with it its generation: what was counted counts no more.
pub fn set_window(server: &ApiServer, policy: (&str, &str), window: &str) -> Result<DynamicObject> {
    let patch = Patch::Merge(json!({"spec": {"window": window}}));
    Ok(server.client().run(policies(server, policy.0)?.patch(policy.1, &PatchParams::default(), &patch))?)
}

/// A condition of a status, by its type.
pub fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

/// Waits until a condition has this status and reason; returns the whole status.
pub fn wait_for(server: &ApiServer, policy: (&str, &str), kind: &str, status: &str, reason: &str) -> Result<Value> {
    let mut seen = Value::Null;
    let found = patience::wait(
        &format!("{kind} of WaypointPolicy {}/{} to be {status} ({reason})", policy.0, policy.1),
        || {
            seen = policy_status(server, policy.0, policy.1)?;
            let is_it = condition(&seen, kind).is_some_and(|one| one["status"] == status && one["reason"] == reason);
            Ok(is_it.then(|| seen.clone()))
        },
    );
    found.with_context(|| format!("its status is {seen}"))
}

/// Of the pods of a workload, as it was applied.
fn template(server: &ApiServer, kind: &str, name: &str) -> Result<Value> {
    let client = server.client();
    let workload: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE},
    }))?;
    let workload = client.run(client.api_of(&workload)?.get(name))?;
    Ok(workload.data["spec"]["template"].clone())
}

/// What needs no image: everything but the workloads' pods.
fn apply(server: &ApiServer) -> Result<()> {
    let client = server.client();
    for object in render(server, &crate::workspace().join("manifests/install"))? {
        client.apply_in_cluster(object)?;
    }
    Ok(())
}
