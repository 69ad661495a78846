//! The topology file: what the lab is to look like. Plain data; `plan` derives the rest from it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::Address;

/// The file that is used when none is named.
const DEFAULT: &str = include_str!("../../topology.yaml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Topology {
    /// Whether backends write down what they serve (`Lab::access_log`).
    #[serde(default)]
    pub access_log: bool,
    pub networks: Networks,
    pub nodes: Vec<NodeSpec>,
    pub workloads: Vec<Workload>,
    pub services: Vec<ServiceSpec>,
    pub gateway_class: String,
    pub gateways: Vec<GatewaySpec>,
    /// HTTPRoutes and ReferenceGrants that the lab starts with, and that `Lab::reset` returns to.
    pub objects: Vec<Value>,
    /// The WaypointPolicy, written beside the cluster dump as it stands here.
    pub policy: Value,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Networks {
    pub pods: Address,
    pub nodes: Address,
    pub outside: Address,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    pub name: String,
    pub cgroups: CgroupStyle,
}

/// The kubelet's cgroup driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum CgroupStyle {
    Cgroupfs,
    Systemd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum WorkloadKind {
    /// One pod on each node.
    DaemonSet,
    Deployment,
    /// Pods are named by number, and stay so.
    StatefulSet,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Workload {
    pub name: String,
    pub namespace: String,
    pub kind: WorkloadKind,
    #[serde(default = "one")]
    pub replicas: usize,
    #[serde(default)]
    pub host_network: bool,
    pub qos: Qos,
    pub labels: serde_json::Map<String, Value>,
    pub containers: Vec<ContainerSpec>,
}

fn one() -> usize {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerSpec {
    pub name: String,
    pub image: String,
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
    pub run: Program,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerPort {
    pub name: String,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Program {
    /// The node's gateway proxy.
    Envoy,
    /// Caddy as a reverse proxy to a Gateway's address.
    Waypoint { gateway: String, port: u16 },
    /// Caddy that answers by itself.
    Backend,
    /// Nothing of its own; scenarios start processes in it.
    Idle,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceSpec {
    pub name: String,
    pub namespace: String,
    pub workload: String,
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Address,
    pub ports: Vec<ServicePort>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServicePort {
    pub name: String,
    pub port: u16,
    /// The name of a container's port.
    pub target_port: String,
    pub node_port: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewaySpec {
    pub name: String,
    pub namespace: String,
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Address,
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: Address,
    pub listeners: Vec<ListenerSpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ListenerSpec {
    pub name: String,
    pub port: u16,
    pub node_port: u16,
    pub hostname: Option<String>,
}

impl Topology {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("{}: not a topology", path.display()))
    }

    pub fn parse(text: &str) -> Result<Self> {
        // By way of JSON values: YAML's own notation for enums (tags) is not what people write.
        let value: Value = serde_norway::from_str(text)?;
        let topology: Self = serde_json::from_value(value)?;
        topology.check()?;
        Ok(topology)
    }

    /// The topology that the repository comes with.
    pub fn standard() -> Self {
        Self::parse(DEFAULT).expect("xtask/topology.yaml is checked by a test")
    }

    pub fn workload(&self, name: &str) -> Option<&Workload> {
        self.workloads.iter().find(|workload| workload.name == name)
    }

    fn check(&self) -> Result<()> {
        if self.nodes.is_empty() {
            bail!("nodes: at least one is needed");
        }
        for service in &self.services {
            let Some(workload) = self.workload(&service.workload) else {
                bail!("service {}: there is no workload {}", service.name, service.workload);
            };
            for port in &service.ports {
                if !workload.containers.iter().flat_map(|c| &c.ports).any(|p| p.name == port.target_port) {
                    bail!(
                        "service {}: no container of {} has a port named {}",
                        service.name,
                        workload.name,
                        port.target_port
                    );
                }
            }
        }
        for program in self.workloads.iter().flat_map(|w| &w.containers).map(|c| &c.run) {
            if let Program::Waypoint { gateway, .. } = program
                && !self.gateways.iter().any(|g| &g.name == gateway)
            {
                bail!("a waypoint dials Gateway {gateway}, which is not there");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topology_that_comes_with_the_repository_is_valid() {
        let topology = Topology::standard();
        assert_eq!(topology.nodes.len(), 2);
        assert_eq!(topology.gateways.len(), 3);
    }

    #[test]
    fn unknown_fields_and_dangling_names_are_refused() {
        let rows = [
            ("gatewayClass: cilium", "gatewayClass: cilium\nsurprise: 1", "unknown field `surprise`"),
            ("targetPort: http}", "targetPort: nothing}", "has a port named nothing"),
            ("gateway: hello-upstream, port", "gateway: nowhere, port", "dials Gateway nowhere"),
        ];
        for (old, new, expected) in rows {
            let error = format!("{:#}", Topology::parse(&DEFAULT.replace(old, new)).unwrap_err());
            assert!(error.contains(expected), "{error} does not say {expected}");
        }
    }
}
