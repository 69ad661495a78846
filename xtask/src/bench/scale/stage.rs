//! A cluster of many nodes, as far as its API server, its bus and its verifier can tell.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::agents::Agents;
use super::{Shape, policies};
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
    pub(super) verifiers: Vec<Verifier>,
    pub(super) installation: Installation,
    pub(super) experiment: experiment::Cluster,
    routes: u64,
    /// From the agents' start until all nodes were covered.
    covered_in: Duration,
}

impl Stage {
    /// Returns when every policy is Accepted and all nodes are covered. `arguments`: further ones of the verifiers.
    pub fn up(dir: &Path, nodes: usize, pods: usize, shape: Shape, arguments: &[String]) -> Result<Self> {
        let _ = fs::remove_dir_all(dir);
        eprintln!("bench: an API server with {nodes} nodes and {pods} pods");
        let experiment = experiment::start(dir, Plan::new("scale", &topology(nodes, pods))?)?;
        let server = &experiment.server;
        let names = policies::divide(&experiment, shape)?;
        let installation = Installation::without_agents(server)?;
        let kubeconfig = server.kubeconfig_of(NAMESPACE, "waypoint-verify-verifier")?;
        // All streams together are reserved on the disk of this machine.
        let more = [format!("--stream-size={}", 64 << 20), format!("--partitions={}", shape.partitions)];
        let mut verifiers = Vec::new();
        for number in 1..=shape.verifiers {
            let verifier = Verifier::new(dir, &format!("verifier-{number}"), &kubeconfig, NAMESPACE)?;
            let mut verifier = verifier.with(arguments.iter().chain(&more).cloned());
            verifier.start(&installation.nats)?;
            verifier.ready()?;
            verifiers.push(verifier);
        }
        let tokens = dir.join("tokens");
        fs::create_dir_all(&tokens)?;
        let node_names: Vec<_> = experiment.plan.nodes.iter().map(|node| json!(node.name)).collect();
        together(&node_names, |name| {
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
        let url = verifiers.first().context("no verifier")?.url();
        let (agents, routes) = Agents::start(&installation.nats, &url, &tokens, [front, back], shape.policies)?;
        for name in &names {
            wait_for(server, (POLICY.0, name), "Accepted", "True", "Accepted")?;
            wait_for(server, (POLICY.0, name), "Covered", "True", "Complete")?;
        }
        policies::shared_out(server, shape)?;
        Ok(Self { agents, verifiers, installation, experiment, routes, covered_in: began.elapsed() })
    }

    /// What there is, in a line.
    pub fn shown(&self) -> Result<String> {
        let plan = &self.experiment.plan;
        let of = |workload: &str| plan.pods_of(workload).count();
        let resident = self.resident()?;
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

    /// Of all verifiers.
    pub(super) fn metrics(&self) -> Result<String> {
        self.verifiers.iter().map(Verifier::metrics).collect()
    }

    pub(super) fn counted(&self) -> Result<Counted> {
        Counted::read(&self.metrics()?)
    }

    /// Of all verifiers, in KiB.
    pub(super) fn resident(&self) -> Result<u64> {
        self.verifiers.iter().map(|verifier| Ok(proc::memory(verifier.pid()?)?.0)).sum()
    }

    pub fn down(self) -> Result<()> {
        let Self { agents, verifiers, installation, experiment, .. } = self;
        drop((agents, verifiers, installation, experiment));
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
