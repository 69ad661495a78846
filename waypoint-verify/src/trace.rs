//! Records of one machine -> evidence: follows sockets, reads their messages and links them inside each proxy.
//!
//! What it must ask of the machine (who owns a cgroup, which process is the proxy) goes through [`Machine`]; what it
//! wants of the probes comes out as [`Directive`]s. Everything else is a function of the records, in ring order.

pub mod admit;
mod announced;
mod early;
mod exchanges;
mod fair;
mod instance;
mod losses;
mod messages;
mod openings;
mod others;
mod responses;
mod socket;
mod unseen;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::evidence::{End, Evidence, RequestLine};
use crate::fair::{Charges, Fair};
use crate::link::{self, Hasher};
use crate::model::{BootNs, ConnKey, ContainerRef, Owner, Process, Side, WatchList};
use crate::probe::{Data, Direction, Drained, Note, Passage, Record};
use crate::wire;
use early::Early;
use fair::Share;
use instance::Instances;
use losses::Openings;
use socket::{Role, Socket};

/// What only the machine can tell.
pub trait Machine {
    fn owner(&mut self, cgroup: u64) -> Owner;
    /// Whether this process is the one that serves the proxy's listening sockets, or forked from it without exec.
    fn is_proxy_process(&mut self, container: &ContainerRef, pid: u32) -> bool;
    /// Whether something in the container's network namespace listens on this address.
    fn listens(&mut self, container: &ContainerRef, address: SocketAddr) -> bool;
}

/// What is wanted of the sockets of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wanted {
    pub entries: bool,
    pub departures: bool,
    pub responses: bool,
}

/// What the probes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    Watch {
        cgroup: u64,
        wanted: Wanted,
    },
    /// Octets of this direction before this sequence number need not be copied.
    Grant {
        cookie: u64,
        direction: Direction,
        until: u32,
    },
}

/// Bounds. Hitting one is counted and makes what it touches Unverified.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sockets that are followed.
    pub sockets: usize,
    /// Creations of sockets that have not opened a connection yet.
    pub creations: usize,
    /// Octets of all streams together; those of one owner may hold as much as is left.
    pub stream_octets: usize,
    /// Whether arrivals carry what people are shown of a request; without explanations nobody is.
    pub request_lines: bool,
    pub link: link::Limits,
    pub wire: Arc<wire::Settings>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 131_072,
            creations: 65_536,
            stream_octets: 64 << 20,
            request_lines: true,
            link: link::Limits::default(),
            wire: Arc::new(wire::Settings::default()),
        }
    }
}

/// Counters of what was seen and lost on the way to evidence.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    pub records: u64,
    pub octets: u64,
    pub connections: u64,
    pub arrivals: u64,
    pub entries: u64,
    pub departures: u64,
    pub poisoned: u64,
    pub predating_connections: u64,
    pub lost_records: u64,
    /// ... by whose they were, where that is known; the names beyond [`NAMES`] together.
    pub lost_by_owner: BTreeMap<String, u64>,
    /// Sockets of protected pods and proxies that got something else than TCP, by what and where; those beyond [`NAMES`]
    /// together.
    pub other_protocols: BTreeMap<String, u64>,
    pub evicted_sockets: u64,
    /// Streams that were given up because all together held too much.
    pub shed_streams: u64,
    pub evicted_creations: u64,
    pub unplaced_data: u64,
    /// Packets with payload that TCP drops: wrong checksums, old timestamps, what was sent twice.
    pub not_taken: u64,
    /// Arrivals that changed the protocol (WebSocket, CONNECT): what follows belongs to them.
    pub tunnels: u64,
    /// Octets that came over these, of connections that are closed.
    pub tunnelled_octets: u64,
}

/// A connection that is older than the probes: by whom it was accepted, its ends, and what stands for it.
#[derive(Clone, Debug)]
pub struct Predating {
    pub container: Arc<ContainerRef>,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub stream: u64,
}

/// Owners that counters name one by one.
const NAMES: usize = 64;

/// Cgroups whose owners are remembered; beyond it all are asked for anew.
const OWNERS: usize = 65_536;

#[derive(Clone, Debug)]
struct Creator {
    process: Process,
    cgroup: u64,
    order: u64,
    /// Judged at once where its cgroup is a proxy's: later the process may be gone.
    of_proxy: Option<bool>,
}

