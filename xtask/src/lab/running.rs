//! A lab that is up: building and removing it. What changes it and what it tells are in `changes` and `lookup`.

mod changes;
mod lookup;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::caddy::{self, Variant};
use super::envoy::{self, Envoy};
use super::objects::Objects;
use super::place::Place;
use super::plan::{Container, Node, Plan, Pod};
use super::process::Process;
use super::topology::{Program, Topology};
use super::watchdog::{self, Watchdog, replace};
use super::{cgroup, dump, network, places};
use crate::gateway;
use crate::setup;

#[derive(Debug)]
pub struct Lab {
    plan: Plan,
    cgroup: PathBuf,
    state: PathBuf,
    xtask: PathBuf,
    objects: Objects,
    /// What an API server lists, where one decides about the Envoys (`Lab::follow`).
    followed: Option<Value>,
    envoys: BTreeMap<String, Envoy>,
    /// By `POD/CONTAINER`.
    caddies: BTreeMap<String, Process>,
    sinks: Vec<Process>,
    watchdog: Watchdog,
}

impl Lab {
    /// Builds a lab of one's own, next to whatever other labs there are.
    pub fn up(topology: &Topology) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("p{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self::up_as(&id, topology)
    }

    /// Builds a lab with this id, of which there can be one at a time.
    pub fn up_as(id: &str, topology: &Topology) -> Result<Self> {
        Self::up_planned(Plan::new(id, topology)?)
    }

    /// Builds what was planned: whoever has the plan may have changed identities in it (`Plan::adopt`).
    pub fn up_planned(plan: Plan) -> Result<Self> {
        let id = plan.id.clone();
        let id = id.as_str();
        ensure!(nix::unistd::geteuid().is_root(), "the lab needs root: it makes network namespaces and cgroups");
        ensure!(
            id.chars().all(|c| c.is_ascii_alphanumeric()) && (1..=20).contains(&id.len()),
            "{id}: not an id for a lab"
        );
        let binary = setup::envoy_binary()?;
        let xtask = xtask_binary()?;
        let objects = Objects::new(&plan)?;
        let watchdog = Watchdog::start(id, &xtask)?;
        let mut lab = Self {
            cgroup: cgroup::root()?.join(format!("{}{id}", cgroup::PREFIX)),
            state: watchdog::state_dir(id),
            plan,
            xtask,
            objects,
            followed: None,
            envoys: BTreeMap::new(),
            caddies: BTreeMap::new(),
            sinks: Vec::new(),
            watchdog,
        };
        lab.build(&binary)?;
        Ok(lab)
    }

    fn build(&mut self, envoy: &Path) -> Result<()> {
        fs::create_dir_all(self.logs())?;
        network::build(&self.plan)?;
        for place in self.plan.nodes.iter().map(|node| self.host(&node.name)).chain([Ok(self.outside())]) {
            fs::create_dir_all(place?.cgroup())?;
        }
        for container in self.plan.pods.iter().flat_map(|pod| &pod.containers) {
            fs::create_dir_all(self.cgroup.join(&container.cgroup))?;
        }
        self.write_dump()?;
        for pod in self.plan.pods.clone() {
            for container in &pod.containers {
                let place = self.container(&pod.name, &container.name)?;
                match container.run {
                    Program::Envoy => {
                        let node = self.plan.node(&pod.node)?;
                        let dir = self.envoy_dir(&node.name);
                        let config = self.envoy_config(node)?;
                        self.envoys
                            .insert(node.name.clone(), Envoy::start(&place, envoy, node, &dir, &self.logs(), &config)?);
                    }
                    Program::Backend => {
                        self.start_sink(&place, &pod, container)?;
                        self.start_caddy(&pod, container, Variant::Plain)?;
                    }
                    Program::Waypoint { .. } => self.start_caddy(&pod, container, Variant::Plain)?,
                    Program::Idle => {}
                }
            }
        }
        // All of them start at the same time.
        self.envoys.values_mut().try_for_each(Envoy::ready)?;
        for pod in self.plan.pods.clone() {
            pod.containers.iter().try_for_each(|container| self.caddy_ready(&pod, container))?;
        }
        Ok(())
    }

    fn start_caddy(&mut self, pod: &Pod, container: &Container, variant: Variant) -> Result<()> {
        let place = self.container(&pod.name, &container.name)?;
        let dir = self.container_dir(pod, container);
        let process = caddy::start(&self.plan, &place, pod, container, variant, &dir, &self.logs())?;
        self.caddies.insert(key(pod, container), process);
        Ok(())
    }

    fn caddy_ready(&mut self, pod: &Pod, container: &Container) -> Result<()> {
        let Some(process) = self.caddies.get_mut(&key(pod, container)) else { return Ok(()) };
        let pid = process.pid();
        container
            .ports
            .iter()
            .try_for_each(|port| process.ready("listening", || super::process::listens(pid, port.port)))
    }

    fn start_sink(&mut self, place: &Place, pod: &Pod, container: &Container) -> Result<()> {
        let dir = self.container_dir(pod, container);
        fs::create_dir_all(&dir)?;
        let mut command = place.command(&self.xtask)?;
        command.arg("sink").arg(caddy::sink_socket(&dir));
        self.sinks.push(Process::start(&format!("{}-sink", pod.name), command, &self.logs())?);
        Ok(())
    }

    /// What a node's Envoy is to serve now.
    fn envoy_config(&self, node: &Node) -> Result<envoy::Config> {
        let dir = self.envoy_dir(&node.name);
        if let Some(cluster) = &self.followed {
            return envoy::adapter::of_node(cluster, node, &dir);
        }
        let translated = gateway::translate(&self.objects.input(&self.plan));
        Ok(envoy::config::of_node(&self.plan, node, &dir, &translated))
    }

    fn write_dump(&self) -> Result<()> {
        places::write(&self.state, &places::of(&self.plan, &self.cgroup))?;
        let translated = gateway::translate(&self.objects.input(&self.plan));
        replace(
            &self.cluster_yaml(),
            &serde_norway::to_string(&dump::cluster(&self.plan, &self.objects, &translated))?,
        )?;
        replace(&self.policy_yaml(), &serde_norway::to_string(&self.plan.topology.policy)?)
    }

    fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    fn envoy_dir(&self, node: &str) -> PathBuf {
        self.state.join(format!("envoy-{node}"))
    }

    fn container_dir(&self, pod: &Pod, container: &Container) -> PathBuf {
        self.state.join(format!("{}-{}", pod.name, container.name))
    }

    /// Removes the lab and says whether that worked. Dropping it does the same, and can only print.
    pub fn down(mut self) -> Result<()> {
        self.watchdog.release()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(error) = self.watchdog.release() {
            eprintln!("lab {}: {error:#}", self.plan.id);
        }
    }
}

fn key(pod: &Pod, container: &Container) -> String {
    format!("{}/{}", pod.name, container.name)
}

/// The program with the hidden subcommands: this one, or the one beside a test's.
fn xtask_binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    if own.file_name().is_some_and(|name| name == "xtask") {
        return Ok(own);
    }
    let beside = own.ancestors().skip(1).take(2).map(|dir| dir.join("xtask")).find(|path| path.is_file());
    beside.with_context(|| format!("no xtask beside {}: cargo build -p xtask", own.display()))
}
