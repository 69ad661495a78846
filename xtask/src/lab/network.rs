//! Namespaces, links, addresses and routes, as scripts for `ip -batch`. Generating them is pure; `build` runs them.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::Result;

use super::address::{Address, cidr};
use super::plan::{Node, Plan, Pod};
use super::{firewall, netns};

/// Names of the namespaces of a plan.
pub fn namespaces(plan: &Plan) -> Vec<String> {
    let shared = [plan.underlay_netns(), plan.outside_netns()];
    let nodes = plan.nodes.iter().map(|node| node.netns.clone());
    let pods = plan.pods.iter().filter(|pod| !pod.host_network).map(|pod| pod.netns.clone());
    shared.into_iter().chain(nodes).chain(pods).collect()
}

pub fn build(plan: &Plan) -> Result<()> {
    netns::ip_batch(None, &creation(plan))?;
    // Before any address is there: what is sent meanwhile would be wrong.
    for node in &plan.nodes {
        netns::sysctl(&node.netns, NODE_SYSCTLS)?;
    }
    netns::ip_batch(Some(&plan.underlay_netns()), &underlay(plan))?;
    for node in &plan.nodes {
        netns::ip_batch(Some(&node.netns), &node_script(plan, node))?;
        netns::nft(&node.netns, &firewall::of_node(plan, node))?;
        for pod in plan.pods_on(&node.name) {
            netns::ip_batch(Some(&pod.netns), &pod_script(node, pod))?;
        }
    }
    netns::ip_batch(Some(&plan.outside_netns()), &outside(plan))
}

const NODE_SYSCTLS: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    // Replies to a VIP's clients leave by another device than the route back to them would suggest.
    ("ipv4/conf/*/rp_filter", "0"),
    ("ipv4/conf/*/send_redirects", "0"),
    // VIPs are local by route, without being an interface's address.
    ("ipv4/ip_nonlocal_bind", "1"),
    ("ipv6/ip_nonlocal_bind", "1"),
];

fn creation(plan: &Plan) -> String {
    let mut script = String::new();
    for name in namespaces(plan) {
        line(&mut script, &format!("netns add {name}"));
    }
    let underlay = plan.underlay_netns();
    let on_underlay = plan.nodes.iter().map(|node| node.netns.clone()).chain([plan.outside_netns()]);
    for (port, netns) in on_underlay.enumerate() {
        let mac = underlay_mac(port);
        line(
            &mut script,
            &format!("link add name eth0 netns {netns} address {mac} type veth peer name port{port} netns {underlay}"),
        );
    }
    for pod in plan.pods.iter().filter(|pod| !pod.host_network) {
        let node = plan.node(&pod.node).expect("pods are placed on nodes of the plan");
        line(
            &mut script,
            &format!(
                "link add name eth0 netns {} address {} type veth peer name {} address {} netns {}",
                pod.netns,
                pod_mac(pod),
                veth(pod),
                host_mac(pod),
                node.netns
            ),
        );
    }
    script
}

fn underlay(plan: &Plan) -> String {
    let mut script = String::from("link add br0 type bridge\nlink set br0 addrgenmode none up\n");
    for port in 0..=plan.nodes.len() {
        line(&mut script, &format!("link set port{port} addrgenmode none master br0 up"));
    }
    script
}

fn node_script(plan: &Plan, node: &Node) -> String {
    let mut script = String::from("link set lo up\nlink set eth0 addrgenmode none up\n");
    for ip in node.address.iter() {
        line(&mut script, &format!("addr add {} dev eth0{}", cidr(ip, 24, 64), nodad(ip)));
        line(&mut script, &format!("{} route add default dev eth0 src {ip}", family(ip)));
    }
    for pod in plan.pods_on(&node.name) {
        let device = veth(pod);
        line(&mut script, &format!("link set {device} addrgenmode none up"));
        for (ip, src) in pairs(pod.address, node.address) {
            line(&mut script, &format!("neigh add {ip} lladdr {} dev {device} nud permanent", pod_mac(pod)));
            line(&mut script, &format!("route add {} dev {device} src {src}", cidr(ip, 32, 128)));
        }
    }
    for (port, other) in plan.nodes.iter().enumerate().filter(|(_, other)| other.name != node.name) {
        script.push_str(&neighbours(other.address, port));
        for (network, via) in pairs(other.pod_cidr, other.address) {
            let src = node.address.of_family(via).expect("nodes have the same families");
            line(&mut script, &format!("route add {} via {via} dev eth0 src {src}", cidr(network, 24, 64)));
        }
    }
    script.push_str(&neighbours(plan.networks().outside, plan.nodes.len()));
    for (ip, src) in pairs(plan.networks().outside, node.address) {
        line(&mut script, &format!("route add {} dev eth0 src {src}", cidr(ip, 32, 128)));
    }
    // Local without being an interface's address: such an address would become the source of what the node itself dials.
    let own = [node.router, node.ingress].into_iter();
    let vips = plan.topology.gateways.iter().flat_map(|g| [g.cluster_ip, g.load_balancer_ip]);
    for address in own.chain(vips) {
        for (ip, src) in pairs(address, node.address) {
            line(&mut script, &format!("route add local {} dev lo table local src {src}", cidr(ip, 32, 128)));
        }
    }
    script
}

