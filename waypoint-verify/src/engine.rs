//! One machine, from probe to verdict: what `run` and `gate` share.

mod scan;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use rustc_hash::FxHashMap;

use crate::evidence::Evidence;
use crate::host::{Host, Older};
use crate::inventory::{Inventory, compile};
use crate::judge::{self, Judge, Judged};
use crate::link::Hasher;
use crate::manifest::{Problem, Problems};
use crate::model::WatchList;
use crate::policy::read_policies;
use crate::probe::{self, Direction, Flags, Kind, Probe, Record, Totals};
use crate::trace::{self, Directive, Tracer, Wanted};
use crate::wire;
use scan::Scans;

/// Reads policies and inventory from files and compiles them; every problem of all files at once.
pub fn load(policies: &[PathBuf], inventory: &[PathBuf]) -> Result<WatchList, Problems> {
    let (loaded, others, mut problems) = read_policies(policies);
    let (objects, more) = crate::manifest::read_paths(inventory);
    problems.extend(more);
    let (inventory, more) = Inventory::from_objects(others.into_iter().chain(objects));
    problems.extend(more);
    if loaded.is_empty() && !problems.iter().any(Problem::is_error) {
        problems
            .push(Problem::error("no WaypointPolicy in the files given", "name a file that holds one with --policy"));
    }
    let compiled = compile(&loaded, &inventory);
    problems.retain(Problem::is_error);
    match compiled {
        Ok(watch) if problems.is_empty() => Ok(watch),
        Ok(_) => Err(Problems(problems)),
        Err(more) => {
            problems.extend(more);
            problems.sort();
            problems.dedup();
            Err(Problems(problems))
        }
    }
}

/// How long to wait for records: while exchanges that are over still have to pay, and otherwise.
const PENDING: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_millis(100);

/// What an engine is given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub probe: probe::Config,
    pub trace: trace::Limits,
    pub judge: judge::Limits,
}

/// Probes, tracer and judge of this machine.
#[derive(Debug)]
pub struct Engine {
    probe: Probe,
    tracer: Tracer<Host>,
    judge: Judge,
    evidence: Vec<Evidence>,
    directives: Vec<Directive>,
    latency: Histogram<u64>,
    unreadable: u64,
    ring_octets: u64,
    scans: Scans,
    /// Connections that were there before the probes were attached, or opened just then; until the first step.
    older: Vec<Older>,
    /// Nodes of the inventory of which no pod was found on this machine.
    pub uncovered: Vec<String>,
}

