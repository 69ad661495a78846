//! A lab that is up.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use super::caddy::{self, Variant};
use super::envoy::{self, Envoy};
use super::objects::Objects;
use super::place::Place;
use super::plan::{Container, Plan, Pod};
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
        ensure!(nix::unistd::geteuid().is_root(), "the lab needs root: it makes network namespaces and cgroups");
        ensure!(
            id.chars().all(|c| c.is_ascii_alphanumeric()) && (1..=20).contains(&id.len()),
            "{id}: not an id for a lab"
        );
        let binary = setup::envoy_binary()?;
        let xtask = xtask_binary()?;
        let plan = Plan::new(id, topology)?;
        let objects = Objects::new(&plan)?;
        let watchdog = Watchdog::start(id, &xtask)?;
        let mut lab = Self {
            cgroup: cgroup::root()?.join(format!("{}{id}", cgroup::PREFIX)),
            state: watchdog::state_dir(id),
            plan,
            xtask,
            objects,
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
        let translated = gateway::translate(&self.objects.input(&self.plan));
        for pod in self.plan.pods.clone() {
            for container in &pod.containers {
                let place = self.container(&pod.name, &container.name)?;
                match container.run {
                    Program::Envoy => {
                        let node = self.plan.node(&pod.node)?;
                        let dir = self.envoy_dir(&node.name);
                        let config = envoy::config::of_node(&self.plan, node, &dir, &translated);
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

    /// Applies Kubernetes objects (YAML, several documents or lists; HTTPRoutes and ReferenceGrants) as `kubectl apply` would, and
    /// returns when every Envoy serves what follows from them. The dump is rewritten first: as in a cluster, where an object is
    /// there before what it causes.
    pub fn apply(&mut self, yaml: &str) -> Result<()> {
        self.objects.apply(yaml)?;
        self.reconcile()
    }

    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        self.objects.delete(kind, namespace, name)?;
        self.reconcile()
    }

    /// Back to the objects of the topology.
    pub fn reset(&mut self) -> Result<()> {
        self.objects = Objects::new(&self.plan)?;
        self.reconcile()
    }

    fn reconcile(&mut self) -> Result<()> {
        self.write_dump()?;
        let translated = gateway::translate(&self.objects.input(&self.plan));
        for node in &self.plan.nodes {
            let config = envoy::config::of_node(&self.plan, node, &self.envoy_dir(&node.name), &translated);
            let envoy = self.envoys.get_mut(&node.name).with_context(|| format!("{} has no Envoy", node.name))?;
            envoy.update(&config).with_context(|| format!("Envoy of {}", node.name))?;
        }
        Ok(())
    }

    /// Restarts a Caddy container, as the kubelet would: a new container in the same pod.
    pub fn restart(&mut self, pod: &str, container: &str, variant: Variant) -> Result<()> {
        let old = self.plan.pod(pod)?.container(container)?.clone();
        let process = self
            .caddies
            .remove(&format!("{pod}/{container}"))
            .with_context(|| format!("{pod}/{container} runs no Caddy"))?;
        process.stop()?;
        cgroup::remove(&self.cgroup.join(&old.cgroup))?;
        self.plan.restart(pod, container)?;
        let pod = self.plan.pod(pod)?.clone();
        let container = pod.container(container)?.clone();
        fs::create_dir_all(self.cgroup.join(&container.cgroup))?;
        if container.run == Program::Backend {
            let place = self.container(&pod.name, &container.name)?;
            let _ = fs::remove_file(caddy::sink_socket(&self.container_dir(&pod, &container)));
            self.start_sink(&place, &pod, &container)?;
        }
        self.start_caddy(&pod, &container, variant)?;
        self.caddy_ready(&pod, &container)?;
        self.write_dump()
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

    /// The first container of a pod: what `kubectl exec POD` means.
    pub fn client(&self, pod: &str) -> Result<Place> {
        let container = self.plan.pod(pod)?.containers.first().with_context(|| format!("{pod} has no container"))?;
        self.container(pod, &container.name)
    }

    pub fn container(&self, pod: &str, container: &str) -> Result<Place> {
        let pod = self.plan.pod(pod)?;
        let container = pod.container(container)?;
        Ok(Place::new(key(pod, container), &pod.netns, self.cgroup.join(&container.cgroup), &self.xtask))
    }

    /// A process of the node itself: the node's network namespace, no pod's cgroup.
    pub fn host(&self, node: &str) -> Result<Place> {
        let node = self.plan.node(node)?;
        let cgroup = self.node_cgroup(&node.name).join(cgroup::host_path("host-process"));
        Ok(Place::new(format!("node {}", node.name), &node.netns, cgroup, &self.xtask))
    }

    /// A machine that is no node.
    pub fn outside(&self) -> Place {
        Place::new("outside".to_owned(), &self.plan.outside_netns(), self.cgroup.join("outside"), &self.xtask)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A Gateway's ClusterIP and first port.
    pub fn gateway(&self, name: &str) -> Result<SocketAddr> {
        let gateway = self.plan.gateway(name)?;
        let listener = gateway.listeners.first().with_context(|| format!("{name} has no listener"))?;
        Ok(SocketAddr::new(gateway.cluster_ip.v4(), listener.port))
    }

    /// A Service's ClusterIP and first port.
    pub fn service(&self, name: &str) -> Result<SocketAddr> {
        let service = self
            .plan
            .topology
            .services
            .iter()
            .find(|s| s.name == name)
            .with_context(|| format!("no Service {name}"))?;
        let port = service.ports.first().with_context(|| format!("{name} has no port"))?;
        Ok(SocketAddr::new(service.cluster_ip.v4(), port.port))
    }

    /// A pod's address and the port of its first container.
    pub fn pod(&self, name: &str) -> Result<SocketAddr> {
        let pod = self.plan.pod(name)?;
        let port =
            pod.containers.iter().flat_map(|c| &c.ports).next().with_context(|| format!("{name} has no port"))?;
        Ok(SocketAddr::new(pod.ip(), port.port))
    }

    /// A node's address and the port at which it serves a Service of type NodePort.
    pub fn node_port(&self, node: &str, service: &str) -> Result<SocketAddr> {
        let services = self.plan.topology.services.iter().filter(|s| s.name == service);
        let port = services
            .flat_map(|s| &s.ports)
            .find_map(|p| p.node_port)
            .with_context(|| format!("{service} has no NodePort"))?;
        Ok(SocketAddr::new(self.plan.node(node)?.address.v4(), port))
    }

    pub fn envoy(&self, node: &str) -> Result<&Envoy> {
        self.envoys.get(node).with_context(|| format!("{node} has no Envoy"))
    }

    /// The process of a Caddy container.
    pub fn caddy_pid(&self, pod: &str, container: &str) -> Option<u32> {
        self.caddies.get(&format!("{pod}/{container}")).map(Process::pid)
    }

    /// Holds everything that the lab runs.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// What the root of the cgroup hierarchy would be to an agent on that node.
    pub fn node_cgroup(&self, node: &str) -> PathBuf {
        self.cgroup.join(node)
    }

    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The dump of the cluster's objects, rewritten whenever they change.
    pub fn cluster_yaml(&self) -> PathBuf {
        self.state.join("cluster.yaml")
    }

    pub fn policy_yaml(&self) -> PathBuf {
        self.state.join("policy.yaml")
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
