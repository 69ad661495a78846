//! Probes and tracer of one machine: records in, evidence out. What `run`, `gate` and an agent share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustc_hash::FxHashMap;

use super::older::Remaining;
use super::scan::Scans;
use crate::evidence::Evidence;
use crate::host::{Host, Older};
use crate::link::Hasher;
use crate::model::{OlderConnections, WatchList};
use crate::probe::{self, Direction, Flags, Kind, Probe, Record, Totals};
use crate::trace::{self, Directive, Tracer, Wanted};
use crate::wire;

/// How long to wait for records: while exchanges that are over still have to pay, and otherwise.
const PENDING: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_millis(100);

/// Probes and tracer of this machine.
#[derive(Debug)]
pub struct Observer {
    probe: Probe,
    tracer: Tracer<Host>,
    evidence: Vec<Evidence>,
    directives: Vec<Directive>,
    unreadable: u64,
    ring_octets: u64,
    scans: Scans,
    /// Connections that were there before the probes were attached, or opened just then; until the first step.
    older: Vec<Older>,
    /// ... of these, and of those that were found by what comes over them, what is still open.
    remaining: Remaining,
    /// Nodes of the inventory of which no pod was found on this machine.
    pub uncovered: Vec<String>,
}

impl Observer {
    /// Attaches the probes; nothing stays attached on an error. `digest_key`: shared by all who testify of one connection.
    pub fn start(
        watch: Arc<WatchList>,
        config: probe::Config,
        mut limits: trace::Limits,
        digest_key: [u8; 16],
    ) -> anyhow::Result<Self> {
        let key: [u8; 16] = super::random_key()?;
        let half = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| key[at + i]));
        limits.wire = Arc::new(wire::Settings { digest_key, ..(*limits.wire).clone() });

        let host = Host::new(&config.cgroup_root, Arc::clone(&watch))
            .with_context(|| format!("reading the cgroups below {} (--cgroup-root)", config.cgroup_root.display()))?;
        let containers = host.container_cgroups();
        let uncovered = host.uncovered_nodes();
        let mut tracer = Tracer::new(host, watch, Hasher::new((half(0), half(8))), limits);
        let mut directives = Vec::new();
        let mut probe = Probe::start(config)?;
        for cgroup in containers {
            tracer.classify(cgroup, &mut directives);
        }
        direct(&mut probe, &mut directives)?;
        // After the probes were attached: what is opened from here on is in a record too.
        let mut older = tracer.machine().accepted();
        older.retain(|older| older.brings);
        Ok(Self {
            probe,
            tracer,
            evidence: Vec::new(),
            directives,
            unreadable: 0,
            ring_octets: 0,
            scans: Scans::default(),
            older,
            remaining: Remaining::new(),
            uncovered,
        })
    }

    /// Until there is something to read, or a tenth of a second; sooner while time alone can tell something, here or (`soon`)
    /// for who reads it.
    pub async fn readable(&mut self, soon: bool) -> anyhow::Result<()> {
        let at_most = if soon || self.tracer.pending() { PENDING } else { IDLE };
        Ok(self.probe.readable(at_most).await?)
    }

    /// Reads everything that was observed so far; the evidence ends with a tick.
    pub fn step(&mut self, mut out: impl FnMut(Evidence)) -> anyhow::Result<()> {
        let (tracer, directives) = (&mut self.tracer, &mut self.directives);
        let evidence = &mut self.evidence;
        // Evidence is handed on at once: that of a whole drain may be large.
        let older = std::mem::take(&mut self.older);
        let remaining = &mut self.remaining;
        let mut opened = HashSet::new();
        let mut drained = self.probe.drain(|record: Record<'_>| {
            if let Record::Opened(new) = &record {
                if !older.is_empty() {
                    opened.insert((new.local, new.remote));
                }
                if !remaining.is_empty() {
                    remaining.opened(new.local, new.remote);
                }
            }
            tracer.record(record, directives, evidence);
            evidence.drain(..).for_each(&mut out);
        })?;
        self.ring_octets += drained.bytes;
        for Older { container, local, remote, .. } in older {
            if !opened.contains(&(local, remote)) {
                self.tracer.older(&container, local, remote, drained.until_ns, &mut self.evidence);
            }
        }
        for predating in self.tracer.take_predating() {
            self.remaining.add(predating);
        }
        self.remaining.look(|| self.tracer.machine().accepted());
        for (container, stream) in self.remaining.take_closed() {
            self.tracer.older_closed(&container, stream, drained.until_ns);
        }
        self.scans.run(&mut self.probe, &mut self.tracer, drained.until_ns, &mut self.evidence)?;
        // Sockets that went unseen are a loss like any other, and anybody's.
        let unreadable = self.probe.totals()?.no_storage;
        drained.lost[Kind::Data].records += unreadable - self.unreadable;
        self.unreadable = unreadable;
        self.tracer.drained(&drained, &mut self.evidence);
        direct(&mut self.probe, &mut self.directives)?;
        self.evidence.drain(..).for_each(out);
        Ok(())
    }

    /// Connections that are open, for whoever has not heard when they were opened.
    pub fn open(&self, out: impl FnMut(Evidence)) {
        self.tracer.open().for_each(out);
    }

    /// Connections that are older than the probes, and still open.
    pub fn older(&self) -> OlderConnections {
        self.remaining.told()
    }

    /// A newer watch list in which nothing that was known has another role: what is new is watched from here on.
    pub fn extend(&mut self, watch: &Arc<WatchList>) -> anyhow::Result<()> {
        self.tracer.extend(watch);
        let host = self.tracer.machine();
        host.set_watch(Arc::clone(watch));
        for cgroup in host.container_cgroups() {
            self.tracer.classify(cgroup, &mut self.directives);
        }
        direct(&mut self.probe, &mut self.directives)
    }

    /// Ways past the probes that were found on this machine, and checks that could not be made.
    pub fn findings(&self) -> impl Iterator<Item = String> {
        let others = self.tracer.counters().other_protocols.iter();
        let others = others.map(|(what, sockets)| format!("not TCP: {what} ({sockets} sockets or connections)"));
        self.scans.findings().cloned().chain(others)
    }

    /// Those of the machine that nobody was told yet.
    pub fn take_new_findings(&mut self) -> Vec<String> {
        self.scans.take_new()
    }

    /// Something seen is not final yet.
    pub fn unsettled(&self) -> bool {
        self.tracer.unsettled()
    }

    pub fn counters(&self) -> &trace::Counters {
        self.tracer.counters()
    }

    pub fn totals(&self) -> anyhow::Result<Totals> {
        Ok(self.probe.totals()?)
    }

    /// Octets that crossed the ring, record headers included.
    pub fn ring_octets(&self) -> u64 {
        self.ring_octets
    }

    pub fn probe(&mut self) -> &mut Probe {
        &mut self.probe
    }
}

fn direct(probe: &mut Probe, directives: &mut Vec<Directive>) -> anyhow::Result<()> {
    let mut owners = Vec::new();
    // Of one stream the last one holds.
    let mut grants: FxHashMap<(u64, Direction), u32> = FxHashMap::default();
    for directive in directives.drain(..) {
        match directive {
            Directive::Watch { cgroup, wanted } => owners.push((cgroup, flags(wanted))),
            Directive::Grant { cookie, direction, until } => {
                grants.insert((cookie, direction), until);
            }
        }
    }
    for ((cookie, direction), until) in grants {
        probe.grant(cookie, direction, until)?;
    }
    if !owners.is_empty() {
        probe.set_owners(owners)?;
    }
    Ok(())
}

fn flags(wanted: Wanted) -> Flags {
    let mut flags = Flags::NONE;
    for (want, flag) in
        [(wanted.entries, Flags::ENTRIES), (wanted.departures, Flags::DEPARTURES), (wanted.responses, Flags::RESPONSES)]
    {
        if want {
            flags |= flag;
        }
    }
    flags
}