/// Percentiles of the time from the end of an arrival's head to its first verdict, in ms.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Engine {
    /// Attaches the probes; nothing stays attached on an error.
    pub fn start(watch: WatchList, mut options: Options) -> anyhow::Result<Self> {
        let watch = Arc::new(watch);
        let key = random_key().context("reading a random key from /dev/urandom")?;
        let half = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| key[at + i]));
        let settings =
            wire::Settings { digest_key: std::array::from_fn(|i| key[16 + i]), ..(*options.trace.wire).clone() };
        options.trace.wire = Arc::new(settings);

        let host = Host::new(&options.probe.cgroup_root, Arc::clone(&watch)).with_context(|| {
            format!("reading the cgroups below {} (--cgroup-root)", options.probe.cgroup_root.display())
        })?;
        let containers = host.container_cgroups();
        let uncovered = host.uncovered_nodes();
        let mut tracer = Tracer::new(host, Arc::clone(&watch), Hasher::new((half(0), half(8))), options.trace);
        let mut directives = Vec::new();
        let mut probe = Probe::start(options.probe)?;
        for cgroup in containers {
            tracer.classify(cgroup, &mut directives);
        }
        direct(&mut probe, &mut directives)?;
        // After the probes were attached: what is opened from here on is in a record too.
        let older = tracer.machine().accepted();
        let mut judge = Judge::new(watch, options.judge);
        judge.set_coverage(uncovered.is_empty());
        Ok(Self {
            probe,
            tracer,
            judge,
            evidence: Vec::new(),
            directives,
            latency: Histogram::new_with_bounds(1, 3_600_000_000, 3).context("making a histogram")?,
            unreadable: 0,
            ring_octets: 0,
            scans: Scans::default(),
            older,
            uncovered,
        })
    }

    /// Until there is something to read, or a tenth of a second; sooner while time alone can make a verdict final.
    pub async fn readable(&mut self) -> anyhow::Result<()> {
        let at_most = if self.tracer.pending() || self.judge.unsettled() { PENDING } else { IDLE };
        Ok(self.probe.readable(at_most).await?)
    }

    /// Reads everything that was observed so far and judges it.
    pub fn step(&mut self, out: &mut Vec<Judged>) -> anyhow::Result<()> {
        let first = out.len();
        let (tracer, directives) = (&mut self.tracer, &mut self.directives);
        let (judge, evidence) = (&mut self.judge, &mut self.evidence);
        // Evidence is handed on at once: that of a whole drain may be large.
        let older = std::mem::take(&mut self.older);
        let mut opened = HashSet::new();
        let mut drained = self.probe.drain(|record: Record<'_>| {
            if let (false, Record::Opened(new)) = (older.is_empty(), &record) {
                opened.insert((new.local, new.remote));
            }
            tracer.record(record, directives, evidence);
            evidence.drain(..).for_each(|evidence| judge.apply(evidence, out));
        })?;
        self.ring_octets += drained.bytes;
        for Older { container, local, remote } in older {
            if !opened.contains(&(local, remote)) {
                self.tracer.older(&container, local, remote, drained.until_ns, &mut self.evidence);
            }
        }
        self.scans.run(&mut self.probe, &mut self.tracer, drained.until_ns, &mut self.evidence)?;
        // Sockets that went unseen are a loss like any other, and anybody's.
        let unreadable = self.unreadable_packets()?;
        drained.lost[Kind::Data].records += unreadable - self.unreadable;
        self.unreadable = unreadable;
        self.tracer.drained(&drained, &mut self.evidence);
        direct(&mut self.probe, &mut self.directives)?;
        for evidence in self.evidence.drain(..) {
            self.judge.apply(evidence, out);
        }
        // Not `until_ns`: the judging itself took time, too.
        let now = probe::boot_ns()?;
        for judged in &out[first..] {
            if judged.is_first && judged.arrived > 0 {
                let micros = now.saturating_sub(judged.arrived) / 1000;
                self.latency.saturating_record(micros.max(1));
            }
        }
        Ok(())
    }

    fn unreadable_packets(&self) -> anyhow::Result<u64> {
        Ok(self.probe.totals()?.no_storage)
    }

    /// Something that was seen has no final verdict yet.
    pub fn unsettled(&self) -> bool {
        self.tracer.unsettled()
            || self.judge.unsettled()
            || self.judge.tallies().any(|(_, tally)| tally.provisional > 0)
    }

    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Ways past the probes that were found on this machine, and checks that could not be made.
    pub fn findings(&self) -> impl Iterator<Item = String> {
        let others = self.counters().other_protocols.iter();
        let others = others.map(|(what, sockets)| format!("not TCP: {what} ({sockets} sockets or connections)"));
        self.scans.findings().cloned().chain(others)
    }

    /// Those of the machine that nobody was told yet.
    pub fn take_new_findings(&mut self) -> Vec<String> {
        self.scans.take_new()
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

    pub fn latency(&self) -> Latency {
        #[expect(clippy::cast_precision_loss, reason = "microseconds for people")]
        let ms = |micros: u64| micros as f64 / 1000.0;
        Latency {
            p50_ms: ms(self.latency.value_at_quantile(0.5)),
            p99_ms: ms(self.latency.value_at_quantile(0.99)),
            max_ms: ms(self.latency.max()),
        }
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

fn random_key() -> std::io::Result<[u8; 32]> {
    let mut key = [0; 32];
    File::open(Path::new("/dev/urandom"))?.read_exact(&mut key)?;
    Ok(key)
}
