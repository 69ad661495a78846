//! Which pods a port of a Service leads to, by its selector, its EndpointSlices or its name; and whose pods those are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::objects::{Item, Workload, World};
use super::table::Backend;
use crate::inventory::{EndpointSlice, Service, ServicePort, matches_labels};
use crate::model::NamespacedName;

/// A container port of a workload, by the workload's place in `World::workloads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub workload: usize,
    /// 0: any port.
    pub port: u16,
}

/// What a port of a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    pub endpoints: BTreeSet<Endpoint>,
    /// Ports of other Services: by an ExternalName, or by an endpoint that is a Service's address, or a port of a node.
    pub services: BTreeSet<Backend>,
    /// Why: `selector`, `EndpointSlice NAME`, `ExternalName`.
    pub by: BTreeSet<String>,
}

/// What is behind the addresses of an EndpointSlice.
#[derive(Debug, Default)]
struct Behind<'a> {
    workloads: Vec<usize>,
    services: Vec<&'a NamespacedName>,
    /// Some address may be a node's.
    nodes: bool,
}

/// Indexes over the objects.
#[derive(Debug)]
pub struct Reach<'a> {
    world: &'a World,
    /// Workloads by namespace and one label.
    by_label: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    by_ip: HashMap<IpAddr, Vec<usize>>,
    by_name: HashMap<(&'a str, &'a str), usize>,
    service_ips: HashMap<IpAddr, Vec<&'a NamespacedName>>,
    /// Ports of Services by the port of every node at which they answer.
    node_ports: HashMap<u16, Vec<Backend>>,
    /// Container ports of workloads by the port of their node.
    host_ports: HashMap<u16, Vec<Endpoint>>,
}

impl<'a> Reach<'a> {
    pub fn new(world: &'a World) -> Self {
        let mut reach = Self {
            world,
            by_label: HashMap::new(),
            by_ip: HashMap::new(),
            by_name: HashMap::new(),
            service_ips: HashMap::new(),
            node_ports: HashMap::new(),
            host_ports: HashMap::new(),
        };
        for (at, workload) in world.workloads.iter().enumerate() {
            let namespace = workload.key.namespace.as_str();
            for (name, value) in &workload.value.labels {
                reach.by_label.entry((namespace, name, value)).or_default().push(at);
            }
            for (host, port) in workload.value.host_ports() {
                reach.host_ports.entry(host).or_default().push(Endpoint { workload: at, port });
            }
            if workload.value.is_pod {
                reach.by_name.insert((namespace, &workload.key.name), at);
                // In the node's own network several pods have one address: each may be meant.
                for ip in &workload.value.ips {
                    reach.by_ip.entry(*ip).or_default().push(at);
                }
            }
        }
        for (name, service) in &world.services {
            for ip in service.value.addresses() {
                reach.service_ips.entry(ip).or_default().push(name);
            }
            for port in service.value.spec.ports.iter().filter(|port| port.node_port != 0) {
                let backend = Backend { service: name.clone(), port: port.port };
                reach.node_ports.entry(port.node_port).or_default().push(backend);
            }
        }
        reach
    }

    /// Workloads that a Service's selector selects.
    fn selected(&self, service: &'a Item<Service>) -> Vec<usize> {
        let selector = &service.value.spec.selector;
        let namespace = service.key.namespace.as_str();
        let lists = selector.iter().map(|(name, value)| self.by_label.get(&(namespace, name, value)));
        let Some(fewest) = lists.map(|list| list.map_or(&[][..], Vec::as_slice)).min_by_key(|list| list.len()) else {
            return Vec::new();
        };
        fewest.iter().copied().filter(|at| matches_labels(selector, &self.world.workloads[*at].value.labels)).collect()
    }

    /// Every pod that a Service leads to, whatever the port.
    pub fn pods(&self, service: &'a Item<Service>) -> BTreeSet<usize> {
        let mut pods: BTreeSet<_> = self.selected(service).into_iter().collect();
        for slice in self.slices(service) {
            pods.extend(self.of_slice(slice).workloads);
        }
        pods
    }

