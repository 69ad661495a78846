//! Whom NetworkPolicies let in to pods. Pure.
//!
//! A path is closed only where that is certain: some policy surely selects the pods, and none that may select them lets the sender in.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::objects::{Admission, Guard, Item, Peer, Workload, World};
use crate::inventory::{Labels, matches};
use crate::model::NamespacedName;

/// Whether nodes enforce NetworkPolicies, and how (`policyEnforcementMode` of Cilium).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Of pods that a policy selects.
    Default,
    /// Of all pods: those that no policy selects let in nobody.
    Always,
    Never,
}

/// Who dials the target's pods at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Whoever began the path.
    Client,
    /// Envoy, for a Gateway of Cilium: the same identity whichever Gateway it is.
    Gateway,
    /// A proxy of which it is not known whether it comes as itself, as a pod, or as its client.
    Proxy,
}

/// The policies of these objects, and who is the waypoint.
#[derive(Debug)]
pub struct Admissions<'a> {
    guards: &'a [Item<Guard>],
    mode: Enforcement,
    /// Namespace and selector of the waypoint's Service: its pods need no way past themselves.
    waypoint: Option<(&'a str, &'a Labels)>,
}

/// Labels that controllers give to pods that they make from a template.
const OF_CONTROLLERS: [&str; 8] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/",
    "apps.kubernetes.io/",
    "batch.kubernetes.io/",
    "job-name",
    "controller-uid",
];

impl<'a> Admissions<'a> {
    pub fn new(world: &'a World, waypoint: &NamespacedName, mode: Enforcement) -> Self {
        let service = world.services.get(waypoint);
        let waypoint = service.map(|service| (service.key.namespace.as_str(), &service.value.spec.selector));
        Self { guards: &world.guards, mode, waypoint: waypoint.filter(|(_, selector)| !selector.is_empty()) }
    }

    /// Whatever the pods.
    pub fn close_nothing(&self) -> bool {
        match self.mode {
            Enforcement::Never => true,
            Enforcement::Default => self.guards.is_empty(),
            Enforcement::Always => false,
        }
    }

    /// What keeps this sender from these ports of the pods (none: from every port), if that is certain.
    pub fn closed_by(&self, pods: &Item<Workload>, ports: &BTreeSet<u16>, sender: Sender) -> Option<BTreeSet<String>> {
        let value = &pods.value;
        if self.mode == Enforcement::Never || value.spec.host_network || value.is_assumed {
            return None;
        }
        let mut closing = BTreeSet::new();
        for guard in self.guards {
            let of_namespace = guard.value.namespace.as_ref().is_none_or(|own| *own == pods.key.namespace);
            let selected = if of_namespace { selects(&guard.value, value) } else { Selected::No };
            if selected == Selected::No {
                continue;
            }
            if guard.value.admits.iter().any(|admission| self.admits(admission, ports, sender)) {
                return None;
            }
            if selected == Selected::Surely && guard.value.denies {
                closing.insert(guard.key.to_string());
            }
        }
        if closing.is_empty() && self.mode == Enforcement::Always {
            closing.insert("no policy lets anybody in".to_owned());
        }
        (!closing.is_empty()).then_some(closing)
    }

    fn admits(&self, admission: &Admission, ports: &BTreeSet<u16>, sender: Sender) -> bool {
        // 0 stands for a port that is not known.
        let any = ports.is_empty() || ports.contains(&0);
        let holds = |(first, last): &(u16, u16)| any || ports.range(first..=last).next().is_some();
        let reaches = |peer: &Peer| match peer {
            Peer::Everyone => true,
            Peer::Ingress => sender != Sender::Client,
            Peer::Pods { namespace, selector } => {
                sender != Sender::Gateway && !self.only_waypoint(namespace.as_deref(), selector)
            }
        };
        admission.ports.iter().any(holds) && admission.peers.iter().any(reaches)
    }

    /// Whether every pod that this selects is the waypoint's, by the selector of its Service.
    fn only_waypoint(&self, namespace: Option<&str>, selector: &LabelSelector) -> bool {
        self.waypoint.is_some_and(|(own, labels)| {
            let asks = |key: &String, value: &String| {
                selector.match_labels.iter().flatten().any(|(k, v)| (k, v) == (key, value))
                    || selector.match_expressions.iter().flatten().any(|one| {
                        one.key == *key
                            && one.operator == "In"
                            && one.values.as_deref() == Some(std::slice::from_ref(value))
                    })
            };
            namespace == Some(own) && labels.iter().all(|(key, value)| asks(key, value))
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selected {
    No,
    Perhaps,
    Surely,
}

/// Pods have the labels of their template, and those that controllers add.
fn selects(guard: &Guard, pods: &Workload) -> Selected {
    let is_open = |key: &str| {
        !pods.is_pod && !pods.labels.contains_key(key) && OF_CONTROLLERS.iter().any(|added| key.starts_with(added))
    };
    let mut known = guard.selector.clone();
    let mut perhaps = guard.perhaps;
    let mut is_known = |key: &str| {
        perhaps |= is_open(key);
        !is_open(key)
    };
    known.match_labels.iter_mut().for_each(|labels| labels.retain(|key, _| is_known(key)));
    known.match_expressions.iter_mut().for_each(|expressions| expressions.retain(|one| is_known(&one.key)));
    match (matches(&known, &pods.labels), perhaps) {
        (false, _) => Selected::No,
        (true, true) => Selected::Perhaps,
        (true, false) => Selected::Surely,
    }
}
