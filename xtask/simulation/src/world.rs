//! Who is where: every container of the parts of all nodes, and the routes that requests take between them.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use waypoint_verify::model::{ContainerRef, ProxyKind};

use crate::agent::Agent;

/// A container, the number of its node's agent, and an address that nobody else has.
#[derive(Clone, Debug)]
pub struct Place {
    pub agent: usize,
    pub container: Arc<ContainerRef>,
    pub address: [u8; 4],
}

/// A client, and everybody that its requests pass.
#[derive(Clone, Debug)]
pub struct Route {
    pub client: Place,
    /// In front of the waypoint: that of the client's node.
    pub front: Place,
    pub waypoint: Place,
    /// Behind it: that of the waypoint's node.
    pub back: Place,
    pub backend: Place,
}

#[derive(Debug)]
pub struct World {
    pub routes: Vec<Route>,
    pub front: SocketAddr,
    pub back: SocketAddr,
}

impl World {
    /// One route for each client; backends in turn, and waypoints of theirs.
    pub fn of(agents: &[Agent], front: SocketAddr, back: SocketAddr, policies: u16) -> Result<Self> {
        let (mut clients, mut gateways, mut waypoints, mut backends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (agent, known) in agents.iter().enumerate() {
            for (number, container) in known.part.containers.values().enumerate() {
                let node = u8::try_from(agent)?;
                let address = [10, 100 + u8::try_from(number / 200)?, node, u8::try_from(number % 200)?];
                let place = Place { agent, container: Arc::clone(container), address };
                match known.part.proxies.get(&container.id).map(|proxy| proxy.kind) {
                    Some(ProxyKind::Gateway) => gateways.push(place),
                    Some(ProxyKind::Waypoint) => waypoints.push(place),
                    // What else is in a target's pod receives nothing.
                    None if container.name == "sidecar" => {}
                    None if known.part.protected.contains(&container.pod.uid) => backends.push(place),
                    None if container.name == "client" => clients.push(place),
                    None => {}
                }
            }
        }
        // A request of a policy goes through its own waypoint to its own target.
        let group = |place: &Place| {
            let number = place.container.pod.name.rsplit('-').next().and_then(|number| number.parse::<u16>().ok());
            number.unwrap_or_default() % policies
        };
        let gateway = |agent: usize| {
            gateways.iter().find(|place| place.agent == agent).cloned().context("a node without a gateway's Envoy")
        };
        let routes = clients.iter().enumerate().map(|(at, client)| {
            let backend = backends.get(at % backends.len().max(1)).context("there is no backend")?.clone();
            let own: Vec<_> = waypoints.iter().filter(|waypoint| group(waypoint) == group(&backend)).collect();
            let waypoint = own.get(at % own.len().max(1)).context("there is no waypoint")?.to_owned().clone();
            let (front, back) = (gateway(client.agent)?, gateway(waypoint.agent)?);
            Ok(Route { client: client.clone(), front, waypoint, back, backend })
        });
        Ok(Self { routes: routes.collect::<Result<_>>()?, front, back })
    }
}
