//! Records of requests on the whole path (client, gateway, waypoint, gateway, target), as the probes give them in ring order.

use std::ops::Range;
use std::sync::Arc;

use waypoint_verify::evidence::Evidence;
use waypoint_verify::link::Hasher;
use waypoint_verify::probe::{Comm, Created, Data, Direction, Drained, Note, Opened, Passage, Record, Side, TcpFlags};
use waypoint_verify::trace::{Directive, Limits, Tracer};

#[path = "../../tests/pipeline/world/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests' cluster: only what it consists of is wanted here")]
pub mod world;

use world::{BACKEND, CADDY, CLIENT, ENTRY, ENVOY, TARGET, UPSTREAM, WAYPOINT};

/// Connections of each hop: so many requests are on the way at once.
const FLOWS: u32 = 8;
/// Requests between two drains, at some 50,000 a second.
const PER_DRAIN: u32 = 96;
const PROXY_PID: u32 = 100;

enum Step {
    /// Its bytes are elsewhere.
    Data(Data<'static>, Range<usize>),
    Other(Record<'static>),
    Drained(Drained),
}

#[derive(Clone)]
struct Hop {
    from: u64,
    to: u64,
    local: String,
    remote: &'static str,
    client_isn: u32,
    server_isn: u32,
    sent: u32,
    answered: u32,
}

/// What the probes give, made beforehand: only following it is measured.
pub struct Path {
    steps: Vec<Step>,
    texts: Vec<u8>,
    /// Of each flow: client to gateway, gateway to waypoint, waypoint to gateway, gateway to target.
    hops: Vec<[Hop; 4]>,
    clock: u64,
    number: u32,
}

impl Path {
    /// Everything is connected, and then so many drains' worth of requests come.
    pub fn new(drains: u32) -> Self {
        let hops = (0..FLOWS).map(|flow| {
            let hop = |at: u32, from, to, local: &str, remote| Hop {
                from,
                to,
                local: format!("{local}:{}", 40_000 + flow),
                remote,
                client_isn: (flow * 4 + at) * 1_000_000,
                server_isn: (flow * 4 + at) * 1_000_000 + 500_000_000,
                sent: 0,
                answered: 0,
            };
            [
                hop(0, CLIENT, ENVOY, "10.244.1.2", ENTRY),
                hop(1, ENVOY, CADDY, "10.244.1.100", WAYPOINT),
                hop(2, CADDY, ENVOY, "10.244.1.3", UPSTREAM),
                hop(3, ENVOY, BACKEND, "10.244.1.100", TARGET),
            ]
        });
        let mut path =
            Self { steps: Vec::new(), texts: Vec::new(), hops: hops.collect(), clock: 1_000_000_000, number: 0 };
        for hop in path.hops.clone().iter().flatten() {
            path.steps.push(Step::Other(Record::Created(Created {
                ts: 1_000_000_000,
                cookie: hop.cookie(Side::Active),
                cgroup: hop.from,
                tgid: PROXY_PID,
                tid: PROXY_PID,
                family: 2,
                sock_type: 1,
                protocol: 6,
                comm: Comm(*b"proxy\0\0\0\0\0\0\0\0\0\0\0"),
            })));
            for side in [Side::Active, Side::Passive] {
                let opened = hop.opened(path.clock, side);
                path.steps.push(Step::Other(Record::Opened(opened)));
            }
        }
        (0..drains).for_each(|_| path.drain());
        // Until all exchanges are over for certain.
        (0..20).for_each(|_| path.idle());
        path
    }

    pub fn tracer() -> Tracer<world::Cgroups> {
        let watch = world::watch_list(world::policy(), world::gateway_guards(), world::waypoint_guards());
        Tracer::new(world::Cgroups, Arc::new(watch), Hasher::new((1, 2)), Limits::default())
    }

    pub fn requests(&self) -> u64 {
        u64::from(self.number)
    }

    /// Gives everything to a tracer; `on` gets the evidence of each drain.
    pub fn play(&self, tracer: &mut Tracer<world::Cgroups>, mut on: impl FnMut(&mut Vec<Evidence>)) {
        let (mut directives, mut out) = (Vec::<Directive>::new(), Vec::new());
        for step in &self.steps {
            match step {
                Step::Data(data, text) => {
                    let data = Data { bytes: &self.texts[text.clone()], ..*data };
                    tracer.record(Record::Data(data), &mut directives, &mut out);
                }
                Step::Other(record) => tracer.record(*record, &mut directives, &mut out),
                Step::Drained(drained) => {
                    tracer.drained(drained, &mut out);
                    directives.clear();
                    on(&mut out);
                    out.clear();
                }
            }
        }
    }

    fn data(&mut self, data: Data<'_>) {
        let start = self.texts.len();
        self.texts.extend_from_slice(data.bytes);
        self.steps.push(Step::Data(Data { bytes: &[], header: &[], ..data }, start..self.texts.len()));
    }

    fn drain(&mut self) {
        for _ in 0..PER_DRAIN / FLOWS {
            // All flows are at the same hop at the same time.
            for at in 0..4 {
                for flow in 0..FLOWS as usize {
                    self.request(flow, at);
                }
            }
            for at in (0..3).rev() {
                for flow in 0..FLOWS as usize {
                    self.respond(flow, at);
                }
            }
            self.number += FLOWS;
        }
        self.idle();
    }

    /// A drain that brings nothing.
    fn idle(&mut self) {
        self.clock += 2_000_000;
        let drained = Drained { until_ns: self.clock, ..Drained::default() };
        self.steps.push(Step::Drained(drained));
    }

    fn request(&mut self, flow: usize, at: usize) {
        let number = self.number + u32::try_from(flow).unwrap_or(0);
        let forwarded = [
            "",
            "x-forwarded-for: 10.244.1.2\r\n",
            "x-forwarded-for: 10.244.1.100\r\n",
            "x-forwarded-for: 10.244.1.100,10.244.1.3\r\n",
        ][at];
        let text = format!(
            "GET /orders/{number} HTTP/1.1\r\nhost: hello.example.com\r\nuser-agent: curl/8.5.0\r\naccept: */*\r\n\
             traceparent: 00-0af7651916cd43dd8448eb21{:08x}-b7ad6b7169203331-01\r\n{forwarded}\r\n",
            number + 1
        );
        let ts = self.clock;
        let hop = self.hops[flow][at].clone();
        let len = u32::try_from(text.len()).unwrap_or(0);
        let seq = hop.client_isn.wrapping_add(1).wrapping_add(hop.sent);
        let ack = hop.server_isn.wrapping_add(1).wrapping_add(hop.answered);
        let data = |side| hop.data(ts, side, Direction::Request, seq, ack, text.as_bytes());
        if at > 0 {
            self.data(data(Side::Active));
        }
        self.data(data(Side::Passive));
        self.hops[flow][at].sent = hop.sent.wrapping_add(len);
        if at == 3 {
            // The target's answer acknowledges it; the other hops' answers are reported themselves.
            self.steps.push(Step::Other(Record::Note(Note {
                ts,
                cookie: hop.cookie(Side::Passive),
                cgroup: hop.to,
                side: Side::Passive,
                passage: Passage::Out,
                tcp_flags: TcpFlags(0x18),
                seq: ack,
                ack: seq.wrapping_add(len),
                payload_len: 0,
                unclassified: false,
            })));
        }
        self.clock += 300;
    }

    fn respond(&mut self, flow: usize, at: usize) {
        let text = b"HTTP/1.1 200 OK\r\nserver: Caddy\r\ncontent-length: 2\r\n\r\nok";
        let hop = self.hops[flow][at].clone();
        let seq = hop.server_isn.wrapping_add(1).wrapping_add(hop.answered);
        let ack = hop.client_isn.wrapping_add(1).wrapping_add(hop.sent);
        self.data(hop.data(self.clock, Side::Passive, Direction::Response, seq, ack, text));
        self.hops[flow][at].answered = hop.answered.wrapping_add(u32::try_from(text.len()).unwrap_or(0));
        self.clock += 300;
    }
}

impl Hop {
    fn cookie(&self, side: Side) -> u64 {
        u64::from(self.client_isn) * 2 + u64::from(side == Side::Passive) + 1
    }

    fn end(&self, side: Side) -> (u64, std::net::SocketAddr, std::net::SocketAddr) {
        let (local, remote) = (self.local.parse().expect("an address"), self.remote.parse().expect("an address"));
        match side {
            Side::Active => (self.from, local, remote),
            Side::Passive => (self.to, remote, local),
        }
    }

    fn opened(&self, ts: u64, side: Side) -> Opened {
        let (cgroup, local, remote) = self.end(side);
        let (client_isn, server_isn) = (self.client_isn, self.server_isn);
        Opened {
            ts,
            cookie: self.cookie(side),
            cgroup,
            side,
            local,
            remote,
            client_isn,
            server_isn,
            tsval: None,
            mptcp: false,
        }
    }

    fn data<'a>(&self, ts: u64, side: Side, direction: Direction, seq: u32, ack: u32, bytes: &'a [u8]) -> Data<'a> {
        let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        Data {
            ts,
            cookie: self.cookie(side),
            cgroup: if side == Side::Active { self.from } else { self.to },
            direction,
            side,
            seq,
            ack,
            rcv_nxt: None,
            payload_len: u32::try_from(bytes.len()).unwrap_or(0),
            skipped: 0,
            bytes,
            header: &[],
            tcp_flags: TcpFlags(0x18),
            local: any,
            remote: any,
            listener_owned: false,
            truncated: false,
            copy_failed: false,
            unclassified: false,
            over_budget: false,
        }
    }
}
