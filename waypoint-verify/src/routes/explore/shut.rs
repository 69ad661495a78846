//! Paths that NetworkPolicies close.

use std::collections::BTreeSet;

use super::{Explorer, Leg};
use crate::routes::admission::Sender;
use crate::routes::dialect::CILIUM_CONTROLLER;
use crate::routes::path::{Class, Door, From};

impl Explorer<'_> {
    /// Closes a path past the waypoint, or those of its doors that lead nowhere, where policies do that for certain.
    pub(super) fn shut(&self, leg: &Leg, class: &mut Class, doors: &mut Vec<Door>, notes: &mut Vec<String>) {
        let sender = self.sender(leg);
        let Some(by) = self.closed_by(leg, sender) else { return };
        if !self.enforced {
            notes.push(format!("{by} closes it where policies are enforced (--policy-enforcement)"));
            return;
        }
        // Who comes from outside may be hidden behind the address of a node, and no policy shuts out a pod's own node.
        let is_open = |door: &Door| sender == Sender::Client && door.from != From::Cluster;
        if !doors.iter().any(is_open) {
            *class = Class::Closed { by };
            return;
        }
        if doors.iter().any(|door| door.from == From::Cluster) {
            notes.push(format!("{by} closes it to pods"));
        }
        doors.retain(is_open);
    }

    /// Who dials the target's pods.
    fn sender(&self, leg: &Leg) -> Sender {
        let is_cilium = |view: &&super::GatewayView<'_>| view.controller == Some(CILIUM_CONTROLLER);
        match leg.gateways.last() {
            _ if leg.proxied => Sender::Proxy,
            None => Sender::Client,
            Some(last) => {
                let view = self.gateways.iter().find(|view| view.gateway.name() == *last);
                if view.filter(is_cilium).is_some() { Sender::Gateway } else { Sender::Proxy }
            }
        }
    }

    /// What closes all pods at its end.
    fn closed_by(&self, leg: &Leg, sender: Sender) -> Option<String> {
        if self.admissions.close_nothing() {
            return None;
        }
        let mut closing = BTreeSet::new();
        for reached in &leg.reaches {
            let ports = reached.ports.iter().copied().collect();
            for at in self.targets.get(&reached.workload).into_iter().flatten() {
                closing.extend(self.admissions.closed_by(&self.world.workloads[*at], &ports, sender)?);
            }
        }
        (!closing.is_empty()).then(|| closing.into_iter().collect::<Vec<_>>().join(", "))
    }
}
