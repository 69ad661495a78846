//! A cluster of many nodes, as far as its API server, its bus and its verifier can tell.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::agents::Agents;
use crate::bench::proc;
use crate::cluster::installation::{NAMESPACE, Verifier, pod, token, wait_for};
use crate::cluster::populate::together;
use crate::cluster::{Counted, Installation, experiment};
use crate::demo::cluster::POLICY;
use crate::lab::Plan;
use crate::lab::topology::{CgroupStyle, NodeSpec, Topology};

#[derive(Debug)]
pub struct Stage {
    // In the order in which they have to end.
    pub(super) agents: Agents,
    pub(super) verifier: Verifier,
    pub(super) installation: Installation,
    pub(super) experiment: experiment::Cluster,
    routes: u64,
    /// From the agents' start until all nodes were covered.
    covered_in: Duration,
}

impl Stage {
    /// Returns when the policy is Accepted and all nodes are covered. `arguments`: further ones of the verifier.
    pub fn up(dir: &Path, nodes: usize, pods: usize, arguments: &[String]) -> Result<Self> {
        let _ = fs::remove_dir_all(dir);
        eprintln!("bench: an API server with {nodes} nodes and {pods} pods");
        let experiment = experiment::start(dir, Plan::new("scale", &topology(nodes, pods))?)?;
        let server = &experiment.server;
        let installation = Installation::without_agents(server)?;
        let kubeconfig = server.kubeconfig_of(NAMESPACE, "waypoint-verify-verifier")?;
        // All streams together are reserved on the disk of this machine.
        let arguments = arguments.iter().cloned().chain([format!("--stream-size={}", 64 << 20)]);
        let mut verifier = Verifier::new(dir, "verifier-1", &kubeconfig, NAMESPACE)?.with(arguments);
        verifier.start(&installation.nats)?;
        verifier.ready()?;
        let tokens = dir.join("tokens");
        fs::create_dir_all(&tokens)?;
        let names: Vec<_> = experiment.plan.nodes.iter().map(|node| json!(node.name)).collect();
        together(&names, |name| {
            let name = name.as_str().context("a node's name")?;
            pod(server, name)?;
            Ok(fs::write(tokens.join(format!("{name}.token")), token(server, name)?)?)
        })?;
        eprintln!("bench: {nodes} agents, each admitted by the verifier");
        let began = Instant::now();
        let listener = |name: &str| -> Result<SocketAddr> {
            let gateway = experiment.plan.gateway(name)?;
            Ok((gateway.cluster_ip.v4(), gateway.listeners.first().context("no listener")?.port).into())
        };
        let (front, back) = (listener("hello-gateway")?, listener("hello-upstream")?);
        let (agents, routes) = Agents::start(&installation.nats, &verifier.url(), &tokens, front, back)?;
        wait_for(server, POLICY, "Accepted", "True", "Accepted")?;
        wait_for(server, POLICY, "Covered", "True", "Complete")?;
        Ok(Self { agents, verifier, installation, experiment, routes, covered_in: began.elapsed() })
    }

    /// What there is, in a line.
    pub fn shown(&self) -> Result<String> {
        let plan = &self.experiment.plan;
        let of = |workload: &str| plan.pods_of(workload).count();
        let (resident, _) = proc::memory(self.verifier.pid()?)?;
        Ok(format!(
            "{} nodes, {} pods: {} targets, {} waypoints, {} clients, each with a route of its own ({}). All nodes were covered after \
             {:.1} s, with {} MiB resident.\n",
            plan.nodes.len(),
            plan.pods.len(),
            of("hello-backend"),
            of("hello-waypoint"),
            of("client"),
            self.routes,
            self.covered_in.as_secs_f64(),
            resident >> 10,
        ))
    }

    pub(super) fn counted(&self) -> Result<Counted> {
        Counted::read(&self.verifier.metrics()?)
    }

    pub fn down(self) -> Result<()> {
        let Self { agents, verifier, installation, experiment, .. } = self;
        drop((agents, verifier, installation, experiment));
        Ok(())
    }
}

/// The experiment's, with more of everything: a fifth of the pods are targets, every other node has a waypoint, the rest are clients.
fn topology(nodes: usize, pods: usize) -> Topology {
    let mut topology = Topology::standard();
    topology.nodes =
        (1..=nodes).map(|n| NodeSpec { name: format!("node-{n}"), cgroups: CgroupStyle::Cgroupfs }).collect();
    let (waypoints, backends) = ((nodes / 2).max(2), (pods / 5).clamp(2, 900));
    for workload in &mut topology.workloads {
        workload.replicas = match workload.name.as_str() {
            "hello-waypoint" => waypoints,
            "hello-backend" => backends,
            "client" => pods.saturating_sub(nodes + waypoints + backends).max(1),
            _ => workload.replicas,
        };
    }
    topology
}
