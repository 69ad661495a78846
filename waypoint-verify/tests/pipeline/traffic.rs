//! Random traffic whose truth is known: requests on every way, interleaved, cut, repeated and acknowledged late.

use std::collections::{BTreeMap, HashMap, VecDeque};

use waypoint_verify::model::{ConnKey, MessageKey};
use waypoint_verify::probe::Side;

use crate::world::{
    ATTACKER, BACKEND, CADDY, CLIENT, Connection, ENTRY, ENVOY, INGRESS_IP, OTHER, PROXY_PID, TARGET, UPSTREAM,
    WAYPOINT, WAYPOINT_IP, World,
};

/// The way of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Compliant,
    Direct,
    Route,
    Other,
    Upstream,
    /// Another process in the waypoint's container.
    Exec,
    /// The waypoint's own process, for no request.
    Fabricated,
}

pub const KINDS: [Kind; 7] =
    [Kind::Compliant, Kind::Direct, Kind::Route, Kind::Other, Kind::Upstream, Kind::Exec, Kind::Fabricated];

impl Kind {
    pub fn bypass(self) -> Option<&'static str> {
        match self {
            Self::Compliant => None,
            Self::Direct => Some("DirectConnection"),
            Self::Route | Self::Other => Some("RouteBypass"),
            Self::Upstream => Some("UpstreamBypass"),
            Self::Exec | Self::Fabricated => Some("WaypointOrigin"),
        }
    }

    /// Nothing else on its way looks like it, so that it and its neighbours are told apart for certain.
    pub fn is_distinct(self) -> bool {
        !matches!(self, Self::Exec | Self::Fabricated)
    }
}

/// Numbers that decide everything that is random.
#[derive(Clone, Debug)]
pub struct Dice(pub Vec<u8>, pub usize);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        let value = self.0.get(self.1 % self.0.len().max(1)).copied().unwrap_or(0);
        self.1 += 1;
        (usize::from(value) ^ self.1.wrapping_mul(0x9e37_79b9) >> 7) % sides
    }
}

/// A connection that is kept alive between requests.
#[derive(Clone, Copy, Debug)]
struct Kept {
    connection: Connection,
    accepted: bool,
    acknowledged: u32,
}

