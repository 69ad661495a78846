//! The agent of a node, with nothing but what its pod has: root without most capabilities, no environment, and one token.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::{ApiServer, Bound, Nats, clock, keeper};
use super::{NAMESPACE, template};
use crate::demo;
use crate::lab::process::Process;
use crate::lab::{Lab, cgroup};

const AGENT: &str = "waypoint-verify-agent";
/// For whom tokens of agents and canaries are made.
pub const AUDIENCE: &str = "waypoint-verify";

#[derive(Debug)]
pub(super) struct Agent(Process);

impl Agent {
    pub(super) fn start(
        server: &ApiServer,
        lab: &Lab,
        node: &str,
        dir: &Path,
        nats: &Nats,
        verifier_url: &str,
        clock: Option<&String>,
    ) -> Result<Self> {
        let file = write_token(server, dir, node)?;
        let root = lab.node_cgroup(node);
        let cgroup = root.join("system.slice/waypoint-verify-agent.service");
        fs::create_dir_all(&cgroup).with_context(|| cgroup.display().to_string())?;
        let mut command = confined(&capabilities(server)?);
        command
            .arg(demo::binary())
            .args(["agent", "--cluster=lab", "--bus-url", &nats.url(), "--ca"])
            .arg(nats.ca())
            .arg(format!("--node-name={node}"))
            .arg("--cgroup-root")
            .arg(root)
            .arg(format!("--verifier-url={verifier_url}"))
            .arg("--token-file")
            .arg(file);
        if let Some(by) = clock {
            clock::shift(&mut command, by)?;
        }
        cgroup::enter(&mut command, &cgroup)?;
        Ok(Self(keeper::start(&format!("agent-{node}"), command, dir)?))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.pid()
    }
}

/// Where the agent of this node reads its token.
pub(super) fn write_token(server: &ApiServer, dir: &Path, node: &str) -> Result<PathBuf> {
    let file = dir.join(format!("{node}.token"));
    fs::write(&file, token(server, node)?)?;
    Ok(file)
}

/// What the kubelet projects into the agent's pod of this node (`pod`): good for the verifier only.
pub fn token(server: &ApiServer, node: &str) -> Result<String> {
    server.token(NAMESPACE, AGENT, &Bound { audience: AUDIENCE, pod: Some(&name(node)), seconds: Some(600) })
}

/// The DaemonSet's pod of this node, which its controller would make.
pub fn pod(server: &ApiServer, node: &str) -> Result<()> {
    let template = template(server, "DaemonSet", AGENT)?;
    let mut spec = template["spec"].clone();
    spec["nodeName"] = node.into();
    server.client().create(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name(node), "namespace": NAMESPACE, "labels": template["metadata"]["labels"]},
        "spec": spec,
    }))?;
    Ok(())
}

fn name(node: &str) -> String {
    format!("{AGENT}-{node}")
}

/// All that the DaemonSet leaves to its container, in the kernel's spelling.
fn capabilities(server: &ApiServer) -> Result<Vec<String>> {
    let template = template(server, "DaemonSet", AGENT)?;
    let context = &template["spec"]["containers"][0]["securityContext"];
    ensure!(context["privileged"] == false, "the agent's container is privileged");
    ensure!(context["capabilities"]["drop"] == json!(["ALL"]), "the agent's container keeps capabilities");
    let added = context["capabilities"]["add"].as_array().context("the agent's container has no capabilities")?;
    Ok(added.iter().filter_map(Value::as_str).map(str::to_lowercase).collect())
}

/// As a container runtime starts root: what the bounding set leaves is permitted and effective after the exec, and no program that it
/// starts can get more. Nothing of this process's environment is there, so no kubeconfig either.
fn confined(capabilities: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg("--no-new-privs")
        .arg("--inh-caps=-all")
        .arg(format!("--bounding-set=-all,+{}", capabilities.join(",+")))
        .env_clear()
        .env("RUST_LOG", "info");
    command
}
