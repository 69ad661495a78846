//! The parts of Kubernetes objects that are relied on. Other fields are tolerated: clusters are newer than we are.

mod gateway;
mod services;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

pub use gateway::*;
pub use services::*;

pub type Labels = BTreeMap<String, String>;

/// What a kind demands beyond the types of its fields.
pub(super) trait Kind {
    const NEEDS_UID: bool = false;

    /// Field, what is wrong, what to do.
    fn check(&self) -> Result<(), (String, String, String)> {
        Ok(())
    }
}

macro_rules! kinds {
    ($($name:ident)*) => { $(impl Kind for $name {})* };
}
kinds!(Value Node CiliumNode Namespace EndpointSlice GatewayClass Gateway Route Grant EnvoyConfig Service);

impl Kind for Pod {
    const NEEDS_UID: bool = true;

    fn check(&self) -> Result<(), (String, String, String)> {
        if self.spec.containers.is_empty() {
            return Err(("spec.containers".into(), "a pod without containers".into(), "dump the pod again".into()));
        }
        Ok(())
    }
}

/// `metadata`, without its name and namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    pub uid: String,
    pub labels: Labels,
    pub annotations: Labels,
    pub owner_references: Vec<OwnerReference>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl OwnerReference {
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.api_version.rsplit_once('/').map_or("", |(group, _)| group) == group
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Node {
    pub spec: NodeSpec,
    pub status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    #[serde(rename = "podCIDR")]
    pub pod_cidr: Option<String>,
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    pub addresses: Vec<NodeAddress>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    #[serde(rename = "type")]
    pub kind: String,
    pub address: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CiliumNode {
    pub spec: CiliumNodeSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CiliumNodeSpec {
    pub addresses: Vec<CiliumAddress>,
    pub ingress: CiliumIngress,
    pub ipam: CiliumIpam,
}

#[derive(Clone, Debug, Deserialize)]
pub struct CiliumAddress {
    pub ip: IpAddr,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CiliumIngress {
    pub ipv4: Option<IpAddr>,
    pub ipv6: Option<IpAddr>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CiliumIpam {
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Namespace {}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    pub spec: PodSpec,
    pub status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    pub node_name: String,
    pub host_network: bool,
    pub containers: Vec<Container>,
    pub init_containers: Vec<Container>,
    pub ephemeral_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    pub name: String,
    pub ports: Vec<ContainerPort>,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerPort {
    pub name: String,
    pub container_port: u16,
    pub host_port: Option<u16>,
    pub protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    pub phase: String,
    #[serde(rename = "podIP")]
    pub pod_ip: Option<IpAddr>,
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    pub container_statuses: Vec<ContainerStatus>,
    pub init_container_statuses: Vec<ContainerStatus>,
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PodIp {
    pub ip: IpAddr,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    pub name: String,
    #[serde(rename = "containerID")]
    pub container_id: String,
    pub last_state: LastState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LastState {
    pub terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Terminated {
    #[serde(rename = "containerID")]
    pub container_id: String,
}

impl ContainerStatus {
    /// Runtime ids without their scheme, the present one first; the one before it may still own sockets.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let last = self.last_state.terminated.as_ref().map(|terminated| terminated.container_id.as_str());
        [Some(self.container_id.as_str()), last]
            .into_iter()
            .flatten()
            .map(|id| id.rsplit_once("://").map_or(id, |(_, id)| id))
            .filter(|id| !id.is_empty())
    }
}

impl Pod {
    /// It has ended; its address may be another pod's by now.
    pub fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        let listed = self.status.pod_ips.iter().map(|entry| entry.ip);
        let single = self.status.pod_ip.filter(|ip| self.status.pod_ips.iter().all(|entry| entry.ip != *ip));
        listed.chain(single)
    }

    pub fn statuses(&self) -> impl Iterator<Item = &ContainerStatus> {
        let status = &self.status;
        status
            .container_statuses
            .iter()
            .chain(&status.init_container_statuses)
            .chain(&status.ephemeral_container_statuses)
    }

    /// Containers that run as long as the pod does.
    pub fn lasting_containers(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.spec.init_containers.iter().filter(|init| init.restart_policy.as_deref() == Some("Always"));
        self.spec.containers.iter().chain(sidecars)
    }
}
