//! Where traffic comes in: Gateways, Ingresses, Services, addresses of pods and nodes.

use std::collections::{BTreeSet, HashMap};

use super::{Explorer, Leg, Role};
use crate::inventory::{Service, ServicePort};
use crate::model::{Bypass, NamespacedName};
use crate::routes::objects::Item;
use crate::routes::path::{Class, Door, From, Hop, OTHERWISE_ENTERED, Path};
use crate::routes::request::Request;
use crate::routes::table::{Backend, Front};
use crate::routes::witness::Witness;
use crate::routes::{cure, doors, text};

impl Explorer<'_> {
    pub(super) fn gateway_paths(&self) -> Vec<Path> {
        self.say_unserved();
        let mut paths: Vec<Path> = Vec::new();
        let mut places = HashMap::new();
        for at in 0..self.gateways.len() {
            let view = &self.gateways[at];
            let name = view.gateway.name();
            let service = self.gateway_of.iter().find(|(_, own)| **own == at).map(|(service, _)| service);
            let ranges = service.and_then(|name| self.world.services.get(name)).and_then(source_ranges);
            for mut way in self.view_ways(at, None, true, &mut Vec::new()) {
                way.leg.notes.extend(ranges.clone());
                let doors = doors::of_gateway(self.world, &name, service, way.fronts);
                let hop = Hop::of(view.gateway, listeners(way.fronts));
                self.add(&mut paths, &mut places, way.leg.after(hop), doors, way.request);
            }
        }
        paths
    }

    /// One path for what several dialects, tables or entries make of the same objects.
    fn add(
        &self,
        paths: &mut Vec<Path>,
        places: &mut HashMap<String, usize>,
        leg: Leg,
        doors: Vec<Door>,
        request: Option<Request>,
    ) {
        let path = self.path(leg, doors, request);
        // At which ports depends on what else the Gateway has; it is one path.
        let mut same = path.clone();
        same.doors.clear();
        if let Some(front) = same.hops.first_mut() {
            front.what = front.what.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        let place = *places.entry(same.identity()).or_insert(paths.len());
        match paths.get_mut(place) {
            Some(known) => {
                let all: BTreeSet<_> = known.dialects.iter().chain(&path.dialects).copied().collect();
                known.dialects = all.into_iter().collect();
                known.witness = known.witness.take().or(path.witness);
                let new: Vec<_> = path.doors.into_iter().filter(|door| !known.doors.contains(door)).collect();
                known.doors.extend(new);
            }
            None => paths.push(path),
        }
    }

    pub(super) fn path(&self, leg: Leg, mut doors: Vec<Door>, request: Option<Request>) -> Path {
        let mut notes = leg.notes.clone();
        let mut class = self.class(&leg, &mut notes);
        if class.is_past() {
            self.shut(&leg, &mut class, &mut doors, &mut notes);
        }
        let (witness, cure) = match class {
            Class::Past { kind } => (
                request.map(|request| of_request(&request, &doors, leg.share)),
                Some(cure::of(self.demand, kind, &leg.hops)),
            ),
            _ => (None, None),
        };
        Path {
            class,
            doors,
            hops: leg.hops,
            reaches: leg.reaches,
            mirror: leg.mirror,
            share: leg.share,
            dialects: leg.dialects.into_iter().collect(),
            witness,
            cure,
            notes,
        }
    }

    fn class(&self, leg: &Leg, notes: &mut Vec<String>) -> Class {
        if leg.role == Role::Waypoint {
            let enters =
                |entry: &BTreeSet<NamespacedName>| leg.gateways.first().is_some_and(|first| entry.contains(first));
            if self.demand.entry.as_ref().is_some_and(|entry| !enters(entry)) {
                notes.push(OTHERWISE_ENTERED.into());
            }
            return Class::Through;
        }
        let by_via = !leg.gateways.is_empty() && leg.gateways.iter().all(|gateway| self.demand.via.contains(gateway));
        let kind = match (leg.gateways.is_empty(), leg.proxied) {
            _ if by_via => Bypass::UpstreamBypass,
            (true, false) => Bypass::DirectConnection,
            _ => Bypass::RouteBypass,
        };
        if by_via {
            notes.push("the waypoint takes this path, too; it is open to others".into());
        }
        Class::Past { kind }
    }

    pub(super) fn service_paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        for (name, service) in &self.world.services {
            // What enters a Gateway by its Service is among the Gateway's own paths. But such a Service may lead elsewhere, too:
            // by a selector, or because it only calls itself a Gateway's.
            let is_gateways = self.gateway_of.contains_key(name);
            for port in ports(service) {
                let from = Backend { service: name.clone(), port: port.port };
                let legs = self.legs(&from, &mut Vec::new());
                for mut leg in legs.iter().filter(|leg| !is_gateways || leg.gateways.is_empty()).cloned() {
                    leg.notes.extend(source_ranges(service));
                    let doors = doors::of_service(service, &port);
                    paths.push(self.path_with_direct_witness(leg, doors));
                }
            }
        }
        paths
    }

    pub(super) fn path_with_direct_witness(&self, leg: Leg, doors: Vec<Door>) -> Path {
        let request = Request { method: "GET".into(), scheme: "http".into(), path: "/".into(), ..Request::default() };
        let request = Some(request).filter(|_| leg.is_plain());
        self.path(leg, doors, request)
    }
}

