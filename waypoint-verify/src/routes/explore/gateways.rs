//! From a Gateway's listeners on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Explorer, GatewayView, Leg, Role};
use crate::model::NamespacedName;
use crate::routes::dialect::CILIUM_CONTROLLER;
use crate::routes::objects::World;
use crate::routes::path::Hop;
use crate::routes::request::Request;
use crate::routes::table::{Action, Backend, Entry, Front, Table, VirtualHost, percent};
use crate::routes::text;
use crate::routes::witness::Aim;

/// Labels by which controllers mark the Service of a Gateway.
const OWNER_LABELS: [&str; 2] = ["gateway.networking.k8s.io/gateway-name", "io.cilium.gateway/owning-gateway"];

/// The Service that Cilium makes for a Gateway (`translation/gateway-api/translator.go`).
pub fn service_of(gateway: &NamespacedName) -> NamespacedName {
    NamespacedName { namespace: gateway.namespace.clone(), name: format!("cilium-gateway-{}", gateway.name) }
}

/// Services that stand in front of Gateways: those that say so, and those that Cilium will make.
pub fn services(world: &World, gateways: &[GatewayView<'_>]) -> BTreeMap<NamespacedName, usize> {
    let places: HashMap<NamespacedName, usize> =
        gateways.iter().enumerate().map(|(at, view)| (view.gateway.name(), at)).collect();
    let mut found = BTreeMap::new();
    for (at, view) in gateways.iter().enumerate() {
        if view.controller.is_none_or(|controller| controller == CILIUM_CONTROLLER) {
            found.insert(service_of(&view.gateway.name()), at);
        }
    }
    for (name, service) in &world.services {
        let owner = OWNER_LABELS.iter().find_map(|label| service.meta.labels.get(*label));
        let gateway = owner.map(|owner| NamespacedName { namespace: name.namespace.clone(), name: owner.clone() });
        if let Some(at) = gateway.and_then(|gateway| places.get(&gateway)) {
            found.insert(name.clone(), *at);
        }
    }
    found
}

/// A way on from a table, and a request that takes it.
pub struct Way<'t> {
    pub leg: Leg,
    pub fronts: &'t [Front],
    pub request: Option<Request>,
}

