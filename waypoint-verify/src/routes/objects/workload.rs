//! Pods, and the templates that stand for them in manifests.

use std::net::IpAddr;

use serde::Deserialize;

use crate::inventory::{Labels, PodSpec};

/// Kinds whose template becomes pods, by API group; the template is at `spec.template`, but for CronJobs.
pub const TEMPLATES: [(&str, &str); 7] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "ReplicationController"),
];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    pub metadata: TemplateMeta,
    pub spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TemplateMeta {
    pub labels: Labels,
}

/// A pod, or whatever makes pods.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    pub labels: Labels,
    pub spec: PodSpec,
    /// Of a pod that runs.
    pub ips: Vec<IpAddr>,
    /// A pod that another object made: it is shown under its own name, too.
    pub is_pod: bool,
    /// Nothing that makes such pods is among the objects: its ports are not known.
    pub is_assumed: bool,
}

impl Workload {
    /// The container port that `name` stands for, of TCP; 0 where the ports are not known.
    pub fn named_port(&self, name: &str) -> Option<u16> {
        if self.is_assumed {
            return Some(0);
        }
        let containers = self.spec.containers.iter().chain(&self.spec.init_containers);
        let mut ports = containers.flat_map(|container| &container.ports);
        ports.find(|port| port.name == name && is_tcp(port.protocol.as_deref())).map(|port| port.container_port)
    }

    /// Ports of the node that lead to a container port: `hostPort`, or any declared port in the node's own network.
    pub fn host_ports(&self) -> impl Iterator<Item = (u16, u16)> {
        let ports =
            self.spec.containers.iter().chain(&self.spec.init_containers).flat_map(|container| &container.ports);
        ports.filter(|port| is_tcp(port.protocol.as_deref())).filter_map(|port| {
            let host = port.host_port.filter(|port| *port != 0);
            host.or(self.spec.host_network.then_some(port.container_port)).map(|host| (host, port.container_port))
        })
    }
}

fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}