/// Follows the sockets of one machine.
#[derive(Debug)]
pub struct Tracer<M> {
    machine: M,
    watch: Arc<WatchList>,
    hasher: Hasher,
    limits: Limits,
    /// Number of the newest record.
    order: u64,
    owners: FxHashMap<u64, Owner>,
    creators: FxHashMap<u64, Creator>,
    creations: Fair<Share, u64>,
    sockets: FxHashMap<u64, Box<Socket>>,
    /// Cookies of `sockets` by the order of their opening.
    by_age: Fair<Share, u64>,
    /// Sockets that dialled and asked for a change of protocol at this offset: the other end tells how it was answered.
    switching: FxHashMap<ConnKey, (u64, u64)>,
    /// Something can hand octets to sockets past every hook.
    unseen: Option<String>,
    /// What was told beside the records, by its number.
    told: FxHashSet<u64>,
    /// Connections that are older than the probes, until they are taken.
    predating: Vec<Predating>,
    /// Peers whose QUIC was told of, by the cgroup that got it.
    quic: FxHashSet<(u64, IpAddr)>,
    /// Open connections into proxies.
    entered: FxHashMap<ConnKey, u64>,
    unfollowed: FxHashMap<u64, (Arc<ContainerRef>, ConnKey)>,
    openings_lost: Openings,
    early: Early,
    instances: Instances,
    /// Octets that all streams occupy, about: what their sockets are charged.
    stream_octets: Charges<Share>,
    counters: Counters,
    /// Stands for all request lines where none are wanted.
    no_line: Arc<RequestLine>,
    events: Vec<wire::Event>,
    responses: Vec<wire::ResponseEvent>,
}

