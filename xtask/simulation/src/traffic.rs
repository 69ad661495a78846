//! Evidence of compliant requests (GET over HTTP/1.1, no two alike, so that each departure has one candidate), as the agents of the
//! nodes that they pass observe it: seven heads, what the backend took, and three payments once the answers are there.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use waypoint_verify::evidence::{Evidence, Protocol, RequestLine};
use waypoint_verify::link::Link;
use waypoint_verify::link::guard::Constraints;
use waypoint_verify::model::{BootNs, MessageKey};

use crate::connection::{Between, Connection};
use crate::world::{Place, Route, World};

/// From a request to the end of its answer.
const LATENCY: BootNs = 20_000_000;
/// Requests of a client's connection; those between proxies last longer.
const CLIENT: u32 = 20;
const PROXY: u32 = 1000;

/// Pieces of evidence, each with the number of the agent that observed it; in order.
#[derive(Debug, Default)]
pub struct Observed(pub Vec<(usize, Evidence)>);

impl Observed {
    pub fn push(&mut self, agent: usize, evidence: Evidence) {
        self.0.push((agent, evidence));
    }
}

/// Numbers that do not pack (splitmix64), as digests and initial sequence numbers are.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn halves(&mut self) -> [u32; 2] {
        let [a, b, c, d, e, f, g, h] = self.next().to_le_bytes();
        [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
    }
}

/// A route, with the connections that its requests run over, client first.
#[derive(Debug)]
struct Walked {
    route: Route,
    hops: [Connection; 4],
}

#[derive(Debug)]
pub struct Traffic {
    routes: Vec<Walked>,
    front: SocketAddr,
    back: SocketAddr,
    /// Departures whose answers are on the way, and who pays for them.
    unpaid: VecDeque<(BootNs, [(usize, MessageKey); 3])>,
    random: Random,
    pub requests: u64,
}

impl Traffic {
    pub fn new(world: World) -> Self {
        let World { routes, front, back } = world;
        let hops = || [CLIENT, PROXY, PROXY, PROXY].map(Connection::new);
        let routes = routes.into_iter().map(|route| Walked { route, hops: hops() }).collect();
        Self { routes, front, back, unpaid: VecDeque::new(), random: Random(7), requests: 0 }
    }

    /// The next request, of the next client.
    pub fn request(&mut self, at: BootNs, out: &mut Observed) {
        let turn = usize::try_from(self.requests).unwrap_or_default() % self.routes.len();
        let (front_listener, back_listener) = (self.front, self.back);
        let Walked { route, hops } = &mut self.routes[turn];
        let Route { client, front, waypoint, back, backend } = &*route;
        let random = &mut self.random;
        let legs = [
            Between { from: client, to: front, comm: "curl", remote: front_listener },
            Between { from: front, to: waypoint, comm: "wrk:worker_0", remote: (waypoint.address, 8081).into() },
            Between { from: waypoint, to: back, comm: "caddy", remote: back_listener },
            Between { from: back, to: backend, comm: "wrk:worker_0", remote: (backend.address, 8084).into() },
        ];
        let mut cause: Option<MessageKey> = None;
        let mut keys = SmallVec::<[(usize, MessageKey); 4]>::new();
        for (leg, connection) in legs.into_iter().zip(hops) {
            let (key, peer) = connection.next(leg, 240, at, random, out);
            let digest = random.next();
            if let Some(cause) = cause {
                keys.push((leg.from.agent, key));
                out.push(leg.from.agent, departed(leg.from, key, cause, digest, at));
            }
            if leg.to.container.id == backend.container.id {
                let request = Arc::new(line(self.requests, random));
                let at_pod = Arc::clone(&backend.container);
                out.push(leg.to.agent, Evidence::Arrived { key, at_pod, local: leg.remote, peer, request, digest, at });
                out.push(leg.to.agent, Evidence::Received { key, whole: true, at });
            } else {
                let instance = Arc::clone(&leg.to.container);
                out.push(leg.to.agent, Evidence::Entered { key, instance, local: leg.remote, peer, digest, at });
            }
            cause = Some(key);
        }
        if let [first, second, third] = keys[..] {
            self.unpaid.push_back((at + LATENCY, [first, second, third]));
        }
        self.requests += 1;
    }

    /// Answers that have ended by now. Returns whether others are still on the way.
    pub fn pay(&mut self, now: BootNs, out: &mut Observed) -> bool {
        while let Some((_, departures)) = self.unpaid.pop_front_if(|(due, _)| *due <= now) {
            for (agent, key) in departures {
                out.push(agent, Evidence::Settled { keys: smallvec![key] });
            }
        }
        !self.unpaid.is_empty()
    }
}

fn departed(from: &Place, key: MessageKey, cause: MessageKey, digest: u64, at: BootNs) -> Evidence {
    let used = Constraints { method: true, target: true, authority: true, forwarded: true, trace: true, headers: true };
    let link = Link {
        candidates: [cause].into_iter().collect(),
        more: false,
        wild: None,
        mirror: false,
        foreign_process: false,
        counted: true,
        used,
    };
    Evidence::Departed { key, instance: Arc::clone(&from.container), digest, link, unknown_creator: None, at }
}

fn line(number: u64, random: &mut Random) -> RequestLine {
    RequestLine {
        protocol: Protocol::Http11,
        method: "GET".to_owned(),
        path: format!("/orders/{number}"),
        authority: "hello.example.com".to_owned(),
        trace_id: Some(format!("{:016x}{:016x}", random.next(), random.next())),
    }
}
