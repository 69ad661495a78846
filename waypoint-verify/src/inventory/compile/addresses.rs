//! Addresses of nodes: to tell inside from outside, and a proxy's own source from a client's.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::inventory::{CiliumNode, Inventory, Item, Node};
use crate::manifest::Problem;
use crate::model::{ContainerRef, NamespacedName};

pub const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn by_name(name: &str) -> NamespacedName {
    NamespacedName { namespace: String::new(), name: name.to_owned() }
}

fn of_objects<'a>(
    node: Option<&'a Item<Node>>,
    cilium: Option<&'a Item<CiliumNode>>,
) -> impl Iterator<Item = IpAddr> + 'a {
    let own =
        node.into_iter().flat_map(|node| &node.value.status.addresses).filter_map(|entry| entry.address.parse().ok());
    let more = cilium.into_iter().flat_map(|node| &node.value.spec.addresses).map(|entry| entry.ip);
    own.chain(more)
}

/// Addresses at which a node itself answers, NodePorts included. The ingress addresses are not among them.
pub fn of_nodes(inventory: &Inventory) -> BTreeSet<IpAddr> {
    let names: BTreeSet<_> = inventory.nodes.keys().chain(inventory.cilium_nodes.keys()).collect();
    names.into_iter().flat_map(|name| of_objects(inventory.nodes.get(name), inventory.cilium_nodes.get(name))).collect()
}

/// Source addresses of the proxies of one node: its own, Cilium's ingress addresses, loopback.
pub fn of_node(inventory: &Inventory, node: &str) -> BTreeSet<IpAddr> {
    let name = by_name(node);
    let cilium = inventory.cilium_nodes.get(&name);
    let ingress =
        cilium.into_iter().flat_map(|node| [node.value.spec.ingress.ipv4, node.value.spec.ingress.ipv6]).flatten();
    of_objects(inventory.nodes.get(&name), cilium).chain(ingress).chain(LOOPBACK).collect()
}

/// Source addresses of a container: its pod's, and loopback.
pub fn of_container(inventory: &Inventory, container: Option<&ContainerRef>) -> BTreeSet<IpAddr> {
    let pod = container.and_then(|container| {
        let pod = &container.pod;
        inventory.pods.get(&NamespacedName { namespace: pod.namespace.clone(), name: pod.name.clone() })
    });
    pod.into_iter().flat_map(|pod| pod.value.ips()).chain(LOOPBACK).collect()
}

/// Networks that node processes and pods of this cluster have addresses in.
pub fn of_cluster(inventory: &Inventory, problems: &mut Vec<Problem>) -> Vec<(IpAddr, u8)> {
    let single = |ip: IpAddr| (ip, if ip.is_ipv4() { 32 } else { 128 });
    let mut networks: BTreeSet<(IpAddr, u8)> = of_nodes(inventory).into_iter().map(single).collect();
    for node in inventory.cilium_nodes.values() {
        let ingress = &node.value.spec.ingress;
        networks.extend([ingress.ipv4, ingress.ipv6].into_iter().flatten().map(single));
        let cidrs = node.value.spec.ipam.pod_cidrs.iter().enumerate();
        networks.extend(cidrs.filter_map(|(at, cidr)| {
            parse(cidr).or_else(|| {
                problems.push(no_network(node.problem(&format!("spec.ipam.podCIDRs[{at}]"), "", ""), cidr));
                None
            })
        }));
    }
    for node in inventory.nodes.values() {
        let spec = &node.value.spec;
        networks.extend(spec.pod_cidrs.iter().chain(&spec.pod_cidr).filter_map(|cidr| {
            parse(cidr).or_else(|| {
                problems.push(no_network(node.problem("spec.podCIDRs", "", ""), cidr));
                None
            })
        }));
    }
    // Pods of other IP pools have addresses that no node announces.
    let pods: Vec<_> =
        inventory.pods.values().flat_map(|pod| pod.value.ips()).filter(|ip| !contains(&networks, *ip)).collect();
    networks.extend(pods.into_iter().map(single));
    networks.into_iter().collect()
}

fn no_network(problem: Problem, cidr: &str) -> Problem {
    Problem { what: format!("{cidr:?} is not a network"), cure: "write it like 10.244.1.0/24".into(), ..problem }
}

fn parse(cidr: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = cidr.split_once('/')?;
    let (ip, bits): (IpAddr, u8) = (ip.parse().ok()?, bits.parse().ok()?);
    (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, bits))
}

fn contains(networks: &BTreeSet<(IpAddr, u8)>, ip: IpAddr) -> bool {
    networks.iter().any(|(network, bits)| match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let shift = 32 - u32::from(*bits);
            u32::from(*network).checked_shr(shift).unwrap_or(0) == u32::from(ip).checked_shr(shift).unwrap_or(0)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let shift = 128 - u32::from(*bits);
            u128::from(*network).checked_shr(shift).unwrap_or(0) == u128::from(ip).checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    })
}
