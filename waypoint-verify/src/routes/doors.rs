//! Addresses at which traffic comes in. What only a cluster can say stands in angle brackets.

use std::net::IpAddr;

use super::objects::{IngressSpec, World};
use super::path::{Door, From};
use super::table::Front;
use crate::inventory::{Service, ServicePort};
use crate::model::NamespacedName;

use super::objects::Item;

/// An address as it stands before a port.
pub fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

pub fn of_service(service: &Item<Service>, port: &ServicePort) -> Vec<Door> {
    let spec = &service.value.spec;
    let name = format!("{}.{}.svc", service.key.name, service.key.namespace);
    let cluster = Door { from: From::Cluster, address: format!("{name}:{}", port.port) };
    let mut doors = vec![cluster];
    let outside = |address: String| Door { from: From::Outside, address };
    let kind = spec.kind.as_deref().unwrap_or("ClusterIP");
    let node_ports = match kind {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false) || port.node_port != 0,
        _ => false,
    };
    if node_ports {
        let number = if port.node_port == 0 { "<its NodePort>".to_owned() } else { port.node_port.to_string() };
        doors.push(outside(format!("<any node>:{number}")));
    }
    if kind == "LoadBalancer" {
        let ips: Vec<_> = service.value.status.load_balancer.ingress.iter().filter_map(|ingress| ingress.ip).collect();
        if ips.is_empty() {
            doors.push(outside(format!("<load balancer>:{}", port.port)));
        }
        doors.extend(ips.into_iter().map(|ip| outside(format!("{}:{}", host(ip), port.port))));
    }
    doors.extend(spec.external_ips.iter().map(|ip| outside(format!("{}:{}", host(*ip), port.port))));
    doors
}

/// Doors of a Gateway's Service at these ports; without the Service, those that its controller opens unless told otherwise.
pub fn of_gateway(
    world: &World,
    gateway: &NamespacedName,
    service: Option<&NamespacedName>,
    fronts: &[Front],
) -> Vec<Door> {
    let known = service.and_then(|name| world.services.get(name));
    let mut doors = Vec::new();
    for front in fronts {
        let port = known.and_then(|service| {
            let port = service.value.spec.ports.iter().find(|port| port.port == front.port)?;
            Some((service, port))
        });
        if let Some((service, port)) = port {
            doors.extend(of_service(service, port));
            continue;
        }
        let addresses =
            world.gateways.get(gateway).map(|gateway| gateway.value.addresses.as_slice()).unwrap_or_default();
        let mut outside: Vec<_> = addresses.iter().map(|address| format!("{}:{}", address.value, front.port)).collect();
        if outside.is_empty() {
            outside.push(format!("<address of Gateway {}>:{}", gateway.name, front.port));
        }
        doors.extend(outside.into_iter().map(|address| Door { from: From::Outside, address }));
        if let Some(service) = service {
            let address = format!("{}.{}.svc:{}", service.name, service.namespace, front.port);
            doors.push(Door { from: From::Cluster, address });
        }
    }
    doors.sort();
    doors.dedup();
    doors
}

pub fn of_ingress(ingress: &IngressSpec) -> Vec<Door> {
    let ports = if ingress.tls.is_empty() { &[80][..] } else { &[80, 443][..] };
    ports.iter().map(|port| Door { from: From::Outside, address: format!("<ingress>:{port}") }).collect()
}