impl<M: Machine> Tracer<M> {
    pub fn new(machine: M, watch: Arc<WatchList>, hasher: Hasher, limits: Limits) -> Self {
        Self {
            machine,
            instances: Instances::new(Arc::clone(&watch), hasher, limits.link.clone()),
            watch,
            hasher,
            limits,
            order: 0,
            owners: FxHashMap::default(),
            creators: FxHashMap::default(),
            creations: Fair::default(),
            sockets: FxHashMap::default(),
            by_age: Fair::default(),
            switching: FxHashMap::default(),
            unseen: None,
            told: FxHashSet::default(),
            predating: Vec::new(),
            quic: FxHashSet::default(),
            entered: FxHashMap::default(),
            unfollowed: FxHashMap::default(),
            openings_lost: Openings::default(),
            early: Early::default(),
            stream_octets: Charges::default(),
            counters: Counters::default(),
            no_line: Arc::default(),
            events: Vec::new(),
            responses: Vec::new(),
        }
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A newer watch list in which nothing that was known has another role. Owners are asked for anew: names may have come.
    pub fn extend(&mut self, watch: &Arc<WatchList>) {
        self.watch = Arc::clone(watch);
        self.instances.extend(watch);
        self.owners.clear();
    }

    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Connections that are open, as evidence. Which processes made them is not remembered.
    pub fn open(&self) -> impl Iterator<Item = Evidence> {
        // Of those that are older than the agent nobody knows the numbers.
        let known = self.sockets.iter().filter(|(cookie, socket)| socket.conn != pseudo(**cookie));
        known.map(|(_, socket)| {
            let Socket { conn, side, ref owner, local, remote, .. } = **socket;
            let end = End { owner: owner.clone(), process: None, local, remote, at: 0 };
            Evidence::Open { conn, side, end: Arc::new(end) }
        })
    }

    /// Connections of watched containers that are open.
    pub fn open_connections(&self) -> usize {
        self.sockets.len()
    }

    /// Departures wait for what only time can tell. Cheap.
    pub fn pending(&self) -> bool {
        self.instances.unsettled()
    }

    /// Something seen is not final yet.
    pub fn unsettled(&self) -> bool {
        self.instances.unsettled() || self.sockets.values().any(|socket| socket.has_unfinished_arrival())
    }

    /// What is wanted of a cgroup, as soon as its owner is known. An unknown one is asked for again.
    pub fn classify(&mut self, cgroup: u64, directives: &mut Vec<Directive>) -> Role {
        if let Some(owner) = self.owners.get(&cgroup)
            && !matches!(owner, Owner::Unknown { .. })
        {
            return self.role(owner);
        }
        if self.owners.len() >= OWNERS {
            self.owners.clear();
        }
        let owner = self.machine.owner(cgroup);
        let role = self.role(&owner);
        if !matches!(owner, Owner::Unknown { .. }) {
            directives.push(Directive::Watch { cgroup, wanted: role.wanted() });
        }
        self.owners.insert(cgroup, owner);
        role
    }

    fn role(&self, owner: &Owner) -> Role {
        match owner {
            Owner::Container(container) => Role {
                proxy: self.watch.proxies.contains_key(&container.id),
                target: self.watch.protected.contains(&container.pod.uid),
            },
            Owner::Host { .. } | Owner::Unknown { .. } => Role::default(),
        }
    }

    /// Takes one record, in ring order.
    pub fn record(&mut self, record: Record<'_>, directives: &mut Vec<Directive>, out: &mut Vec<Evidence>) {
        self.order += 1;
        self.counters.records += 1;
        match record {
            Record::Created(created) => self.created(&created, directives),
            Record::Opened(opened) => self.opened(&opened, directives, out),
            Record::Data(data) => self.data(&data, directives, out),
            Record::Note(note) => self.note(&note, out),
            Record::Closed(closed) => self.closed(&closed, out),
            Record::Stray(stray) => self.stray(&stray, directives, out),
            Record::Other(other) => self.other(&other, directives, out),
        }
    }

    /// Everything that the machine observed before `drained.until_ns` has been given to [`Self::record`].
    pub fn drained(&mut self, drained: &Drained, out: &mut Vec<Evidence>) {
        self.lost(drained, out);
        for (socket_key, data) in self.early.expire() {
            self.counters.unplaced_data += 1;
            self.unplaced(socket_key, &data, drained.until_ns, out);
        }
        self.instances.advance(self.order, drained.until_ns, out);
        out.push(Evidence::Tick { at: drained.until_ns });
    }

    fn data(&mut self, data: &Data<'_>, directives: &mut Vec<Directive>, out: &mut Vec<Evidence>) {
        self.counters.octets += data.bytes.len() as u64;
        if data.unclassified || self.sockets.get(&data.cookie).is_some_and(|s| matches!(s.owner, Owner::Unknown { .. }))
        {
            self.reclassify(data.cookie, data.cgroup, data.ts, directives, out);
        }
        if data.listener_owned || !self.sockets.contains_key(&data.cookie) {
            self.early.hold(data, self.order);
            return;
        }
        match data.direction {
            Direction::Request => self.request_data(data.cookie, data, directives, out),
            Direction::Response => self.response_data(data.cookie, data, directives, out),
        }
    }

    fn note(&mut self, note: &Note, out: &mut Vec<Evidence>) {
        let order = self.order;
        let Some(socket) = self.sockets.get_mut(&note.cookie) else { return };
        let mut events = std::mem::take(&mut self.events);
        match (socket.side, note.passage) {
            (Side::Passive, Passage::Out) => socket.acknowledge(note.ack, order, &self.limits.wire, &mut events),
            (Side::Passive, Passage::In) | (Side::Active, Passage::Out) => {
                socket.pass(note.seq, note.payload_len, note.tcp_flags, order, &self.limits.wire, &mut events);
            }
            (Side::Active, Passage::In) => {}
        }
        self.told(note.cookie, &mut events, note.ts, out);
        self.events = events;
    }
}

/// Counts under a name; those beyond [`NAMES`] together.
fn count_by_name(named: &mut BTreeMap<String, u64>, name: String, by: u64) {
    let name = if named.len() < NAMES || named.contains_key(&name) { name } else { "others".to_owned() };
    *named.entry(name).or_default() += by;
}

/// Stands for a connection whose initial sequence numbers were not seen; server ISN and cookie never meet.
fn pseudo(cookie: u64) -> ConnKey {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
    ConnKey { client_isn: cookie as u32, server_isn: (cookie >> 32) as u32 }
}

fn side(side: crate::probe::Side) -> Side {
    match side {
        crate::probe::Side::Active => Side::Active,
        crate::probe::Side::Passive => Side::Passive,
    }
}

fn at_or(ns: BootNs, otherwise: BootNs) -> BootNs {
    if ns == 0 { otherwise } else { ns }
}
