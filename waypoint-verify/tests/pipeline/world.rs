//! A small cluster whose sockets are played by hand: what the probes would record of them, in ring order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use waypoint_verify::evidence::Evidence;
use waypoint_verify::judge::{self, Judge, Judged, Tally};
use waypoint_verify::link::Hasher;
use waypoint_verify::model::{
    Appends, CompiledPolicy, ContainerRef, Exemption, ForwardedFor, Guards, Listener, NamespacedName, Owner, PodRef,
    ProxyKind, ProxySpec, WatchList,
};
use waypoint_verify::probe::{
    Closed, Comm, Created, Data, Direction, Drained, Losses, Note, Opened, Passage, Record, Side, TcpFlags,
};
use waypoint_verify::trace::{Directive, Limits, Machine, Tracer};

pub const CLIENT: u64 = 1;
pub const ENVOY: u64 = 2;
pub const CADDY: u64 = 3;
pub const BACKEND: u64 = 4;
pub const SIDECAR: u64 = 5;

pub const ENTRY: &str = "10.96.0.1:80";
pub const UPSTREAM: &str = "10.96.0.2:8082";
pub const OTHER: &str = "10.96.0.3:80";
pub const WAYPOINT: &str = "10.244.1.3:8081";
pub const TARGET: &str = "10.244.1.4:8084";

const PROXY_PID: u32 = 100;

fn name(namespace: &str, name: &str) -> NamespacedName {
    NamespacedName { namespace: namespace.into(), name: name.into() }
}

fn container(cgroup: u64) -> Arc<ContainerRef> {
    let pod = |name: &str| PodRef { namespace: "hello".into(), name: name.into(), uid: format!("uid-{name}") };
    let (pod, name) = match cgroup {
        CLIENT => (pod("client"), "client"),
        ENVOY => (pod("cilium-envoy"), "cilium-envoy"),
        CADDY => (pod("waypoint"), "caddy"),
        SIDECAR => (pod("waypoint"), "sidecar"),
        _ => (pod("backend"), "backend"),
    };
    Arc::new(ContainerRef { node: "node-1".into(), pod, name: name.into(), id: format!("id-{cgroup}") })
}

#[derive(Debug)]
pub struct Cgroups;

impl Machine for Cgroups {
    fn owner(&mut self, cgroup: u64) -> Owner {
        Owner::Container(container(cgroup))
    }

    fn is_proxy_process(&mut self, _: &ContainerRef, pid: u32) -> bool {
        pid == PROXY_PID
    }

    fn listens(&mut self, _: &ContainerRef, _: SocketAddr) -> bool {
        true
    }
}

/// An established connection with its two sockets.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    client: u64,
    server: u64,
    from: u64,
    to: u64,
    local: SocketAddr,
    remote: SocketAddr,
    server_local: SocketAddr,
    client_isn: u32,
    server_isn: u32,
    sent: u32,
    answered: u32,
}

pub struct World {
    tracer: Tracer<Cgroups>,
    judge: Judge,
    directives: Vec<Directive>,
    clock: u64,
    cookies: u64,
    isn: u32,
    pub judged: Vec<Judged>,
}

pub fn policy() -> CompiledPolicy {
    CompiledPolicy {
        name: name("hello", "policy"),
        targets: BTreeSet::from(["uid-backend".into()]),
        waypoint: BTreeSet::from([format!("id-{CADDY}")]),
        via: vec![name("hello", "hello-upstream")],
        entry: Some(BTreeSet::from([name("hello", "hello-gateway")])),
        exempt: Vec::<Exemption>::new(),
        window: Duration::from_secs(600),
    }
}

pub fn gateway_guards() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Appends(Appends::Envoy),
        method: Some(BTreeSet::new()),
        path: Some(BTreeSet::new()),
        authority: Some(BTreeSet::new()),
        end_to_end_headers: true,
        body: true,
        trace: true,
        own_addresses: BTreeSet::from(["10.244.1.100".parse().unwrap()]),
        ..Guards::default()
    }
}

pub fn waypoint_guards() -> Guards {
    Guards {
        forwarded_for: ForwardedFor::Replaces,
        method: Some(BTreeSet::new()),
        path: Some(BTreeSet::new()),
        authority: Some(BTreeSet::new()),
        body: true,
        ..Guards::default()
    }
}

