//! Changing a lab while it runs.

use std::fs;

use anyhow::{Context, Result};

use super::Lab;
use crate::lab::caddy::{self, Variant};
use crate::lab::cgroup;
use crate::lab::envoy::Envoy;
use crate::lab::objects::Objects;
use crate::lab::plan::Pod;
use crate::lab::topology::Program;
use crate::lab::watchdog;
use crate::setup;

impl Lab {
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

    /// Changes the policy's file.
    pub fn edit_policy(&mut self, edit: impl FnOnce(&mut serde_json::Value)) -> Result<()> {
        edit(&mut self.plan.topology.policy);
        self.write_dump()
    }

    /// Keeps only some objects in the dump, until it is written again: what an inventory lacks.
    pub fn edit_cluster(&mut self, keep: impl Fn(&serde_json::Value) -> bool) -> Result<()> {
        let path = self.cluster_yaml();
        let mut cluster: serde_json::Value = serde_norway::from_str(&fs::read_to_string(&path)?)?;
        cluster["items"].as_array_mut().context("the dump is a list")?.retain(keep);
        watchdog::replace(&path, &serde_norway::to_string(&cluster)?)
    }

    fn reconcile(&mut self) -> Result<()> {
        self.write_dump()?;
        self.configure()
    }

    /// From now on the Envoys serve what an API server lists (`cluster::everything`), instead of the lab's own objects. Returns when all
    /// of them do; to be called again after each change there.
    pub fn follow(&mut self, cluster: serde_json::Value) -> Result<()> {
        self.followed = Some(cluster);
        self.configure()
    }

    fn configure(&mut self) -> Result<()> {
        for node in &self.plan.nodes {
            let config = self.envoy_config(node)?;
            let envoy = self.envoys.get_mut(&node.name).with_context(|| format!("{} has no Envoy", node.name))?;
            envoy.update(&config).with_context(|| format!("Envoy of {}", node.name))?;
        }
        Ok(())
    }

    /// Restarts a Caddy container, as the kubelet would: a new container in the same pod.
    pub fn restart(&mut self, pod: &str, container: &str, variant: Variant) -> Result<()> {
        self.recreate(pod, container)?;
        self.start(pod, container, variant)
    }

    /// Ends a Caddy container; a new one is there, in the dump too, and its program is yet to be started.
    pub fn recreate(&mut self, pod: &str, container: &str) -> Result<()> {
        let old = self.plan.pod(pod)?.container(container)?.clone();
        let process = self
            .caddies
            .remove(&format!("{pod}/{container}"))
            .with_context(|| format!("{pod}/{container} runs no Caddy"))?;
        process.stop()?;
        cgroup::remove(&self.cgroup.join(&old.cgroup))?;
        self.plan.restart(pod, container)?;
        fs::create_dir_all(self.cgroup.join(&self.plan.pod(pod)?.container(container)?.cgroup))?;
        self.write_dump()
    }

    /// Restarts a node's Envoy as the kubelet would: a new container, with the configuration of now. Returns the name of its pod.
    pub fn restart_envoy(&mut self, node: &str) -> Result<String> {
        let node = self.plan.node(node)?.clone();
        let runs_envoy = |pod: &&Pod| pod.node == node.name && pod.containers.iter().any(|c| c.run == Program::Envoy);
        let pod = self.plan.pods.iter().find(runs_envoy).with_context(|| format!("{} has no Envoy", node.name))?;
        let (pod, container) = (pod.name.clone(), pod.containers[0].clone());
        self.envoys.remove(&node.name).with_context(|| format!("{} has no Envoy", node.name))?.stop()?;
        cgroup::remove(&self.cgroup.join(&container.cgroup))?;
        self.plan.restart(&pod, &container.name)?;
        let place = self.container(&pod, &container.name)?;
        fs::create_dir_all(place.cgroup())?;
        self.write_dump()?;
        let dir = self.envoy_dir(&node.name);
        let config = self.envoy_config(&node)?;
        let envoy = Envoy::start(&place, &setup::envoy_binary()?, &node, &dir, &self.logs(), &config)?;
        self.envoys.entry(node.name).insert_entry(envoy).get_mut().ready()?;
        Ok(pod)
    }

    /// Starts the program of a container that `recreate` made.
    pub fn start(&mut self, pod: &str, container: &str, variant: Variant) -> Result<()> {
        let pod = self.plan.pod(pod)?.clone();
        let container = pod.container(container)?.clone();
        if container.run == Program::Backend {
            let place = self.container(&pod.name, &container.name)?;
            let _ = fs::remove_file(caddy::sink_socket(&self.container_dir(&pod, &container)));
            self.start_sink(&place, &pod, &container)?;
        }
        self.start_caddy(&pod, &container, variant)?;
        self.caddy_ready(&pod, &container)
    }
}