fn pod_script(node: &Node, pod: &Pod) -> String {
    let mut script = String::from("link set lo up\nlink set eth0 addrgenmode none up\n");
    for (ip, router) in pairs(pod.address, node.router) {
        line(&mut script, &format!("addr add {} dev eth0{}", cidr(ip, 32, 128), nodad(ip)));
        // Permanent: nobody would answer for the router's address on this link.
        line(&mut script, &format!("neigh add {router} lladdr {} dev eth0 nud permanent", host_mac(pod)));
        line(&mut script, &format!("route add {} dev eth0", cidr(router, 32, 128)));
        line(&mut script, &format!("route add default via {router} dev eth0"));
    }
    script
}

fn outside(plan: &Plan) -> String {
    let mut script = String::from("link set lo up\nlink set eth0 addrgenmode none up\n");
    for (port, node) in plan.nodes.iter().enumerate() {
        script.push_str(&neighbours(node.address, port));
    }
    let node = &plan.nodes[0];
    for (ip, via) in pairs(plan.networks().outside, node.address) {
        line(&mut script, &format!("addr add {} dev eth0{}", cidr(ip, 32, 128), nodad(ip)));
        line(
            &mut script,
            &format!("route add {} dev eth0", cidr(plan.networks().nodes.of_family(ip).unwrap_or(via), 24, 64)),
        );
        line(&mut script, &format!("route add default via {via} dev eth0"));
        // More specific than the nodes' network, which both nodes would answer for.
        for gateway in &plan.topology.gateways {
            if let Some(vip) = gateway.load_balancer_ip.of_family(ip) {
                line(&mut script, &format!("route add {} via {via} dev eth0", cidr(vip, 32, 128)));
            }
        }
    }
    script
}

/// Known from the start: nothing on the underlay has to be asked for, and nothing waits for an answer.
fn neighbours(address: Address, port: usize) -> String {
    let mac = underlay_mac(port);
    address.iter().map(|ip| format!("neigh add {ip} lladdr {mac} dev eth0 nud permanent\n")).collect()
}

/// Of what is plugged into that port of the underlay's bridge.
fn underlay_mac(port: usize) -> String {
    format!("02:00:00:00:00:{:02x}", port + 1)
}

/// The host's end of a pod's link.
pub fn veth(pod: &Pod) -> String {
    let [_, _, node, host] = pod.address.ipv4.octets();
    format!("lxc{node}x{host}")
}

fn pod_mac(pod: &Pod) -> String {
    let [_, _, node, host] = pod.address.ipv4.octets();
    format!("02:00:00:01:{node:02x}:{host:02x}")
}

fn host_mac(pod: &Pod) -> String {
    let [_, _, node, host] = pod.address.ipv4.octets();
    format!("02:00:00:02:{node:02x}:{host:02x}")
}

/// Addresses of the same family, side by side.
fn pairs(left: Address, right: Address) -> impl Iterator<Item = (IpAddr, IpAddr)> {
    left.iter().filter_map(move |ip| right.of_family(ip).map(|other| (ip, other)))
}

/// For routes that name no address of a family.
fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv6() { "-6" } else { "-4" }
}

fn nodad(ip: IpAddr) -> &'static str {
    if ip.is_ipv6() { " nodad" } else { "" }
}

fn line(script: &mut String, text: &str) {
    writeln!(script, "{text}").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::topology::Topology;

    #[test]
    fn vips_are_local_on_every_node_and_never_the_source_of_its_own_connections() {
        let plan = Plan::new("t", &Topology::standard()).unwrap();
        for (node, src) in plan.nodes.iter().zip(["172.18.0.11", "172.18.0.12"]) {
            let script = node_script(&plan, node);
            assert!(
                script.contains(&format!("route add local 10.96.0.82/32 dev lo table local src {src}\n")),
                "{script}"
            );
        }
    }

    #[test]
    fn every_name_of_an_interface_is_short_enough() {
        let plan = Plan::new("t", &Topology::standard()).unwrap();
        assert!(plan.pods.iter().all(|pod| veth(pod).len() <= 15));
    }
}