pub fn watch_list(policy: CompiledPolicy, gateway: Guards, waypoint: Guards) -> WatchList {
    let listener = |name_: &str, port| Listener { gateway: name("hello", name_), port };
    WatchList {
        revision: 1,
        containers: [CLIENT, ENVOY, CADDY, BACKEND, SIDECAR].into_iter().map(|c| (format!("id-{c}"), container(c))).collect(),
        pods: BTreeMap::new(),
        proxies: BTreeMap::from([
            (format!("id-{ENVOY}"), Arc::new(ProxySpec { kind: ProxyKind::Gateway, guards: gateway })),
            (format!("id-{CADDY}"), Arc::new(ProxySpec { kind: ProxyKind::Waypoint, guards: waypoint })),
        ]),
        protected: policy.targets.clone(),
        listeners: BTreeMap::from([
            (ENTRY.parse().unwrap(), listener("hello-gateway", 80)),
            (UPSTREAM.parse().unwrap(), listener("hello-upstream", 8082)),
            (OTHER.parse().unwrap(), listener("other-gateway", 80)),
        ]),
        cluster_addresses: vec![("10.244.0.0".parse().unwrap(), 16), ("192.168.0.1".parse().unwrap(), 32)],
        policies: vec![Arc::new(policy)],
        findings: Vec::new(),
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(watch_list(policy(), gateway_guards(), waypoint_guards()))
    }
}

impl World {
    pub fn new(watch: WatchList) -> Self {
        let watch = Arc::new(watch);
        Self {
            tracer: Tracer::new(Cgroups, Arc::clone(&watch), Hasher::new((1, 2)), Limits::default()),
            judge: Judge::new(watch, judge::Limits::default()),
            directives: Vec::new(),
            clock: 1_000_000_000,
            cookies: 0,
            isn: 0xffff_ff00,
            judged: Vec::new(),
        }
    }

    fn record(&mut self, record: Record<'_>) {
        let mut evidence = Vec::new();
        self.tracer.record(record, &mut self.directives, &mut evidence);
        // The judge is told at once that nothing is missing, as after a drain.
        for evidence in evidence.into_iter().chain([Evidence::Tick { at: self.clock }]) {
            self.judge.apply(evidence, &mut self.judged);
        }
        self.clock += 10_000;
    }

    /// A drain, `ms` later.
    pub fn tick(&mut self, ms: u64) {
        self.tick_with(ms, Losses::default());
    }

    pub fn tick_with(&mut self, ms: u64, lost: Losses) {
        self.clock += ms * 1_000_000;
        let mut evidence = Vec::new();
        let drained = Drained { until_ns: self.clock, records: 0, bytes: 0, undecodable: 0, lost };
        self.tracer.drained(&drained, &mut evidence);
        for evidence in evidence {
            self.judge.apply(evidence, &mut self.judged);
        }
    }

    /// The proxy's own process dials.
    pub fn connect(&mut self, from: u64, local: &str, to: u64, remote: &str) -> Connection {
        self.connect_by(PROXY_PID, from, local, to, remote, remote)
    }

