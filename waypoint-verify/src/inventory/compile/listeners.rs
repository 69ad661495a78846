//! Which Gateway a request uses that enters Envoy at a given local address.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::{addresses, envoy, gateways};
use crate::inventory::{EnvoyConfig, Gateway, Inventory, Item, Service};
use crate::manifest::Problem;
use crate::model::{GatewayRef, Listener, NamespacedName};
use crate::policy::GATEWAY_GROUP;

const NAME_LABELS: [&str; 2] = ["gateway.networking.k8s.io/gateway-name", "io.cilium.gateway/owning-gateway"];

/// Addresses claimed by two are claimed by none: what enters there is `gatewayUnknown`, never a guess.
#[derive(Default)]
struct Claims {
    listeners: BTreeMap<SocketAddr, Listener>,
    disputed: BTreeMap<SocketAddr, BTreeSet<Listener>>,
}

impl Claims {
    fn claim(&mut self, ip: IpAddr, port: u16, listener: &Listener) {
        match self.listeners.entry(SocketAddr::new(ip.to_canonical(), port)) {
            Entry::Vacant(entry) => {
                entry.insert(listener.clone());
            }
            Entry::Occupied(entry) if entry.get() == listener => {}
            Entry::Occupied(entry) => {
                let both = self.disputed.entry(*entry.key()).or_default();
                both.extend([entry.get().clone(), listener.clone()]);
            }
        }
    }

    /// Every address of a Service's ports; NodePorts on every node.
    fn service(&mut self, service: &Item<Service>, owner: &GatewayRef, ports: &[u16], nodes: &BTreeSet<IpAddr>) {
        for port in service.value.spec.ports.iter().filter(|port| port.is_tcp()) {
            if !ports.is_empty() && !ports.contains(&port.port) {
                continue;
            }
            let listener = Listener { gateway: owner.clone(), port: port.port };
            for ip in service.value.addresses() {
                self.claim(ip, port.port, &listener);
            }
            if port.node_port != 0 {
                for ip in nodes {
                    self.claim(*ip, port.node_port, &listener);
                }
            }
        }
    }
}

/// The map, and the Gateways of which some address is disputed.
pub fn of_cluster(
    inventory: &Inventory,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<SocketAddr, Listener>, BTreeSet<GatewayRef>) {
    let nodes = addresses::of_nodes(inventory);
    let mut claims = Claims::default();
    for gateway in inventory.gateways.values() {
        if let gateways::Served::Elsewhere(controller) = gateways::served_by(inventory, gateway) {
            problems.push(gateway.finding(
                "spec.gatewayClassName",
                format!("served by {controller}, whose proxies are not known"),
                "its pods are judged as ordinary clients",
            ));
            continue;
        }
        for service in services_of(inventory, gateway) {
            claims.service(service, &gateway.name(), &[], &nodes);
        }
        for ip in gateway.value.status.addresses.iter().filter_map(|address| address.value.parse().ok()) {
            for listener in gateway.value.spec.listeners.iter().filter(|listener| listener.protocol != "UDP") {
                claims.claim(ip, listener.port, &Listener { gateway: gateway.name(), port: listener.port });
            }
        }
    }
    for config in inventory.envoy_configs.values() {
        let generated = gateways::owner_of(config).filter(|name| inventory.gateways.contains_key(name));
        for target in &config.value.spec.services {
            let namespace = if target.namespace.is_empty() { &config.key.namespace } else { &target.namespace };
            let name = NamespacedName { namespace: namespace.clone(), name: target.name.clone() };
            let Some(service) = inventory.services.get(&name) else { continue };
            // What Cilium generates for a Gateway bears the name of the Gateway's Service.
            let owner =
                generated.clone().filter(|_| target.name == config.key.name).unwrap_or_else(|| stranger(config));
            claims.service(service, &owner, &target.ports, &nodes);
        }
        let owner = generated.unwrap_or_else(|| stranger(config));
        for (ip, port) in config.value.spec.resources.iter().flat_map(bound_addresses) {
            let listener = Listener { gateway: owner.clone(), port };
            if ip.is_unspecified() {
                nodes.iter().copied().chain(addresses::LOOPBACK).for_each(|ip| claims.claim(ip, port, &listener));
            } else {
                claims.claim(ip, port, &listener);
            }
        }
    }
    let mut disputed = BTreeSet::new();
    for (address, both) in claims.disputed {
        claims.listeners.remove(&address);
        disputed.extend(both.iter().map(|listener| listener.gateway.clone()));
        let both: Vec<_> = both.iter().map(ToString::to_string).collect();
        problems.push(Problem::finding(
            format!("{address} is claimed by {}: what enters there cannot be told apart", both.join(" and ")),
            "give each an address of its own",
        ));
    }
    (claims.listeners, disputed)
}

/// A listener that is no Gateway's: an Ingress, GAMMA, or written by hand. The name cannot be a Gateway's.
fn stranger(config: &Item<EnvoyConfig>) -> GatewayRef {
    NamespacedName { namespace: config.key.namespace.clone(), name: format!("{}/{}", config.key.kind, config.key.name) }
}

/// The Services that stand for a Gateway: by owner, else by name, else by label.
pub fn services_of<'a>(inventory: &'a Inventory, gateway: &Item<Gateway>) -> Vec<&'a Item<Service>> {
    let name = &gateway.key.name;
    let in_namespace = || inventory.services.values().filter(|service| service.key.namespace == gateway.key.namespace);
    let owned: Vec<_> = in_namespace()
        .filter(|service| {
            service.meta.owner_references.iter().any(|owner| {
                let same = owner.uid.is_empty() || gateway.meta.uid.is_empty() || owner.uid == gateway.meta.uid;
                owner.is(GATEWAY_GROUP, "Gateway") && owner.name == *name && same
            })
        })
        .collect();
    if !owned.is_empty() {
        return owned;
    }
    let named: Vec<_> = in_namespace().filter(|service| service.key.name == format!("cilium-gateway-{name}")).collect();
    if !named.is_empty() {
        return named;
    }
    in_namespace()
        .filter(|service| NAME_LABELS.iter().any(|label| service.meta.labels.get(*label) == Some(name)))
        .collect()
}

/// Addresses that a listener binds itself (host-network mode), instead of being redirected to.
fn bound_addresses(resource: &Value) -> Vec<(IpAddr, u16)> {
    let resource = envoy::snake(resource);
    if envoy::type_of(&resource) != "envoy.config.listener.v3.Listener" {
        return Vec::new();
    }
    let additional = resource["additional_addresses"].as_array().into_iter().flatten().map(|entry| &entry["address"]);
    [&resource["address"]]
        .into_iter()
        .chain(additional)
        .filter_map(|address| {
            let socket = &address["socket_address"];
            let port = u16::try_from(socket["port_value"].as_u64()?).ok().filter(|port| *port != 0)?;
            Some((socket["address"].as_str()?.parse().ok()?, port))
        })
        .collect()
}
