//! Everything that follows from a topology before anything is built: who runs where, with which addresses and identities. Pure.

mod identity;

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::address::Address;
use super::cgroup;
use super::topology::{CgroupStyle, ContainerPort, GatewaySpec, Networks, Program, Qos, Topology, WorkloadKind};

/// One lab, planned. Addresses do not depend on the lab's id (each lab has its own namespaces); identities do.
#[derive(Debug, Clone)]
pub struct Plan {
    pub id: String,
    pub topology: Topology,
    pub nodes: Vec<Node>,
    pub pods: Vec<Pod>,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub name: String,
    pub cgroups: CgroupStyle,
    /// Network namespace, by name.
    pub netns: String,
    pub address: Address,
    /// Network addresses (host part zero): a /24 and a /64.
    pub pod_cidr: Address,
    /// Where its pods send what leaves them.
    pub router: Address,
    /// Source of what its Envoy dials (CiliumNode `spec.ingress`).
    pub ingress: Address,
}

#[derive(Debug, Clone)]
pub struct Pod {
    pub name: String,
    pub namespace: String,
    pub workload: String,
    pub node: String,
    pub uid: String,
    pub qos: Qos,
    pub host_network: bool,
    pub netns: String,
    pub address: Address,
    pub containers: Vec<Container>,
}

#[derive(Debug, Clone)]
pub struct Container {
    pub name: String,
    /// 64 hexadecimal digits; another one after each restart.
    pub id: String,
    pub restarts: u32,
    pub image: String,
    pub ports: Vec<ContainerPort>,
    pub run: Program,
    /// Below the lab's own cgroup.
    pub cgroup: PathBuf,
}

impl Plan {
    pub fn new(id: &str, topology: &Topology) -> Result<Self> {
        let mut nodes = Vec::new();
        for (position, spec) in topology.nodes.iter().enumerate() {
            let number = u8::try_from(position + 1).ok().filter(|n| *n <= 180).context("nodes: more than 180")?;
            let pod_cidr = topology.networks.pods.subnet(number);
            nodes.push(Node {
                name: spec.name.clone(),
                cgroups: spec.cgroups,
                netns: format!("{}{}", netns_prefix(id), spec.name),
                address: topology.networks.nodes.host(10 + number),
                pod_cidr,
                router: pod_cidr.host(1),
                ingress: pod_cidr.host(2),
            });
        }
        let mut plan = Self { id: id.to_owned(), topology: topology.clone(), nodes, pods: Vec::new() };
        plan.place_pods()?;
        Ok(plan)
    }

    fn place_pods(&mut self) -> Result<()> {
        let mut next_host = vec![10u8; self.nodes.len()];
        for workload in &self.topology.workloads {
            let replicas = if workload.kind == WorkloadKind::DaemonSet { self.nodes.len() } else { workload.replicas };
            for replica in 0..replicas {
                let position = replica % self.nodes.len();
                let node = &self.nodes[position];
                let name = match workload.kind {
                    WorkloadKind::DaemonSet => format!("{}-{}", workload.name, node.name),
                    WorkloadKind::Deployment | WorkloadKind::StatefulSet => {
                        format!("{}-{}", workload.name, replica + 1)
                    }
                };
                let address = if workload.host_network {
                    node.address
                } else {
                    let host = next_host[position];
                    ensure!(host < 250, "{}: too many pods", node.name);
                    next_host[position] += 1;
                    node.pod_cidr.host(host)
                };
                let netns = if workload.host_network {
                    node.netns.clone()
                } else {
                    format!("{}{name}", netns_prefix(&self.id))
                };
                let mut pod = Pod {
                    uid: identity::uid(&[&self.id, &workload.namespace, &name]),
                    name,
                    namespace: workload.namespace.clone(),
                    workload: workload.name.clone(),
                    node: node.name.clone(),
                    qos: workload.qos,
                    host_network: workload.host_network,
                    netns,
                    address,
                    containers: Vec::new(),
                };
                for spec in &workload.containers {
                    let mut container = Container {
                        name: spec.name.clone(),
                        id: String::new(),
                        restarts: 0,
                        image: spec.image.clone(),
                        ports: spec.ports.clone(),
                        run: spec.run.clone(),
                        cgroup: PathBuf::new(),
                    };
                    container.identify(node, &pod);
                    pod.containers.push(container);
                }
                self.pods.push(pod);
            }
        }
        Ok(())
    }