    /// `remote`: what the client dialled; `server_local`: what the server sees (after DNAT).
    pub fn connect_by(&mut self, pid: u32, from: u64, local: &str, to: u64, remote: &str, server_local: &str) -> Connection {
        self.cookies += 2;
        self.isn = self.isn.wrapping_add(100_003);
        let connection = Connection {
            client: self.cookies,
            server: self.cookies + 1,
            from,
            to,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            server_local: server_local.parse().unwrap(),
            client_isn: self.isn,
            server_isn: self.isn.wrapping_mul(31),
            sent: 0,
            answered: 0,
        };
        let ts = self.clock;
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"curl");
        self.record(Record::Created(Created {
            ts,
            cookie: connection.client,
            cgroup: from,
            tgid: pid,
            tid: pid,
            family: 2,
            sock_type: 1,
            protocol: 6,
            comm: Comm(comm),
        }));
        for side in [Side::Active, Side::Passive] {
            self.record(Record::Opened(connection.opened(ts, side)));
        }
        connection
    }

    /// Accepted from a socket that nobody here sees.
    pub fn accept_unseen(&mut self, peer: &str, to: u64, local: &str) -> Connection {
        let mut connection = self.connect_silently(peer, to, local);
        connection.from = 0;
        let ts = self.clock;
        self.record(Record::Opened(connection.opened(ts, Side::Passive)));
        connection
    }

    fn connect_silently(&mut self, local: &str, to: u64, remote: &str) -> Connection {
        self.cookies += 2;
        self.isn = self.isn.wrapping_add(100_003);
        Connection {
            client: self.cookies,
            server: self.cookies + 1,
            from: 0,
            to,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            server_local: remote.parse().unwrap(),
            client_isn: self.isn,
            server_isn: self.isn.wrapping_mul(31),
            sent: 0,
            answered: 0,
        }
    }

    /// A request: written, read and acknowledged.
    pub fn request(&mut self, connection: &mut Connection, text: &str) {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let seq = connection.client_isn.wrapping_add(1).wrapping_add(connection.sent);
        let ack = connection.server_isn.wrapping_add(1).wrapping_add(connection.answered);
        let len = u32::try_from(bytes.len()).unwrap();
        let ts = self.clock;
        if connection.from != 0 {
            self.record(Record::Data(connection.data(ts, Side::Active, Direction::Request, seq, ack, &bytes)));
        }
        self.record(Record::Data(connection.data(ts, Side::Passive, Direction::Request, seq, ack, &bytes)));
        connection.sent += len;
        self.record(Record::Note(Note {
            ts,
            cookie: connection.server,
            cgroup: connection.to,
            side: Side::Passive,
            passage: Passage::Out,
            tcp_flags: TcpFlags(0x10),
            seq: ack,
            ack: seq.wrapping_add(len),
            payload_len: 0,
            unclassified: false,
        }));
    }

    /// `200 OK` with a short body.
    pub fn respond(&mut self, connection: &mut Connection) {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let seq = connection.server_isn.wrapping_add(1).wrapping_add(connection.answered);
        let ack = connection.client_isn.wrapping_add(1).wrapping_add(connection.sent);
        let ts = self.clock;
        connection.answered += u32::try_from(text.len()).unwrap();
        self.record(Record::Data(connection.data(ts, Side::Passive, Direction::Response, seq, ack, text)));
    }

    pub fn close(&mut self, connection: &Connection) {
        self.closed(connection, 1);
    }

    /// As [`Self::close`], without a FIN: the kernel counts none.
    pub fn reset(&mut self, connection: &Connection) {
        self.closed(connection, 0);
    }

    fn closed(&mut self, connection: &Connection, fin: u64) {
        for side in [Side::Active, Side::Passive] {
            let ts = self.clock;
            let (cookie, cgroup) = match side {
                Side::Active => (connection.client, connection.from),
                Side::Passive => (connection.server, connection.to),
            };
            let sent = u64::from(connection.sent);
            self.record(Record::Closed(Closed {
                ts,
                cookie,
                cgroup,
                side,
                bytes_received: sent + fin,
                bytes_acked: sent + 1 + fin,
                snd_nxt: 0,
                rcv_nxt: 0,
                old_state: 9,
            }));
        }
    }

    pub fn tally(&self) -> &Tally {
        self.judge.tallies().next().unwrap().1
    }

    /// The newest verdict of each arrival, with whether it is final, in words.
    pub fn verdicts(&self) -> Vec<String> {
        let mut latest: BTreeMap<_, String> = BTreeMap::new();
        for judged in &self.judged {
            let state = if judged.is_final { "" } else { " (provisional)" };
            latest.insert(judged.key, format!("{}{state}", judged.verdict));
        }
        latest.into_values().collect()
    }
}

impl Connection {
    fn opened(&self, ts: u64, side: Side) -> Opened {
        let (cookie, cgroup, local, remote) = match side {
            Side::Active => (self.client, self.from, self.local, self.remote),
            Side::Passive => (self.server, self.to, self.server_local, self.local),
        };
        Opened { ts, cookie, cgroup, side, local, remote, client_isn: self.client_isn, server_isn: self.server_isn, mptcp: false }
    }

    fn data<'a>(&self, ts: u64, side: Side, direction: Direction, seq: u32, ack: u32, bytes: &'a [u8]) -> Data<'a> {
        let (cookie, cgroup) = match side {
            Side::Active => (self.client, self.from),
            Side::Passive => (self.server, self.to),
        };
        Data {
            ts,
            cookie,
            cgroup,
            direction,
            side,
            seq,
            ack,
            rcv_nxt: None,
            payload_len: u32::try_from(bytes.len()).unwrap(),
            skipped: 0,
            bytes,
            tcp_flags: TcpFlags(0x18),
            local: self.local,
            remote: self.remote,
            listener_owned: false,
            truncated: false,
            copy_failed: false,
            unclassified: false,
            over_budget: false,
        }
    }
}
