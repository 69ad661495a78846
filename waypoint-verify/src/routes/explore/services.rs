//! From a port of a Service on.

use std::rc::Rc;

use super::{Explorer, Leg, Legs};
use crate::inventory::ParentReference;
use crate::manifest::Problem;
use crate::model::NamespacedName;
use crate::routes::dialect::resolve;
use crate::routes::objects::{EnvoyConfigSpec, EnvoyService, Item, RouteKind, RouteSpec, World};
use crate::routes::path::Hop;
use crate::routes::table::Backend;
use crate::routes::text;

/// Hops of ways that are followed at most, counted again at each Service on the way: of Gateways that all lead to each other there are more
/// than anybody waits for.
const MOST: usize = 100_000;

/// Where a rule of a Service's own routes (GAMMA) leads.
#[derive(Clone, Debug)]
pub struct OwnWay<'a> {
    route: &'a Item<RouteSpec>,
    rule: usize,
    pub next: Backend,
    pub mirror: bool,
}

/// Everything that routes whose parent is the Service itself may do with what comes to this port of it: whatever they match, and of whatever
/// namespace they are. Cilium makes one table of them, so that a port that any of them names is served by those of other ports, too.
pub fn own_ways<'a>(world: &'a World, from: &'a Backend) -> impl Iterator<Item = OwnWay<'a>> {
    let routes = || world.by_parent.get(&from.service).into_iter().flatten().map(|at| &world.routes[*at]);
    let parents = |route: &'a Item<RouteSpec>| {
        let is_service = |parent: &&ParentReference| {
            parent.is("", "Service") && parent.named_from(&route.key.namespace) == from.service
        };
        route.value.parent_refs.iter().filter(is_service)
    };
    let mut ports = routes().flat_map(|(_, route)| parents(route)).map(|parent| parent.port);
    let is_served = ports.any(|port| port.is_none_or(|port| port == from.port));
    let own =
        routes().filter(move |(kind, route)| is_served && *kind != RouteKind::Udp && parents(route).next().is_some());
    own.flat_map(move |(kind, route)| {
        let rules = route.value.rules.iter().flatten().enumerate();
        rules.flat_map(move |(rule, of)| {
            let mirrors = of.filters.iter().filter_map(|filter| filter.request_mirror.as_ref());
            let references = of.backend_refs.iter().map(|reference| (&reference.to, false));
            let references = references.chain(mirrors.map(|mirror| (&mirror.backend_ref, true)));
            let way = move |next, mirror| OwnWay { route, rule, next, mirror };
            references.filter_map(move |(to, mirror)| Some(way(resolve(world, *kind, route, to).backend()?, mirror)))
        })
    })
}