type Leg = (u32, u64, &'static str, u64, &'static str, &'static str);

#[derive(Debug)]
struct Flow {
    kind: Kind,
    legs: Vec<(Leg, String)>,
    at: usize,
    held: Vec<(Leg, Kept)>,
    answering: bool,
}

/// What really happened to each arrival.
pub type Truth = BTreeMap<MessageKey, Kind>;

pub fn play(world: &mut World, kinds: &[Kind], dice: &mut Dice) -> Truth {
    world.ticking = false;
    let mut truth = Truth::new();
    let mut kept: HashMap<Leg, Vec<Kept>> = HashMap::new();
    let mut waiting: VecDeque<Flow> = kinds.iter().map(|kind| flow(*kind, dice)).collect();
    let mut open: Vec<Flow> = Vec::new();
    while !waiting.is_empty() || !open.is_empty() {
        if !waiting.is_empty() && (open.is_empty() || dice.roll(3) == 0) {
            open.extend(waiting.pop_front());
        }
        let chosen = dice.roll(open.len());
        if step(world, &mut open[chosen], &mut kept, &mut truth, dice) {
            open.remove(chosen);
        }
        if dice.roll(4) == 0 {
            world.tick(2);
        }
    }
    for _ in 0..3 {
        world.tick(3000);
    }
    truth
}

fn flow(kind: Kind, dice: &mut Dice) -> Flow {
    let path = ["/same", "/same", "/a", "/b"][dice.roll(4)];
    let attacker = dice.roll(2) == 0;
    // Equal requests of one address that entered here and there are ambiguous, and rightly so.
    let (sender, ip, address) = match kind {
        Kind::Other => (ATTACKER, "10.244.1.67", "10.244.1.67:1000"),
        Kind::Upstream => (ATTACKER, "10.244.1.68", "10.244.1.68:1000"),
        _ if attacker => (ATTACKER, "10.244.1.66", "10.244.1.66:1000"),
        _ => (CLIENT, "10.244.1.1", "10.244.1.1:1000"),
    };
    let head = |list: &str| match list {
        "" => format!("GET {path} HTTP/1.1\r\nHost: hello\r\n\r\n"),
        list => format!("GET {path} HTTP/1.1\r\nhost: hello\r\nx-forwarded-for: {list}\r\n\r\n"),
    };
    let client = |listener| ((7, sender, address, ENVOY, listener, listener), head(""));
    let direct = ((7, sender, address, BACKEND, "10.96.9.9:8083", TARGET), head("10.244.1.100,10.244.1.3"));
    let caddy = ((PROXY_PID, ENVOY, "10.244.1.100:1001", CADDY, WAYPOINT, WAYPOINT), head(ip));
    let upstream = |pid| ((pid, CADDY, "10.244.1.3:1002", ENVOY, UPSTREAM, UPSTREAM), head(INGRESS_IP));
    let target = |list: &str| ((PROXY_PID, ENVOY, "10.244.1.100:1003", BACKEND, TARGET, TARGET), head(list));
    let through = format!("{INGRESS_IP},{WAYPOINT_IP}");
    let legs = match kind {
        Kind::Compliant => vec![client(ENTRY), caddy, upstream(PROXY_PID), target(&through)],
        Kind::Direct => vec![direct],
        Kind::Route => vec![client(ENTRY), target(ip)],
        Kind::Other => vec![client(OTHER), target(ip)],
        Kind::Upstream => vec![client(UPSTREAM), target(ip)],
        Kind::Exec => vec![upstream(666), target(&through)],
        Kind::Fabricated => vec![upstream(PROXY_PID), target(&through)],
    };
    Flow { kind, legs, at: 0, held: Vec::new(), answering: false }
}

/// `true`: it is over.
fn step(
    world: &mut World,
    flow: &mut Flow,
    kept: &mut HashMap<Leg, Vec<Kept>>,
    truth: &mut Truth,
    dice: &mut Dice,
) -> bool {
    if !flow.answering {
        let (leg, text) = flow.legs[flow.at].clone();
        let mut on = kept.get_mut(&leg).and_then(Vec::pop).unwrap_or_else(|| dial(world, leg, dice));
        if leg.3 == BACKEND {
            let Connection { client_isn, server_isn, sent, .. } = on.connection;
            let key = MessageKey { conn: ConnKey { client_isn, server_isn }, offset: sent.into(), stream: 0 };
            truth.insert(key, flow.kind);
        }
        send(world, &mut on, text.as_bytes(), dice);
        flow.held.push((leg, on));
        flow.at += 1;
        flow.answering = flow.at == flow.legs.len();
        return false;
    }
    let Some((leg, mut on)) = flow.held.pop() else { return true };
    world.respond(&mut on.connection);
    on.acknowledged = on.connection.sent;
    if dice.roll(4) == 0 {
        world.close(&on.connection);
    } else {
        kept.entry(leg).or_default().push(on);
    }
    flow.held.is_empty()
}

fn dial(world: &mut World, (pid, from, local, to, remote, server_local): Leg, dice: &mut Dice) -> Kept {
    let connection = world.plan(from, local, to, remote, server_local);
    world.create(&connection, pid);
    world.open(&connection, Side::Active);
    let accepted = dice.roll(3) > 0;
    if accepted {
        world.open(&connection, Side::Passive);
    }
    Kept { connection, accepted, acknowledged: 0 }
}

/// Cut into pieces that come in any order and more than once at the other end.
fn send(world: &mut World, on: &mut Kept, bytes: &[u8], dice: &mut Dice) {
    let start = on.connection.sent;
    let mut cuts = vec![0, bytes.len()];
    cuts.extend((0..dice.roll(3)).map(|_| dice.roll(bytes.len())));
    cuts.sort_unstable();
    let mut pieces: Vec<(usize, usize)> =
        cuts.windows(2).map(|cut| (cut[0], cut[1])).filter(|(from, to)| from < to).collect();
    let play = |world: &mut World, side, (from, to): (usize, usize)| {
        world.data(&on.connection, side, start + u32::try_from(from).unwrap(), &bytes[from..to], 0);
    };
    for piece in &pieces {
        play(world, Side::Active, *piece);
    }
    if dice.roll(3) == 0 {
        play(world, Side::Active, pieces[dice.roll(pieces.len())]);
    }
    for _ in 0..dice.roll(3) {
        let (one, other) = (dice.roll(pieces.len()), dice.roll(pieces.len()));
        pieces.swap(one, other);
    }
    let again = pieces[dice.roll(pieces.len())];
    for piece in pieces.into_iter().chain((dice.roll(3) == 0).then_some(again)) {
        play(world, Side::Passive, piece);
    }
    if !on.accepted {
        world.open(&on.connection, Side::Passive);
        on.accepted = true;
    }
    on.connection.sent += u32::try_from(bytes.len()).unwrap();
    // Otherwise the response acknowledges it.
    if dice.roll(2) == 0 {
        world.acknowledge(&on.connection, on.connection.sent);
        on.acknowledged = on.connection.sent;
    }
}
