//! CiliumEnvoyConfigs that Cilium's operator made: what they send where decides, whatever the model says of their owner.

use super::{Explorer, Role};
use crate::model::NamespacedName;
use crate::routes::path::{Hop, Path};
use crate::routes::text;

impl Explorer<'_> {
    /// Paths to the target that a generated configuration has and the model of its owner lacks.
    pub(super) fn generated(&self, known: &[Path]) -> Vec<Path> {
        let mut paths = Vec::new();
        for config in self.world.envoy_configs.values() {
            let Some(owner) = text::owner(&config.meta) else { continue };
            let name = NamespacedName { namespace: config.key.namespace.clone(), name: owner.name.clone() };
            let owner = format!("{} {name}", owner.kind);
            for backend in self.named_in(&config.value, &config.key.namespace) {
                let service = format!("Service {}", backend.service);
                let explained = known.iter().any(|path| {
                    let at = path.hops.iter().position(|hop| hop.object == owner);
                    at.is_some_and(|at| {
                        path.hops[at..].iter().any(|hop| hop.object == service && hop.is_at(backend.port))
                    })
                });
                if explained || owner == service {
                    continue;
                }
                let legs = self.legs(&backend, &mut Vec::new());
                for leg in legs.iter().filter(|leg| leg.role == Role::Target).cloned() {
                    let first = Hop::named(owner.clone(), "as it is served");
                    let hop = Hop::of(config, "sends requests here");
                    let mut leg = leg.after(hop).after(first);
                    leg.proxied = true;
                    if self.world.gateways.contains_key(&name) && owner.starts_with("Gateway ") {
                        leg.gateways.insert(0, name.clone());
                    }
                    leg.notes.push(
                        "no route among the objects explains this: either the objects are of another moment, or the model of this \
                         controller is wrong"
                            .into(),
                    );
                    self.problems.borrow_mut().insert(config.finding(
                        "spec.resources",
                        format!(
                            "it sends requests of {owner} to {service}:{}, which the objects do not explain",
                            backend.port
                        ),
                        "the configuration decides; read the cluster again, and report it if it stays",
                    ));
                    paths.push(self.path(leg, Vec::new(), None));
                }
            }
        }
        paths
    }
}
