//! Address translation on a node, as nftables rules: Services to pods, NodePorts with a source of the node's, masquerading of
//! what leaves the cluster. What goes to a Gateway's address is not translated: Envoy answers it there.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::address::cidr;
use super::plan::{Node, Plan};

/// Marks connections that came by a NodePort: their answers have to come back through this node.
const MARK: &str = "0x4000";

/// The rules of a node, one table for each family.
pub fn of_node(plan: &Plan, node: &Node) -> String {
    node.address.iter().map(|ip| table(plan, node, ip)).collect()
}

fn table(plan: &Plan, node: &Node, node_ip: IpAddr) -> String {
    let family = if node_ip.is_ipv4() { "ip" } else { "ip6" };
    let mut rules = format!("table {family} waypoint_lab {{\n chain services {{\n");
    for service in &plan.topology.services {
        let Some(vip) = service.cluster_ip.of_family(node_ip) else { continue };
        for port in &service.ports {
            let endpoints = plan.endpoints(&service.workload, &port.target_port);
            let backends: Vec<_> =
                endpoints.iter().filter_map(|(pod, port)| Some((pod.address.of_family(node_ip)?, *port))).collect();
            let Some(target) = balance(&backends, family) else { continue };
            put(&mut rules, &format!("{family} daddr {vip} tcp dport {} {target}", port.port));
            if let Some(node_port) = port.node_port {
                put(
                    &mut rules,
                    &format!("{family} daddr {node_ip} tcp dport {node_port} meta mark set {MARK} {target}"),
                );
            }
        }
    }
    let pods = node.pod_cidr.of_family(node_ip).expect("pods have the nodes' families");
    let all_pods = plan.networks().pods.of_family(node_ip).expect("pods have the nodes' families");
    let nodes = plan.networks().nodes.of_family(node_ip).expect("the node's own family");
    let inside = format!("{{ {}, {} }}", cidr(all_pods, 16, 48), cidr(nodes, 24, 64));
    rules.push_str(" }\n");
    for (name, hook, priority, body) in [
        ("prerouting", "prerouting", -100, vec!["jump services".to_owned()]),
        ("output", "output", -100, vec!["jump services".to_owned()]),
        (
            "postrouting",
            "postrouting",
            100,
            vec![
                format!("meta mark {MARK} snat to {node_ip}"),
                format!("{family} saddr {} {family} daddr != {inside} snat to {node_ip}", cidr(pods, 24, 64)),
            ],
        ),
    ] {
        writeln!(rules, " chain {name} {{\n type nat hook {hook} priority {priority};")
            .expect("a String takes everything");
        body.iter().for_each(|rule| put(&mut rules, rule));
        rules.push_str(" }\n");
    }
    rules.push_str("}\n");
    rules
}

/// In turn, not at random: the same traffic takes the same ways each time.
fn balance(backends: &[(IpAddr, u16)], family: &str) -> Option<String> {
    let entries: Vec<_> = backends.iter().enumerate().map(|(i, (ip, port))| format!("{i} : {ip} . {port}")).collect();
    (!entries.is_empty())
        .then(|| format!("dnat {family} to numgen inc mod {} map {{ {} }}", entries.len(), entries.join(", ")))
}

fn put(rules: &mut String, rule: &str) {
    writeln!(rules, "  {rule};").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::topology::Topology;

    #[test]
    fn services_are_balanced_over_their_pods_and_node_ports_only_on_the_nodes_own_address() {
        let plan = Plan::new("t", &Topology::standard()).unwrap();
        let rules = of_node(&plan, &plan.nodes[1]);
        let target = "dnat ip to numgen inc mod 2 map { 0 : 10.244.1.11 . 8084, 1 : 10.244.2.11 . 8084 };";
        assert!(rules.contains(&format!("ip daddr 10.96.0.20 tcp dport 8083 {target}")), "{rules}");
        assert!(
            rules.contains(&format!("ip daddr 172.18.0.12 tcp dport 30084 meta mark set 0x4000 {target}")),
            "{rules}"
        );
        assert!(!rules.contains("10.96.0.80"), "a Gateway's address is Envoy's own: {rules}");
    }
}
