//! A small cluster whose sockets are played by hand: what the probes would record of them, in ring order.

mod cluster;
mod connection;
mod ends;
pub mod http2;
mod path;

use std::collections::BTreeMap;
use std::sync::Arc;

use waypoint_verify::evidence::Evidence;
use waypoint_verify::judge::{self, Judge, Judged, Tally};
use waypoint_verify::link::Hasher;
use waypoint_verify::model::WatchList;
use waypoint_verify::probe::{
    Comm, Created, Direction, Drained, Kind, Losses, LostOf, Note, Passage, Record, Side, TcpFlags,
};
use waypoint_verify::recording::{
    Begin, Command, Digest, End, Observed, Redactor, Role, Source, Writer, for_the_judge,
};
use waypoint_verify::report::Summary;
use waypoint_verify::trace::{Counters, Directive, Limits, Tracer};

pub use cluster::*;
pub use connection::Connection;
pub use path::{CLIENT_IP, INGRESS_IP, Path, WAYPOINT_IP, texts};

pub const FIN: u8 = 0x01;
pub const RST: u8 = 0x04;
const ACK: u8 = 0x10;

pub struct World {
    tracer: Tracer<Cgroups>,
    watch: Arc<WatchList>,
    judge: Judge,
    directives: Vec<Directive>,
    clock: u64,
    cookies: u64,
    isn: u32,
    /// Whether the judge hears after every record that nothing is missing, as after a drain.
    pub ticking: bool,
    /// Everything that the judge was told.
    pub testified: Vec<Evidence>,
    pub judged: Vec<Judged>,
}

impl Default for World {
    fn default() -> Self {
        Self::new(watch_list(policy(), gateway_guards(), waypoint_guards()))
    }
}

impl World {
    pub fn new(watch: WatchList) -> Self {
        Self::bounded(watch, Limits::default(), judge::Limits::default())
    }

    pub fn bounded(watch: WatchList, trace: Limits, judge: judge::Limits) -> Self {
        let mut world = Self::unstarted(watch, trace, judge);
        world.tick(0);
        world.clock += 1_000_000;
        world.ticking = true;
        world
    }

    pub fn before_the_first_tick() -> Self {
        Self::unstarted(
            watch_list(policy(), gateway_guards(), waypoint_guards()),
            Limits::default(),
            judge::Limits::default(),
        )
    }

    fn unstarted(watch: WatchList, trace: Limits, judge: judge::Limits) -> Self {
        let watch = Arc::new(watch);
        Self {
            tracer: Tracer::new(Cgroups, Arc::clone(&watch), Hasher::new((1, 2)), trace),
            judge: Judge::new(Arc::clone(&watch), judge),
            watch,
            directives: Vec::new(),
            clock: 1_000_000_000,
            cookies: 0,
            isn: 0xffff_ff00,
            ticking: false,
            testified: Vec::new(),
            judged: Vec::new(),
        }
    }

    /// What is told to the tracer beside the records.
    pub fn beside(&mut self, tell: impl FnOnce(&mut Tracer<Cgroups>, &mut Vec<Evidence>)) {
        let mut evidence = Vec::new();
        tell(&mut self.tracer, &mut evidence);
        self.testify(evidence);
    }

    fn testify(&mut self, evidence: Vec<Evidence>) {
        for evidence in evidence {
            self.testified.push(evidence.clone());
            self.judge.apply(evidence, &mut self.judged);
        }
    }

    pub fn record(&mut self, record: Record<'_>) {
        let mut evidence = Vec::new();
        self.tracer.record(record, &mut self.directives, &mut evidence);
        evidence.extend(self.ticking.then_some(Evidence::Tick { at: self.clock }));
        self.testify(evidence);
        self.clock += 10_000;
    }

    /// A drain, `ms` later.
    pub fn tick(&mut self, ms: u64) {
        self.tick_with(ms, Drained::default());
    }

    /// A drain that tells of a lost record.
    pub fn lose(&mut self, kind: Kind) {
        let mut lost = Losses::default();
        lost[kind].records = 1;
        self.tick_with(1, Drained { lost, ..Drained::default() });
    }