impl Explorer<'_> {
    /// Every way on from this port, to pods that matter; `stack` is where this walk has been.
    pub(super) fn legs(&self, from: &Backend, stack: &mut Vec<Backend>) -> Legs {
        if let Some(known) = self.memo.borrow().get(from) {
            return known.clone();
        }
        if stack.contains(from) {
            self.say_cycle(from, stack);
            self.cuts.set(self.cuts.get() + 1);
            return Rc::default();
        }
        if self.found.get() > MOST {
            self.say_too_many();
            self.cuts.set(self.cuts.get() + 1);
            return Rc::default();
        }
        let cuts = self.cuts.get();
        stack.push(from.clone());
        let mut legs = self.to_pods(from, stack);
        legs.extend(self.by_gateway(from, stack));
        legs.extend(self.by_own_routes(from, stack));
        legs.extend(self.by_envoy_configs(from, stack));
        legs.extend(self.by_redirects(from));
        stack.pop();
        self.found.set(self.found.get() + 1 + legs.iter().map(|leg| leg.hops.len()).sum::<usize>());
        let legs = Rc::new(legs);
        // What was cut short inside of a cycle is not the whole answer for another walk.
        if stack.is_empty() || cuts == self.cuts.get() {
            self.memo.borrow_mut().insert(from.clone(), legs.clone());
        }
        legs
    }

    fn say_too_many(&self) {
        self.unread.borrow_mut().insert(Problem::finding(
            "too many ways lead from Service to Service: not all are followed",
            "Gateways that lead to each other, or many in a row, multiply ways: break the circles, or give only a part of the objects",
        ));
    }

    fn say_cycle(&self, from: &Backend, stack: &[Backend]) {
        let start = stack.iter().position(|one| one == from).unwrap_or_default();
        let way: Vec<_> =
            stack[start..].iter().chain([from]).map(|one| format!("{}:{}", one.service, one.port)).collect();
        let source = self.world.services.get(&from.service).map(|service| service.source.to_string());
        self.problems.borrow_mut().insert(Problem {
            file: source,
            ..Problem::finding(
                format!("traffic goes in a circle: {}", way.join(" -> ")),
                "whoever sends a request there waits for an error; remove one of these references",
            )
            .of(format!("Service {}", from.service))
        });
    }

    fn to_pods(&self, from: &Backend, stack: &mut Vec<Backend>) -> Vec<Leg> {
        let Some(service) = self.world.services.get(&from.service) else { return Vec::new() };
        let lead = self.reach.lead(service, from.port);
        let by = lead.by.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let hop = Hop::of(service, format!("port {} by {by}", from.port));
        let mut legs: Vec<_> = self
            .reached(&lead.endpoints)
            .into_iter()
            .map(|(role, reaches)| Leg::to(role, reaches).after(hop.clone()))
            .collect();
        for next in lead.services {
            legs.extend(self.legs(&next, stack).iter().cloned().map(|leg| leg.after(hop.clone())));
        }
        legs
    }

    /// Routes whose parent is the Service itself.
    fn by_own_routes(&self, from: &Backend, stack: &mut Vec<Backend>) -> Vec<Leg> {
        let mut legs = Vec::new();
        for OwnWay { route, rule, next, mirror } in own_ways(self.world, from) {
            // To its own pods it is what the Service does without a route.
            if next == *from {
                continue;
            }
            let hop =
                Hop::of(route, format!("rule {rule} of the Service's own routes")).at(format!("spec.rules[{rule}]"));
            for leg in self.legs(&next, stack).iter().cloned() {
                let mut leg = leg.after(hop.clone()).after(self.hop_of(from));
                leg.proxied = true;
                leg.mirror |= mirror;
                legs.push(leg);
            }
        }
        legs
    }

    pub(super) fn hop_of(&self, backend: &Backend) -> Hop {
        match self.world.services.get(&backend.service) {
            Some(service) => Hop::of(service, format!("port {}", backend.port)),
            None => Hop::named(format!("Service {}", backend.service), format!("port {}", backend.port)),
        }
    }

    /// Hand-written CiliumEnvoyConfigs that take the Service's traffic: to every backend that they name, however it is routed.
    fn by_envoy_configs(&self, from: &Backend, stack: &mut Vec<Backend>) -> Vec<Leg> {
        let mut legs = Vec::new();
        for config in self.world.envoy_configs.values().filter(|config| !self.is_own(config, from)) {
            let namespace = &config.key.namespace;
            let means = |service: &EnvoyService| {
                service.name == from.service.name
                    && (if service.namespace.is_empty() { namespace } else { &service.namespace })
                        == &from.service.namespace
                    // Ports have numbers or names.
                    && (service.ports.is_empty()
                        || service.ports.iter().any(|port| port.as_u64().is_none_or(|port| port == u64::from(from.port))))
            };
            if !config.value.services.iter().any(means) {
                continue;
            }
            let hop = Hop::of(config, "takes the Service's traffic");
            for next in self.named_in(&config.value, namespace) {
                if next == *from {
                    continue;
                }
                for leg in self.legs(&next, stack).iter().cloned() {
                    let mut leg = leg.after(hop.clone()).after(self.hop_of(from));
                    leg.proxied = true;
                    legs.push(leg);
                }
            }
        }
        legs
    }

    /// A configuration that Cilium made for the very object that this Service stands for: that object's routes are read instead.
    /// Whoever else owns one, or says so, has written it.
    fn is_own(&self, config: &Item<EnvoyConfigSpec>, from: &Backend) -> bool {
        let Some(owner) = text::owner(&config.meta) else { return false };
        let in_namespace = config.key.namespace == from.service.namespace;
        in_namespace
            && match owner.kind.as_str() {
                "Gateway" => self
                    .gateway_of
                    .get(&from.service)
                    .is_some_and(|at| self.gateways[*at].gateway.key.name == owner.name),
                "Service" => owner.name == from.service.name,
                _ => from.service.name.starts_with("cilium-ingress"),
            }
    }

    fn by_redirects(&self, from: &Backend) -> Vec<Leg> {
        let redirected = self.world.redirects.values().filter(|redirect| {
            redirect.value.redirect_frontend.service_matcher.as_ref().is_some_and(|matcher| {
                let namespace = if matcher.namespace.is_empty() { &redirect.key.namespace } else { &matcher.namespace };
                matcher.service_name == from.service.name && *namespace == from.service.namespace
            })
        });
        redirected
            .flat_map(|redirect| {
                self.redirected_to(redirect).into_iter().map(|leg| leg.after(self.hop_of(from))).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The name of a Service with no object of its own among the objects: a Gateway's, which its controller makes.
    pub(super) fn is_known(&self, service: &NamespacedName) -> bool {
        self.world.services.contains_key(service) || self.gateway_of.contains_key(service)
    }
}