    fn slices(&self, service: &Item<Service>) -> &'a [Item<EndpointSlice>] {
        self.world.slices.get(&service.name()).map_or(&[], Vec::as_slice)
    }

    /// What is behind the addresses of a slice.
    fn of_slice(&self, slice: &'a Item<EndpointSlice>) -> Behind<'a> {
        let Behind { mut workloads, mut services, mut nodes } = Behind::default();
        for endpoint in &slice.value.endpoints {
            for address in endpoint.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()) {
                let (pods, behind) = (self.by_ip.get(&address), self.service_ips.get(&address));
                workloads.extend(pods.into_iter().flatten().copied());
                services.extend(behind.into_iter().flatten());
                // Nodes are among the objects of few. Pods in a node's own network have its address, and some load balancers.
                let is_nodes = |at: &usize| self.world.workloads[*at].value.spec.host_network;
                nodes |= pods.is_none_or(|pods| pods.iter().any(is_nodes));
            }
            if let Some(target) = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod") {
                let namespace =
                    if target.namespace.is_empty() { slice.key.namespace.as_str() } else { target.namespace.as_str() };
                workloads.extend(self.by_name.get(&(namespace, target.name.as_str())).copied());
            }
        }
        Behind { workloads, services, nodes }
    }

    pub fn lead(&self, service: &'a Item<Service>, port: u16) -> Lead {
        let from = Backend { service: service.name(), port };
        let mut lead = Lead { endpoints: BTreeSet::new(), services: BTreeSet::new(), by: BTreeSet::new() };
        let spec = &service.value.spec;
        if spec.kind.as_deref() == Some("ExternalName")
            && let Some(other) = in_cluster(&spec.external_name)
        {
            lead.services.insert(Backend { service: other, port });
            lead.by.insert(format!("ExternalName {}", spec.external_name));
        }
        let headless = spec.cluster_ip.as_deref() == Some("None");
        let declared = spec.ports.iter().find(|own| own.port == port && own.is_tcp());
        for at in self.selected(service) {
            let workload = &self.world.workloads[at].value;
            // The name of a headless Service is the pods' own addresses, at whatever port is asked for.
            let number = match declared {
                Some(declared) => target_port(declared, workload),
                None if headless => Some(port),
                None => None,
            };
            if let Some(port) = number {
                lead.endpoints.insert(Endpoint { workload: at, port });
                lead.by.insert("selector".into());
            }
        }
        for slice in self.slices(service) {
            let name = declared.map_or("", |declared| declared.name.as_str());
            let ports: Vec<u16> = slice
                .value
                .ports
                .iter()
                .filter(|own| own.name == name || declared.is_none())
                .filter_map(|own| own.port)
                .collect();
            let Behind { workloads, services, nodes } = self.of_slice(slice);
            // The name of a headless Service is the addresses themselves, at whatever port is asked for.
            let asked = (headless || ports.is_empty()).then_some(port).filter(|port| !ports.contains(port));
            for port in ports.into_iter().chain(asked) {
                let mut endpoints: Vec<_> = workloads.iter().map(|at| Endpoint { workload: *at, port }).collect();
                let others = services.iter().map(|other| Backend { service: (*other).clone(), port });
                let mut backends: Vec<_> = others.filter(|other| *other != from).collect();
                if nodes {
                    endpoints.extend(self.host_ports.get(&port).into_iter().flatten().copied());
                    backends.extend(self.node_ports.get(&port).into_iter().flatten().cloned());
                }
                for endpoint in endpoints {
                    if lead.endpoints.insert(endpoint) {
                        lead.by.insert(slice.key.to_string());
                    }
                }
                for backend in backends {
                    lead.services.insert(backend);
                    lead.by.insert(slice.key.to_string());
                }
            }
        }
        lead
    }
}

/// `None`: the name is no port of this workload, and traffic for it goes nowhere.
fn target_port(port: &ServicePort, workload: &Workload) -> Option<u16> {
    match &port.target_port {
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok().filter(|number| *number != 0),
        Some(IntOrString::String(name)) => name.parse().ok().or_else(|| workload.named_port(name)),
        None => Some(port.port),
    }
}

/// The Service that a DNS name of the cluster stands for: `NAME.NAMESPACE.svc[.ZONE]`.
pub fn in_cluster(name: &str) -> Option<NamespacedName> {
    let mut labels = name.trim_end_matches('.').split('.');
    let (service, namespace) = (labels.next()?, labels.next()?);
    let is_service = labels.next() == Some("svc");
    is_service.then(|| NamespacedName { namespace: namespace.to_owned(), name: service.to_owned() })
}

/// Whose pods are protected, and whose are the waypoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub target: BTreeSet<usize>,
    pub waypoint: BTreeSet<usize>,
}

impl Roles {
    /// Workloads of both count as targets.
    pub fn new(reach: &Reach<'_>, targets: &[NamespacedName], waypoint: &NamespacedName) -> Self {
        let pods = |name: &NamespacedName| reach.world.services.get(name).map(|service| reach.pods(service));
        let target: BTreeSet<_> = targets.iter().filter_map(pods).flatten().collect();
        let waypoint = pods(waypoint).unwrap_or_default().difference(&target).copied().collect();
        Self { target, waypoint }
    }
}

/// Endpoints of one role, by workload.
pub fn of_role<'a>(
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
    role: &BTreeSet<usize>,
) -> BTreeMap<usize, BTreeSet<u16>> {
    let mut found: BTreeMap<usize, BTreeSet<u16>> = BTreeMap::new();
    for endpoint in endpoints {
        if role.contains(&endpoint.workload) {
            found.entry(endpoint.workload).or_default().insert(endpoint.port);
        }
    }
    found
}
