//! waypoint-verify in the lab, as manifests/install has it in a cluster: NATS, the verifier with the rights of its ServiceAccount, and
//! an agent on each node, in the node's cgroup and with the token of a pod that the API server has bound to this node.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::experiment::render;
use super::{ApiServer, Bound, Nats, keeper, server::free_ports};
use crate::demo;
use crate::lab::Lab;
use crate::lab::patience;
use crate::lab::process::Process;

const NAMESPACE: &str = "waypoint-verify";
const AGENT: &str = "waypoint-verify-agent";
const VERIFIER: &str = "waypoint-verify-verifier";
/// The audience of the agents' tokens.
const AUDIENCE: &str = "waypoint-verify";

#[derive(Debug)]
pub struct Installation {
    dir: PathBuf,
    pub nats: Nats,
    verifier: Option<Process>,
    /// By node.
    agents: Vec<(String, Process)>,
    port: u16,
    metrics_port: u16,
    kubeconfig: PathBuf,
}

impl Installation {
    /// Applies manifests/install and starts what its pods would run. Returns when the verifier is ready.
    pub fn start(server: &ApiServer, lab: &Lab) -> Result<Self> {
        let dir = server.dir().join("installation");
        fs::create_dir_all(&dir)?;
        apply(server)?;
        let [port, metrics_port] = free_ports()?;
        let kubeconfig = server.kubeconfig_of(NAMESPACE, VERIFIER)?;
        let nats = Nats::start(&dir.join("nats"))?;
        let mut new = Self { dir, nats, verifier: None, agents: Vec::new(), port, metrics_port, kubeconfig };
        new.start_verifier()?;
        for node in lab.plan().nodes.clone() {
            pod(server, &node.name)?;
            new.start_agent(server, lab, &node.name)?;
        }
        Ok(new)
    }

    /// Starts the verifier, and waits until it says that it is ready.
    pub fn start_verifier(&mut self) -> Result<()> {
        let (certificate, key) = self.nats.certificate();
        let mut command = self.program("verifier");
        command
            .arg("--bus-keys")
            .arg(self.nats.keys())
            .arg(format!("--listen=127.0.0.1:{}", self.port))
            .arg(format!("--metrics-listen=127.0.0.1:{}", self.metrics_port))
            .arg("--tls-cert")
            .arg(certificate)
            .arg("--tls-key")
            .arg(key)
            .args(["--identity", "verifier-1"])
            .env("KUBECONFIG", &self.kubeconfig);
        let mut process = keeper::start("verifier", command, &self.dir)?;
        let ready = self.metrics_url("/readyz");
        process.ready("readiness", || Ok((get(&ready)? == "ok\n").then_some(())))?;
        self.verifier = Some(process);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill_verifier(&mut self) {
        self.verifier = None;
    }

    /// Starts a node's agent; it ends with the node's cgroup, if not before.
    pub fn start_agent(&mut self, server: &ApiServer, lab: &Lab, node: &str) -> Result<()> {
        let token = self.dir.join(format!("{node}.token"));
        let bound = Bound { audience: AUDIENCE, pod: Some(&agent_pod(node)), seconds: Some(600) };
        fs::write(&token, server.token(NAMESPACE, AGENT, &bound)?)?;
        let root = lab.node_cgroup(node);
        let cgroup = root.join("system.slice/waypoint-verify-agent.service");
        fs::create_dir_all(&cgroup).with_context(|| cgroup.display().to_string())?;
        let mut command = self.program("agent");
        command
            .arg(format!("--node-name={node}"))
            .arg("--cgroup-root")
            .arg(root)
            .arg(format!("--verifier-url=https://127.0.0.1:{}", self.port))
            .arg("--token-file")
            .arg(token);
        enter(&mut command, &cgroup)?;
        let process = keeper::start(&format!("agent-{node}"), command, &self.dir)?;
        self.agents.push((node.to_owned(), process));
        Ok(())
    }

    /// SIGKILL.
    pub fn kill_agent(&mut self, node: &str) {
        self.agents.retain(|(name, _)| name != node);
    }

    fn program(&self, command: &str) -> Command {
        let mut program = Command::new(demo::binary());
        program
            .args([command, "--cluster=lab", "--bus-url", &self.nats.url(), "--ca"])
            .arg(self.nats.ca())
            .env("RUST_LOG", "info");
        program
    }

    fn metrics_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.metrics_port)
    }

    /// Metrics in Prometheus' text form.
    pub fn metrics(&self) -> Result<String> {
        get(&self.metrics_url("/metrics"))
    }

    /// Where the verifier answers over TLS.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

/// A policy's status as the API server has it.
pub fn policy_status(server: &ApiServer, namespace: &str, name: &str) -> Result<Value> {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "waypoint-verify.dev/v1alpha1", "kind": "WaypointPolicy",
        "metadata": {"name": name, "namespace": namespace},
    }))?;
    let found = server.client().run(server.client().api_of(&object)?.get(name))?;
    Ok(found.data["status"].clone())
}

/// Waits until a condition has this status and reason; returns the whole status.
pub fn wait_for(server: &ApiServer, policy: (&str, &str), kind: &str, status: &str, reason: &str) -> Result<Value> {
    let mut seen = Value::Null;
    let found = patience::wait(
        &format!("{kind} of WaypointPolicy {}/{} to be {status} ({reason})", policy.0, policy.1),
        || {
            seen = policy_status(server, policy.0, policy.1)?;
            let conditions = seen["conditions"].as_array().cloned().unwrap_or_default();
            let is_it = |one: &Value| one["type"] == kind && one["status"] == status && one["reason"] == reason;
            Ok(conditions.iter().any(is_it).then(|| seen.clone()))
        },
    );
    found.with_context(|| format!("its status is {seen}"))
}

/// What needs no image: everything but the workloads' pods.
fn apply(server: &ApiServer) -> Result<()> {
    let client = server.client();
    for object in render(server, &crate::workspace().join("manifests/install"))? {
        let is_namespace = object.types.as_ref().is_some_and(|types| types.kind == "Namespace");
        client.apply_one(object)?;
        if is_namespace {
            client.service_accounts()?;
        }
    }
    Ok(())
}

fn agent_pod(node: &str) -> String {
    format!("{AGENT}-{node}")
}

/// The DaemonSet's pod of this node, which its controller would make.
fn pod(server: &ApiServer, node: &str) -> Result<()> {
    let client = server.client();
    let set: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": AGENT, "namespace": NAMESPACE},
    }))?;
    let set = client.run(client.api_of(&set)?.get(AGENT))?;
    let mut spec = set.data["spec"]["template"]["spec"].clone();
    spec["nodeName"] = node.into();
    let labels = &set.data["spec"]["template"]["metadata"]["labels"];
    client.create(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": agent_pod(node), "namespace": NAMESPACE, "labels": labels},
        "spec": spec,
    }))?;
    Ok(())
}

/// The command's process will be in this cgroup before its first instruction.
fn enter(command: &mut Command, cgroup: &Path) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    let procs = OpenOptions::new().write(true).open(&procs).with_context(|| procs.display().to_string())?;
    // SAFETY: a write to a descriptor that was opened before the fork; nothing is allocated.
    unsafe { command.pre_exec(move || (&procs).write_all(b"0")) };
    Ok(())
}

fn get(url: &str) -> Result<String> {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "5", url]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{url}: {}", told.trim());
    Ok(String::from_utf8(output.stdout)?)
}
