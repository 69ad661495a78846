//! What a lab tells: places, addresses, files.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Lab, key};
use crate::lab::envoy::Envoy;
use crate::lab::place::Place;
use crate::lab::plan::Plan;
use crate::lab::process::Process;
use crate::lab::topology::Qos;
use crate::lab::{caddy, cgroup};

impl Lab {
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

    /// A container of a pod that was not planned, in the network of this one, with the id that its runtime gave it.
    pub fn another(&self, beside: &str, uid: &str, qos: Qos) -> Result<(Place, String)> {
        let container = self.plan.another(beside, uid, qos)?;
        let cgroup = self.cgroup.join(&container.cgroup);
        fs::create_dir_all(&cgroup).with_context(|| cgroup.display().to_string())?;
        Ok((Place::new(format!("pod {uid}"), &self.plan.pod(beside)?.netns, cgroup, &self.xtask), container.id))
    }

    /// A process of the node itself: the node's network namespace, no pod's cgroup.
    pub fn host(&self, node: &str) -> Result<Place> {
        self.service_of_node(node, "host-process")
    }

    /// A process of a service of the node, such as the kubelet.
    pub fn service_of_node(&self, node: &str, service: &str) -> Result<Place> {
        let node = self.plan.node(node)?;
        let cgroup = self.node_cgroup(&node.name).join(cgroup::host_path(service));
        fs::create_dir_all(&cgroup).with_context(|| cgroup.display().to_string())?;
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

    /// What a backend has served, as Caddy writes it; only where the topology says so.
    pub fn access_log(&self, pod: &str) -> Result<PathBuf> {
        let pod = self.plan.pod(pod)?;
        let container = pod.containers.first().with_context(|| format!("{} has no container", pod.name))?;
        Ok(caddy::access_log(&self.container_dir(pod, container)))
    }

    /// Where a gRPC server may listen for the calls that this Caddy hands on.
    pub fn grpc_socket(&self, pod: &str, container: &str) -> Result<PathBuf> {
        let pod = self.plan.pod(pod)?;
        Ok(caddy::grpc_socket(&self.container_dir(pod, pod.container(container)?)))
    }

    /// The process of a Caddy container.
    pub fn caddy_pid(&self, pod: &str, container: &str) -> Option<u32> {
        self.caddies.get(&format!("{pod}/{container}")).map(Process::pid)
    }

    /// Holds everything that the lab runs.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Holds the nodes, and not what is outside of them: what the root of the hierarchy is to a program that observes them all.
    pub fn nodes_cgroup(&self) -> PathBuf {
        self.cgroup.join(cgroup::NODES)
    }

    /// What the root of the cgroup hierarchy would be to an agent on that node.
    pub fn node_cgroup(&self, node: &str) -> PathBuf {
        self.cgroup.join(cgroup::of_node(node))
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
}