    /// ... that was of this cgroup.
    pub fn lose_of(&mut self, cgroup: u64, kind: Kind) {
        let mut lost = Losses::default();
        lost[kind].records = 1;
        self.tick_with(1, Drained { lost_of: vec![LostOf { cgroup, lost, refused: 1 }], ..Drained::default() });
    }

    fn tick_with(&mut self, ms: u64, drained: Drained) {
        self.clock += ms * 1_000_000;
        let mut evidence = Vec::new();
        let drained = Drained { until_ns: self.clock, ..drained };
        self.tracer.drained(&drained, &mut evidence);
        self.testify(evidence);
    }

    /// The proxy's own process dials.
    pub fn connect(&mut self, from: u64, local: &str, to: u64, remote: &str) -> Connection {
        self.connect_by(PROXY_PID, from, local, to, remote, remote)
    }

    /// `remote`: what the client dialled; `server_local`: what the server sees (after DNAT).
    pub fn connect_by(
        &mut self,
        pid: u32,
        from: u64,
        local: &str,
        to: u64,
        remote: &str,
        server_local: &str,
    ) -> Connection {
        let connection = self.plan(from, local, to, remote, server_local);
        self.create(&connection, pid);
        self.open(&connection, Side::Active);
        self.open(&connection, Side::Passive);
        connection
    }

    /// Accepted from a socket that nobody here sees.
    pub fn accept_unseen(&mut self, peer: &str, to: u64, local: &str) -> Connection {
        let connection = self.plan(0, peer, to, local, local);
        self.open(&connection, Side::Passive);
        connection
    }

    /// A connection of which nothing was recorded yet. `from` 0: the dialling end is never seen.
    pub fn plan(&mut self, from: u64, local: &str, to: u64, remote: &str, server_local: &str) -> Connection {
        self.cookies += 2;
        self.isn = self.isn.wrapping_add(100_003);
        Connection {
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
        }
    }