impl Leg {
    /// No proxy is on it. Behind one it depends on that proxy's rules what a request does, and Envoys of Cilium dial pods, whatever routes a
    /// Service has of its own.
    pub(super) fn is_plain(&self) -> bool {
        self.gateways.is_empty() && !self.proxied
    }

    pub(super) fn to(role: Role, reaches: Vec<crate::routes::path::Reached>) -> Self {
        Self {
            hops: Vec::new(),
            reaches,
            role,
            gateways: Vec::new(),
            proxied: false,
            mirror: false,
            share: None,
            dialects: BTreeSet::new(),
            notes: Vec::new(),
        }
    }
}

/// Ports that a Service answers at; an ExternalName and a headless Service without any answer at whatever its name leads to.
fn ports(service: &Item<Service>) -> Vec<ServicePort> {
    let spec = &service.value.spec;
    let declared: Vec<_> = spec.ports.iter().filter(|port| port.is_tcp()).cloned().collect();
    if declared.is_empty() && spec.kind.as_deref() == Some("ExternalName") {
        return vec![ServicePort { port: 80, ..ServicePort::default() }];
    }
    declared
}

/// They close nothing: whoever is within them comes in, and a NodePort may have none.
fn source_ranges(service: &Item<Service>) -> Option<String> {
    let ranges = &service.value.spec.load_balancer_source_ranges;
    (!ranges.is_empty()).then(|| format!("its load balancer lets in only {}", ranges.join(", ")))
}

fn listeners(fronts: &[Front]) -> String {
    let one = |front: &Front| format!(":{} {} ({})", front.port, text::speaks(front.speaks), front.listener);
    fronts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// From outside if that is open, else from a pod; at the scheme's own port if there is one.
fn of_request(request: &Request, doors: &[Door], share: Option<f64>) -> Witness {
    let port = if request.scheme == "https" { ":443" } else { ":80" };
    let outside = || doors.iter().filter(|door| door.from == From::Outside);
    let door = outside().find(|door| door.address.ends_with(port)).or_else(|| outside().next()).or(doors.first());
    let address = door.map_or("<address>", |door| door.address.as_str());
    Witness {
        method: request.method.clone(),
        url: format!("{}://{address}{}", request.scheme, request.target()),
        host: request.host.clone(),
        headers: request.headers.clone(),
        from: door.map_or_else(String::new, |door| door.from.to_string()),
        share,
    }
}
