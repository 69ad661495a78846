//! Other ways in than Gateways, Ingresses and Services: local redirects, pods' own addresses, ports of nodes.

use std::collections::BTreeSet;

use super::{Explorer, Leg, Role};
use crate::inventory::matches;
use crate::routes::doors;
use crate::routes::objects::{Item, LocalRedirectSpec};
use crate::routes::path::{Class, Door, From, Hop, Path};
use crate::routes::reach::Endpoint;

impl Explorer<'_> {
    /// CiliumLocalRedirectPolicies of an address; those of a Service are part of its paths.
    pub(super) fn redirect_paths(&self) -> Vec<Path> {
        let by_address = self.world.redirects.values().filter_map(|redirect| {
            redirect.value.redirect_frontend.address_matcher.as_ref().map(|matcher| (redirect, matcher))
        });
        by_address
            .flat_map(|(redirect, matcher)| {
                let doors: Vec<_> = matcher
                    .to_ports
                    .iter()
                    .map(|port| Door { from: From::Cluster, address: format!("{}:{}", matcher.ip, port.port) })
                    .collect();
                self.redirected_to(redirect)
                    .into_iter()
                    .map(move |leg| self.path_with_direct_witness(leg, doors.clone()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    pub(super) fn redirected_to(&self, redirect: &Item<LocalRedirectSpec>) -> Vec<Leg> {
        let backend = &redirect.value.redirect_backend;
        let ports: BTreeSet<u16> = backend.to_ports.iter().filter_map(|port| port.port.parse().ok()).collect();
        let mut endpoints = BTreeSet::new();
        for (at, workload) in self.world.workloads.iter().enumerate() {
            if workload.key.namespace == redirect.key.namespace
                && matches(&backend.local_endpoint_selector, &workload.value.labels)
            {
                endpoints.extend(ports.iter().map(|port| Endpoint { workload: at, port: *port }));
            }
        }
        let hop = Hop::of(redirect, "redirects to pods of the node");
        self.reached(&endpoints).into_iter().map(|(role, reaches)| Leg::to(role, reaches).after(hop.clone())).collect()
    }

    /// Pods' own addresses, and ports of nodes that lead to pods.
    pub(super) fn pod_paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        for at in &self.roles.target {
            let workload = &self.world.workloads[*at];
            let reached = |ports: BTreeSet<u16>| vec![self.name(*at, &ports)];
            let hop = |what: String| Hop::of(workload, what);
            let host_network = workload.value.spec.host_network;
            let (from, address, what) = if host_network {
                // Whatever it listens at is a port of its node.
                (From::Outside, "<its node>".to_owned(), "by its node's address")
            } else {
                let address = workload.value.ips.first().map_or("<pod address>".to_owned(), |ip| doors::host(*ip));
                (From::Cluster, address, "by its own address")
            };
            let door = Door { from, address: format!("{address}:<any port>") };
            let leg = Leg::to(Role::Target, reached(BTreeSet::new())).after(hop(what.into()));
            let path = self.path(leg.clone(), vec![door.clone()], None);
            let closed = matches!(path.class, Class::Closed { .. });
            paths.push(path);
            if closed {
                // No policy shuts out what runs in the node's own network.
                paths.push(self.path(leg, vec![Door { from: From::Node, ..door }], None));
            }
            for (host, container) in workload.value.host_ports() {
                let what = if host_network { "hostNetwork" } else { "hostPort" };
                let door = Door { from: From::Outside, address: format!("<its node>:{host}") };
                let reached = reached(BTreeSet::from([container]));
                let leg = Leg::to(Role::Target, reached).after(hop(format!("{what} {host}")));
                paths.push(self.path_with_direct_witness(leg, vec![door]));
            }
        }
        paths
    }
}