    /// UID of an object that is no pod.
    pub fn uid_of(&self, kind: &str, namespace: &str, name: &str) -> String {
        identity::uid(&[&self.id, kind, namespace, name])
    }

    pub fn networks(&self) -> &Networks {
        &self.topology.networks
    }

    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| format!("the lab has no node {name}"))
    }

    pub fn pod(&self, name: &str) -> Result<&Pod> {
        self.pods.iter().find(|pod| pod.name == name).with_context(|| format!("the lab has no pod {name}"))
    }

    pub fn gateway(&self, name: &str) -> Result<&GatewaySpec> {
        self.topology.gateways.iter().find(|g| g.name == name).with_context(|| format!("the lab has no Gateway {name}"))
    }

    pub fn pods_of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(move |pod| pod.workload == workload)
    }

    pub fn pods_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(move |pod| pod.node == node && !pod.host_network)
    }

    /// Pod addresses and port numbers behind a Service's port.
    pub fn endpoints(&self, workload: &str, target_port: &str) -> Vec<(&Pod, u16)> {
        let of_pod =
            |pod: &Pod| pod.containers.iter().flat_map(|c| &c.ports).find(|p| p.name == target_port).map(|p| p.port);
        let pods = self.pods.iter().filter(|pod| pod.workload == workload);
        pods.filter_map(|pod| of_pod(pod).map(|port| (pod, port))).collect()
    }

    /// Namespace that joins the nodes.
    pub fn underlay_netns(&self) -> String {
        format!("{}underlay", netns_prefix(&self.id))
    }

    /// Namespace of clients that belong to no node.
    pub fn outside_netns(&self) -> String {
        format!("{}outside", netns_prefix(&self.id))
    }

    /// Takes over the UID that an API server gave to a pod: its cgroups and container ids follow from it.
    pub fn adopt(&mut self, pod: &str, uid: &str) -> Result<()> {
        let node = self.node(&self.pod(pod)?.node)?.clone();
        let pod = self.pods.iter_mut().find(|p| p.name == pod).expect("looked up above");
        uid.clone_into(&mut pod.uid);
        let like = pod.clone();
        pod.containers.iter_mut().for_each(|container| container.identify(&node, &like));
        Ok(())
    }

    /// The first container of another pod on the node of this one, as a kubelet would run it.
    pub fn another(&self, beside: &str, uid: &str, qos: Qos) -> Result<Container> {
        let mut pod = self.pod(beside)?.clone();
        (pod.uid, pod.qos) = (uid.to_owned(), qos);
        let mut container = pod.containers.first().with_context(|| format!("{beside} has no container"))?.clone();
        container.identify(self.node(&pod.node)?, &pod);
        Ok(container)
    }

    /// The same container as a kubelet starts it again: new id, new cgroup.
    pub fn restart(&mut self, pod: &str, container: &str) -> Result<()> {
        let node = self.node(&self.pod(pod)?.node)?.clone();
        let pod = self.pods.iter_mut().find(|p| p.name == pod).expect("looked up above");
        let like = pod.clone();
        let found = pod.containers.iter_mut().find(|c| c.name == container);
        let container = found.with_context(|| format!("pod {} has no container {container}", like.name))?;
        container.restarts += 1;
        container.identify(&node, &like);
        Ok(())
    }
}

impl Pod {
    pub fn container(&self, name: &str) -> Result<&Container> {
        self.containers
            .iter()
            .find(|c| c.name == name)
            .with_context(|| format!("pod {} has no container {name}", self.name))
    }

    pub fn ip(&self) -> IpAddr {
        self.address.v4()
    }
}

impl Container {
    fn identify(&mut self, node: &Node, pod: &Pod) {
        self.id = identity::container_id(&[&pod.uid, &self.name, &self.restarts.to_string()]);
        self.cgroup =
            cgroup::of_node(&node.name).join(cgroup::container_path(node.cgroups, pod.qos, &pod.uid, &self.id));
    }
}

/// What all network namespaces of a lab begin with.
pub fn netns_prefix(id: &str) -> String {
    format!("wv-{id}-")
}

#[cfg(test)]
mod tests;
