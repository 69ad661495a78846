//! Follows traffic from a port of a Service, or from a listener, to the pods that matter.

mod foreign;
mod fronts;
mod gateways;
mod generated;
mod ingresses;
mod others;
mod services;
mod shut;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::admission::{Admissions, Enforcement};
use super::dialect::Dialect;
use super::objects::{GatewaySpec, Item, World};
use super::path::{Hop, Path, Reached};
use super::reach::{Endpoint, Reach, Roles, of_role};
use super::table::{Backend, Table};
use super::{Assumptions, attach};
use crate::manifest::Problem;
use crate::model::NamespacedName;
pub use services::{OwnWay, own_ways};

/// What a policy asks of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// `Kind namespace/name` of the policy.
    pub policy: String,
    pub targets: Vec<NamespacedName>,
    pub waypoint: NamespacedName,
    pub via: BTreeSet<NamespacedName>,
    /// Gateways where requests may enter; `None`: anywhere.
    pub entry: Option<BTreeSet<NamespacedName>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Target,
    Waypoint,
}

/// The rest of a path, from a Service on.
#[derive(Clone, Debug)]
struct Leg {
    hops: Vec<Hop>,
    reaches: Vec<Reached>,
    role: Role,
    /// Gateways on the way, in order.
    gateways: Vec<NamespacedName>,
    /// Some other proxy is on the way (Ingress, CiliumEnvoyConfig, a Service's own routes).
    proxied: bool,
    mirror: bool,
    share: Option<f64>,
    dialects: BTreeSet<Dialect>,
    notes: Vec<String>,
}

impl Leg {
    fn after(mut self, hop: Hop) -> Self {
        self.hops.insert(0, hop);
        self
    }
}

/// A Gateway with its listeners and the tables that they become, by dialect.
struct GatewayView<'a> {
    gateway: &'a Item<GatewaySpec>,
    controller: Option<&'a str>,
    tables: Vec<(Dialect, Table)>,
    listeners: usize,
}

type Legs = Rc<Vec<Leg>>;

pub struct Explorer<'a> {
    world: &'a World,
    reach: Reach<'a>,
    roles: Roles,
    demand: &'a Demand,
    gateways: Vec<GatewayView<'a>>,
    /// Which Gateway a Service is in front of.
    gateway_of: BTreeMap<NamespacedName, usize>,
    /// Places in `World::workloads` of the target's pods, by name: two objects of one name may differ.
    targets: HashMap<String, Vec<usize>>,
    admissions: Admissions<'a>,
    /// Whether policies are known to be enforced.
    enforced: bool,
    memo: RefCell<HashMap<Backend, Legs>>,
    /// Hops of ways that were found so far.
    found: Cell<usize>,
    /// Walks that were cut short because they came back to where they had been.
    cuts: Cell<u64>,
    problems: RefCell<BTreeSet<Problem>>,
    /// What keeps a Gateway's answer from being known.
    unread: RefCell<BTreeSet<Problem>>,
}

impl<'a> Explorer<'a> {
    pub fn new(world: &'a World, demand: &'a Demand, assumptions: &Assumptions) -> Self {
        let reach = Reach::new(world);
        let roles = Roles::new(&reach, &demand.targets, &demand.waypoint);
        let gateways: Vec<_> =
            world.gateways.values().map(|gateway| view(world, gateway, &assumptions.dialects)).collect();
        let gateway_of = gateways::services(world, &gateways);
        let mut targets: HashMap<_, Vec<usize>> = HashMap::new();
        for at in &roles.target {
            targets.entry(world.workloads[*at].key.to_string()).or_default().push(*at);
        }
        let mode = assumptions.enforcement.unwrap_or(Enforcement::Default);
        Self {
            world,
            reach,
            roles,
            demand,
            gateways,
            gateway_of,
            targets,
            admissions: Admissions::new(world, &demand.waypoint, mode),
            enforced: assumptions.enforcement.is_some(),
            memo: RefCell::default(),
            found: Cell::default(),
            cuts: Cell::default(),
            problems: RefCell::default(),
            unread: RefCell::default(),
        }
    }

    /// Every path, what may hide another, and what else was wrong on the way.
    pub fn paths(&self) -> (Vec<Path>, BTreeSet<Problem>, BTreeSet<Problem>) {
        let mut paths = self.gateway_paths();
        paths.extend(self.ingress_paths());
        paths.extend(self.service_paths());
        paths.extend(self.redirect_paths());
        paths.extend(self.pod_paths());
        paths.extend(self.foreign());
        paths.extend(self.generated(&paths));
        (paths, self.unread.take(), self.problems.take())
    }

    fn role(&self, role: Role) -> &BTreeSet<usize> {
        match role {
            Role::Target => &self.roles.target,
            Role::Waypoint => &self.roles.waypoint,
        }
    }

    /// Pods of each role among these endpoints.
    fn reached(&self, endpoints: &BTreeSet<Endpoint>) -> Vec<(Role, Vec<Reached>)> {
        let of = |role| {
            let found = of_role(endpoints, self.role(role));
            let reached: Vec<_> = found.into_iter().map(|(at, ports)| self.name(at, &ports)).collect();
            (!reached.is_empty()).then_some((role, reached))
        };
        [Role::Target, Role::Waypoint].into_iter().filter_map(of).collect()
    }

    fn name(&self, at: usize, ports: &BTreeSet<u16>) -> Reached {
        let ports = if ports.contains(&0) { Vec::new() } else { ports.iter().copied().collect() };
        Reached { workload: self.world.workloads[at].key.to_string(), ports }
    }
}

fn view<'a>(world: &'a World, gateway: &'a Item<GatewaySpec>, dialects: &[Dialect]) -> GatewayView<'a> {
    let listeners = attach::listeners(world, gateway);
    let controller = world.classes.get(&gateway.value.gateway_class_name).map(|class| class.value.as_str());
    let spoken = if dialects.is_empty() { Dialect::of_controller(controller) } else { dialects.to_vec() };
    let tables = spoken
        .into_iter()
        .flat_map(|dialect| dialect.tables(world, &listeners).into_iter().map(move |table| (dialect, table)))
        .collect();
    GatewayView { gateway, controller, tables, listeners: listeners.len() }
}

/// How many of each class, for a first line.
pub fn count<'p>(paths: impl IntoIterator<Item = &'p Path>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for path in paths {
        *counts.entry(path.class.name()).or_default() += 1;
    }
    counts
}
