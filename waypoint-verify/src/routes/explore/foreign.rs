//! Objects of kinds that are not understood, and references that are one edit away from a path.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Explorer, Leg, Role};
use crate::model::NamespacedName;
use crate::routes::dialect::{Resolved, resolve};
use crate::routes::objects::EnvoyConfigSpec;
use crate::routes::path::{Class, Hop, Path};
use crate::routes::reach::in_cluster;
use crate::routes::table::Backend;

impl Explorer<'_> {
    pub(super) fn foreign(&self) -> Vec<Path> {
        let mut paths = self.not_granted();
        paths.extend(self.unknown_kinds());
        paths
    }

    /// Routes to the target's Services in another namespace that no ReferenceGrant allows.
    fn not_granted(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        for (kind, route) in &self.world.routes {
            for (number, rule) in route.value.rules.iter().flatten().enumerate() {
                for reference in &rule.backend_refs {
                    let Resolved::NotGranted(backend) = resolve(self.world, *kind, route, &reference.to) else {
                        continue;
                    };
                    let hop = Hop::of(route, format!("rule {number}")).at(format!("spec.rules[{number}]"));
                    for leg in self.legs(&backend, &mut Vec::new()).iter().filter(|leg| leg.role == Role::Target) {
                        let mut path = self.path(leg.clone().after(hop.clone()), Vec::new(), None);
                        path.class = Class::Closed {
                            by: format!(
                                "no ReferenceGrant in {} for {} of {}",
                                backend.service.namespace,
                                kind.name(),
                                route.key.namespace
                            ),
                        };
                        path.cure = None;
                        if !paths.contains(&path) {
                            paths.push(path);
                        }
                    }
                }
            }
        }
        paths
    }

    /// Objects of unknown kinds that name a Service which leads to the target.
    fn unknown_kinds(&self) -> Vec<Path> {
        if self.world.foreign.is_empty() {
            return Vec::new();
        }
        let leads = |pods: BTreeSet<usize>| !pods.is_disjoint(&self.roles.target);
        let services: BTreeSet<&NamespacedName> = self
            .world
            .services
            .iter()
            .filter(|(_, service)| leads(self.reach.pods(service)))
            .map(|(name, _)| name)
            .collect();
        let mut paths = Vec::new();
        for object in &self.world.foreign {
            let mut named = BTreeSet::new();
            let namespace = object.key.namespace.as_str();
            walk(&object.json, &mut |text| {
                let name = in_cluster(text.split(['/', ':']).find(|part| part.contains('.')).unwrap_or(text));
                let plain = services
                    .iter()
                    .find(|service| service.name == text && (service.namespace == namespace || namespace.is_empty()));
                let dotted = services.iter().find(|service| Some(**service) == name.as_ref());
                named.extend(plain.or(dotted).copied());
            });
            for service in named {
                let hop = Hop {
                    key: Some(object.key.clone()),
                    source: Some(object.source.clone()),
                    ..Hop::named(object.key.to_string(), format!("names Service {service}"))
                };
                let reaches = self.reached_by(service);
                let mut path = self.path(Leg::to(Role::Target, reaches).after(hop), Vec::new(), None);
                path.class = Class::Unknown { why: format!("{} is not a kind that is understood", object.key.kind) };
                path.cure = None;
                paths.push(path);
            }
        }
        paths
    }

    fn reached_by(&self, service: &NamespacedName) -> Vec<crate::routes::path::Reached> {
        let pods = self.world.services.get(service).map(|service| self.reach.pods(service)).unwrap_or_default();
        pods.intersection(&self.roles.target).map(|at| self.name(*at, &BTreeSet::new())).collect()
    }

    /// Services that a hand-written configuration can send to: its backend services, and whatever its resources name as
    /// `NAMESPACE/NAME[:PORT]` or `NAMESPACE:NAME:PORT`.
    pub(super) fn named_in(&self, config: &EnvoyConfigSpec, namespace: &str) -> BTreeSet<Backend> {
        let mut found = BTreeSet::new();
        let every_port = |name: NamespacedName, found: &mut BTreeSet<Backend>| {
            if let Some(service) = self.world.services.get(&name) {
                found.extend(
                    service.value.spec.ports.iter().map(|port| Backend { service: name.clone(), port: port.port }),
                );
            }
        };
        for service in &config.backend_services {
            let namespace = if service.namespace.is_empty() { namespace } else { &service.namespace };
            every_port(NamespacedName { namespace: namespace.to_owned(), name: service.name.clone() }, &mut found);
        }
        for resource in &config.resources {
            walk(resource, &mut |text| {
                let parts: Vec<_> = text.split(['/', ':']).collect();
                let [namespace, name, rest @ ..] = parts.as_slice() else { return };
                let name = NamespacedName { namespace: (*namespace).to_owned(), name: (*name).to_owned() };
                if !self.is_known(&name) {
                    return;
                }
                match rest.first().and_then(|port| port.parse().ok()) {
                    Some(port) => {
                        found.insert(Backend { service: name, port });
                    }
                    None => every_port(name, &mut found),
                }
            });
        }
        found
    }
}

/// Every string in a value.
fn walk(value: &Value, say: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => say(text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, say)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, say)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