impl Explorer<'_> {
    pub(super) fn by_gateway(&self, from: &Backend, stack: &mut Vec<Backend>) -> Vec<Leg> {
        let Some(at) = self.gateway_of.get(&from.service) else { return Vec::new() };
        let hop = self.hop_of(from);
        self.view_ways(*at, Some(from.port), false, stack)
            .into_iter()
            .map(|found| found.leg.after(hop.clone()))
            .collect()
    }

    /// Every way on from a Gateway; at one port, or at all.
    pub(super) fn view_ways(
        &self,
        at: usize,
        port: Option<u16>,
        witnesses: bool,
        stack: &mut Vec<Backend>,
    ) -> Vec<Way<'_>> {
        let view = &self.gateways[at];
        let mut found = Vec::new();
        for (dialect, table) in &view.tables {
            if port.is_some_and(|port| table.fronts.iter().all(|front| front.port != port)) {
                continue;
            }
            if let Some(why) = &table.refused {
                self.unread.borrow_mut().insert(view.gateway.finding(
                    "spec.listeners",
                    format!("Envoy refuses the routes of this Gateway ({why}) and goes on with those it had before"),
                    "mend the rule; what the Gateway serves until then is not known",
                ));
            }
            // What of it holds depends on certificates that nobody has read: it comes first.
            let speaks = |table: &Table| table.fronts.first().map(|front| front.speaks);
            let others = view.tables.iter().filter(|(other, one)| other == dialect && speaks(one) == speaks(table));
            let others = others.map(|(_, other)| other).filter(|other| *other != table);
            let alike: Vec<&Table> = std::iter::once(table).chain(others).collect();
            for host in &table.hosts {
                for entry in &host.entries {
                    for mut way in self.entry_ways(&alike, host, entry, witnesses, stack) {
                        way.leg.gateways.insert(0, view.gateway.name());
                        way.leg.dialects.insert(*dialect);
                        found.push(way);
                    }
                }
            }
        }
        found
    }

    /// `alike`: the table of this host, and those that may hold instead.
    fn entry_ways<'t>(
        &self,
        alike: &[&'t Table],
        host: &VirtualHost,
        entry: &Entry,
        witnesses: bool,
        stack: &mut Vec<Backend>,
    ) -> Vec<Way<'t>> {
        let mut ways = Vec::new();
        let Some(table) = alike.first() else { return ways };
        let mut done: BTreeSet<(&Backend, bool)> = BTreeSet::new();
        for action in &entry.actions {
            let Action::Forward(forward) = action else { continue };
            let whole = forward.whole();
            let backends = forward.backends.iter().map(|(backend, share)| (backend, *share, whole, false));
            let mirrors = forward.mirrors.iter().map(|(backend, percent)| (backend, *percent, 100, true));
            for (backend, share, whole, mirror) in backends.chain(mirrors).filter(|(_, share, _, _)| *share > 0) {
                if !done.insert((backend, mirror)) {
                    continue;
                }
                let legs = self.legs(backend, stack);
                if legs.is_empty() {
                    continue;
                }
                let scheme = table.fronts.first().and_then(|front| text::scheme(front.speaks));
                // Only of paths past the waypoint anybody asks for one.
                let is_wanted = witnesses && legs.iter().any(|leg| leg.role == Role::Target);
                let request = scheme
                    .filter(|_| is_wanted)
                    .and_then(|scheme| Aim { host, entry, backend, mirror, scheme }.request(alike));
                let share = percent(u64::from(share), whole);
                for leg in legs.iter().cloned() {
                    let request = request.clone().filter(|_| leg.is_plain());
                    let mut leg = leg.after(self.rule_hop(host, entry));
                    leg.mirror |= mirror;
                    leg.share = share.or(leg.share);
                    if entry.actions.len() > 1 {
                        leg.notes.push(
                            "rules with this match are merged, and which of them decides what else is done is not defined".into(),
                        );
                    }
                    if entry.matcher.unknown {
                        leg.notes.push("the rule asks for something that is not understood".into());
                    }
                    ways.push(Way { leg, fronts: &table.fronts, request });
                }
            }
        }
        ways
    }

    fn rule_hop(&self, host: &VirtualHost, entry: &Entry) -> Hop {
        let what = format!("{} {}", host.domain, text::matcher(&entry.matcher));
        let Some(first) = entry.rules.first() else {
            return Hop::named("", what);
        };
        let (_, route) = &self.world.routes[first.route];
        let mut hop = Hop::of(route, format!("rule {}: {what}", first.rule)).at(format!("spec.rules[{}]", first.rule));
        if entry.rules.len() > 1 {
            let others = entry.rules[1..].iter().map(|at| {
                let (_, route) = &self.world.routes[at.route];
                format!("{} rule {}", route.key, at.rule)
            });
            hop.what = format!("{} (merged with {})", hop.what, others.collect::<Vec<_>>().join(", "));
        }
        hop
    }

    /// Gateways of which it is not known who serves them, or that nobody can enter.
    pub(super) fn say_unserved(&self) {
        for view in &self.gateways {
            if view.controller.is_none() {
                self.problems.borrow_mut().insert(
                    view.gateway.finding(
                        "spec.gatewayClassName",
                        format!("GatewayClass {} is not among the objects", view.gateway.value.gateway_class_name),
                        "every dialect is tried, and each path marked with who would serve it so; add the class, or use --dialect",
                    ),
                );
            }
            if view.listeners == 0 {
                self.problems.borrow_mut().insert(view.gateway.finding(
                    "spec.listeners",
                    "no listeners",
                    "nothing enters here",
                ));
            }
        }
    }
}