    pub fn create(&mut self, connection: &Connection, pid: u32) {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"curl");
        self.record(Record::Created(Created {
            ts: self.clock,
            cookie: connection.client,
            cgroup: connection.from,
            tgid: pid,
            tid: pid,
            family: 2,
            sock_type: 1,
            protocol: 6,
            comm: Comm(comm),
        }));
    }

    pub fn open(&mut self, connection: &Connection, side: Side) {
        self.record(Record::Opened(connection.opened(self.clock, side)));
    }

    /// A request: written, read and acknowledged.
    pub fn request(&mut self, connection: &mut Connection, text: &str) {
        self.write(connection, &text.replace('\n', "\r\n").into_bytes());
    }

    /// Octets of the request direction: written, read and acknowledged.
    pub fn write(&mut self, connection: &mut Connection, bytes: &[u8]) {
        if connection.from != 0 {
            self.data(connection, Side::Active, connection.sent, bytes, 0);
        }
        self.data(connection, Side::Passive, connection.sent, bytes, 0);
        connection.sent += u32::try_from(bytes.len()).unwrap();
        self.acknowledge(connection, connection.sent);
    }

    /// Octets in request direction at one of the two sockets, `offset` into the stream.
    pub fn data(&mut self, connection: &Connection, side: Side, offset: u32, bytes: &[u8], flags: u8) {
        let seq = connection.client_isn.wrapping_add(1).wrapping_add(offset);
        let ack = connection.server_isn.wrapping_add(1).wrapping_add(connection.answered);
        let mut data = connection.data(self.clock, side, Direction::Request, seq, ack, bytes);
        data.tcp_flags = TcpFlags(0x18 | flags);
        self.record(Record::Data(data));
    }

    /// The accepting kernel acknowledges everything before `offset`.
    pub fn acknowledge(&mut self, connection: &Connection, offset: u32) {
        let ack = connection.client_isn.wrapping_add(1).wrapping_add(offset);
        self.note(connection, Side::Passive, Passage::Out, (connection.server_isn.wrapping_add(1), ack), ACK);
    }

    /// A packet without payload that says that the client is done, as its own kernel and the server's see it.
    pub fn finish(&mut self, connection: &Connection, offset: u32, flag: u8) {
        let seq = connection.client_isn.wrapping_add(1).wrapping_add(offset);
        if connection.from != 0 {
            self.note(connection, Side::Active, Passage::Out, (seq, 0), ACK | flag);
        }
        self.note(connection, Side::Passive, Passage::In, (seq, 0), ACK | flag);
    }

    fn note(&mut self, connection: &Connection, side: Side, passage: Passage, (seq, ack): (u32, u32), flags: u8) {
        let (cookie, cgroup) = connection.socket(side);
        self.record(Record::Note(Note {
            ts: self.clock,
            cookie,
            cgroup,
            side,
            passage,
            tcp_flags: TcpFlags(flags),
            seq,
            ack,
            payload_len: 0,
            unclassified: false,
        }));
    }

    /// `200 OK` with a short body.
    pub fn respond(&mut self, connection: &mut Connection) {
        self.respond_with(connection, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }

    /// What the accepting end writes next.
    pub fn respond_with(&mut self, connection: &mut Connection, text: &[u8]) {
        let seq = connection.server_isn.wrapping_add(1).wrapping_add(connection.answered);
        let ack = connection.client_isn.wrapping_add(1).wrapping_add(connection.sent);
        connection.answered += u32::try_from(text.len()).unwrap();
        self.record(Record::Data(connection.data(self.clock, Side::Passive, Direction::Response, seq, ack, text)));
    }

    /// What was granted last at the end that accepted.
    pub fn granted(&self, connection: &Connection, wanted: Direction) -> Option<u32> {
        let (accepted, _) = connection.socket(Side::Passive);
        self.directives.iter().rev().find_map(|directive| match directive {
            Directive::Grant { cookie, direction, until } if (*cookie, *direction) == (accepted, wanted) => {
                Some(*until)
            }
            _ => None,
        })
    }

    pub fn counters(&self) -> &Counters {
        self.tracer.counters()
    }

    pub fn tally(&self) -> &Tally {
        self.judge.tallies().next().unwrap().1
    }

    pub fn unsettled(&self) -> bool {
        self.tracer.unsettled() || self.judge.unsettled()
    }

    /// A judge like this world's, which was told nothing yet.
    pub fn another_judge(&self) -> Judge {
        Judge::new(Arc::clone(&self.watch), judge::Limits::default())
    }

    /// What `gate --record` would have written of it.
    pub fn recording(&self, redactor: &Redactor, min_verified: u64, uncovered_nodes: Vec<String>) -> Vec<u8> {
        let limits = judge::Limits::default();
        let sources = vec![Source { role: Role::Policy, name: "policy.yaml".into(), sha256: Digest([1; 32]) }];
        let begin = Begin {
            program: env!("CARGO_PKG_VERSION").into(),
            command: Command::Gate,
            began: 1_700_000_000,
            min_verified,
            limits: (limits.messages, limits.connections),
            uncovered_nodes: uncovered_nodes.clone(),
            redacted: false,
            sources,
            watch: for_the_judge(&self.watch),
        };
        let mut writer = Writer::begin(Vec::new(), &begin).unwrap();
        self.testified.iter().for_each(|evidence| writer.evidence(&redactor.evidence(evidence)).unwrap());
        let counters = self.counters().clone();
        let observed = Observed { counters, uncovered_nodes, ..Observed::default() };
        let mut summary = Summary::replayed(&self.judge, observed);
        summary.decide(min_verified);
        writer.end(&End::of(&summary, 1_700_000_060)).unwrap().0
    }

    /// The newest verdict of each arrival, with whether it is final, in words.
    pub fn verdicts(&self) -> Vec<String> {
        words(&self.judged).into_values().map(|(words, _)| words).collect()
    }
}

/// The newest verdict of each arrival under each policy, and its path.
pub fn words(judged: &[Judged]) -> BTreeMap<(String, waypoint_verify::model::MessageKey), (String, String)> {
    let of = |judged: &Judged| {
        let state = if judged.is_final { "" } else { " (provisional)" };
        let path = judged.explanation.as_ref().map_or_else(String::new, |explanation| explanation.request.path.clone());
        ((judged.policy.to_string(), judged.key), (format!("{}{state}", judged.verdict), path))
    };
    judged.iter().map(of).collect()
}
