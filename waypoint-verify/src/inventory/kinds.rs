//! The parts of Kubernetes objects that are relied on. Other fields are tolerated: clusters are newer than we are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde_json::Value;

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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    pub spec: ServiceSpec,
    pub status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<IpAddr>,
    pub selector: Labels,
    pub ports: Vec<ServicePort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    pub name: String,
    pub port: u16,
    pub protocol: Option<String>,
    pub target_port: Option<IntOrString>,
    pub node_port: u16,
}

impl ServicePort {
    pub fn is_tcp(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceStatus {
    pub load_balancer: LoadBalancer,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    pub ingress: Vec<LoadBalancerIngress>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancerIngress {
    pub ip: Option<IpAddr>,
}

impl Service {
    /// Addresses at which the Service answers, node addresses aside. Headless Services have none.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let cluster = self.spec.cluster_ips.iter().chain(&self.spec.cluster_ip).filter_map(|ip| ip.parse().ok());
        let balancer = self.status.load_balancer.ingress.iter().filter_map(|ingress| ingress.ip);
        cluster.chain(balancer).chain(self.spec.external_ips.iter().copied())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointSlice {
    pub endpoints: Vec<Endpoint>,
    pub ports: Vec<EndpointPort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    /// Addresses, or host names for slices of type FQDN.
    pub addresses: Vec<String>,
    pub target_ref: Option<ObjectReference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    pub port: Option<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ObjectReference {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct GatewayClass {
    pub spec: GatewayClassSpec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    pub controller_name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Gateway {
    pub spec: GatewaySpec,
    #[serde(default)]
    pub status: GatewayStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    pub gateway_class_name: String,
    #[serde(default)]
    pub listeners: Vec<GatewayListener>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct GatewayListener {
    #[serde(default)]
    pub name: String,
    pub port: u16,
    pub protocol: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayStatus {
    pub addresses: Vec<GatewayAddress>,
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayAddress {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
}

/// HTTPRoute or GRPCRoute. Rules stay JSON: each filter of them must be understood or count as unknown.
#[derive(Clone, Debug, Deserialize)]
pub struct Route {
    pub spec: RouteSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteSpec {
    pub parent_refs: Vec<ParentReference>,
    pub rules: Vec<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ParentReference {
    pub group: Option<String>,
    pub kind: Option<String>,
    pub namespace: Option<String>,
    pub name: String,
}

/// ReferenceGrant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Grant {
    pub spec: GrantSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GrantSpec {
    pub from: Vec<GrantFrom>,
    pub to: Vec<GrantTo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GrantFrom {
    pub group: String,
    pub kind: String,
    pub namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GrantTo {
    pub group: String,
    pub kind: String,
    pub name: Option<String>,
}

/// CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvoyConfig {
    pub spec: EnvoyConfigSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvoyConfigSpec {
    pub services: Vec<EnvoyService>,
    /// Envoy resources (`@type` and fields), as JSON.
    pub resources: Vec<Value>,
}

/// A Service whose traffic is redirected to a listener of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvoyService {
    pub name: String,
    pub namespace: String,
    /// Empty: every port.
    pub ports: Vec<u16>,
}
