//! Everything that the verifier knows, and the order in which it learns: objects, batches, ticks. No I/O but the clock.

mod answers;
mod taking;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use k8s_openapi::jiff::Timestamp;

use super::Options;
use super::checkpoint::{Checkpoint, Progress};
use super::cluster::Cluster;
use super::declarations::{Declarations, Sightings, findings};
use super::early::Early;
use super::grace::Grace;
use super::judges::Judges;
use super::older::Waits;
use super::picture::Picture;
use super::report::Counters;
use super::roles::Relevant;
use super::status::{Facts, status};
use super::window::Said;
use crate::bus::control::{Part, Tick};
use crate::lockstep::{Blind, Coverage, Expected, Lockstep};
use crate::manifest::Problem;
use crate::model::{BootNs, CompiledPolicy, NamespacedName};
use crate::policy::WaypointPolicyStatus;
use crate::probe::boot_ns;
use crate::report::outcome::Finding;

/// How long the API server may refuse before what is known of the cluster counts as stale.
const STALE: Duration = Duration::from_secs(30);
/// How long a tick waits at most while streams hold what nobody has read.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Between two checkpoints.
const SAVE: Duration = Duration::from_secs(2);
/// How often a part is written again that its agent does not have.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct State {
    partition: u16,
    verifier: u64,
    /// Stands for all verifiers whose counts these are.
    lineage: u64,
    progress: Progress,
    /// Nodes of which what came while nobody judged has not been read yet, and since when there are none.
    behind: BTreeSet<String>,
    caught_up_at: Instant,
    /// None: what is there lacks a node.
    saved_at: Option<Instant>,
    patience: Duration,
    cluster: Arc<Cluster>,
    picture: Arc<Picture>,
    relevant: Relevant,
    early: Early,
    written: BTreeMap<String, (u64, Instant)>,
    expected: Expected,
    lockstep: Lockstep,
    judges: Judges,
    coverage: Coverage,
    grace: Grace,
    /// For the conditions.
    shown: Coverage,
    /// The watch list that every node had at the last tick, if all were seen.
    covered_with: Option<u64>,
    /// Of each policy that is judged.
    waits: BTreeMap<NamespacedName, Waits>,
    /// When the tick that runs was issued.
    running: Option<Instant>,
    /// When the newest one was that every node has answered.
    complete: Option<Instant>,
    counters: Counters,
    /// What the API server refuses.
    troubles: Vec<String>,
    /// Optional kinds that this cluster does not have.
    missing: BTreeSet<&'static str>,
    troubled_since: Option<Instant>,
    errors: Vec<Problem>,
    declared: Arc<Declarations>,
    sightings: Sightings,
    /// Of each policy, requests by kind that nothing explains which was declared.
    undeclared: BTreeMap<NamespacedName, BTreeMap<String, u64>>,
}

impl State {
    /// Goes on where another verifier has left off.
    pub fn new(
        options: &Options,
        partition: u16,
        verifier: u64,
        checkpoint: Option<Checkpoint>,
        cluster: &Arc<Cluster>,
    ) -> anyhow::Result<Self> {
        let progress = checkpoint.as_ref().map(Progress::after).unwrap_or_default();
        let lineage = checkpoint.as_ref().map_or(verifier, |checkpoint| checkpoint.lineage);
        let behind = checkpoint.iter().flat_map(|checkpoint| checkpoint.positions.keys().cloned()).collect();
        let passed = checkpoint.as_ref().map_or(0, |checkpoint| Timestamp::now().as_second() - checkpoint.at);
        let passed = u64::try_from(passed).unwrap_or(0).saturating_mul(1_000_000_000);
        let saved = checkpoint.map(|checkpoint| checkpoint.policies).unwrap_or_default();
        let mut state = Self {
            partition,
            verifier,
            lineage,
            progress,
            behind,
            caught_up_at: Instant::now(),
            saved_at: None,
            patience: options.patience,
            cluster: Arc::clone(cluster),
            picture: Arc::default(),
            relevant: Relevant::default(),
            early: Early::default(),
            written: BTreeMap::new(),
            expected: Expected::new(),
            lockstep: Lockstep::new(verifier),
            judges: Judges::new(options.judge.clone(), saved, passed),
            coverage: Coverage::default(),
            grace: Grace::default(),
            shown: Coverage::default(),
            covered_with: None,
            waits: BTreeMap::new(),
            running: None,
            complete: None,
            counters: Counters::default(),
            troubles: Vec::new(),
            missing: BTreeSet::new(),
            troubled_since: None,
            errors: Vec::new(),
            declared: Arc::default(),
            sightings: Sightings::default(),
            undeclared: BTreeMap::new(),
        };
        state.set_cluster(cluster)?;
        Ok(state)
    }

    /// What the objects of the cluster come to now.
    pub fn set_cluster(&mut self, cluster: &Arc<Cluster>) -> anyhow::Result<()> {
        self.cluster = Arc::clone(cluster);
        let own = cluster.pictures.get(usize::from(self.partition));
        self.picture = Arc::clone(own.context("the policies are divided into fewer partitions")?);
        self.behind.retain(|node| self.picture.nodes.contains(node));
        self.relevant = Relevant::to(&self.picture.watch);
        self.judges.set_picture(&self.picture, boot_ns()?, Timestamp::now());
        self.expected = cluster.parts.iter().map(|(node, part)| (node.clone(), part.revision)).collect();
        self.release()
    }

    pub fn nodes(&self) -> &BTreeSet<String> {
        &self.picture.nodes
    }

    /// Parts of the watch list that are new, or that their agents still do not have. They are the same for all partitions, and
    /// whoever judges the first one hands them out: of two that know different ones, each would take the other's for outdated.
    pub fn parts_to_write(&self) -> Vec<(String, Part)> {
        if self.partition != 0 {
            return Vec::new();
        }
        let is_due = |node: &String, part: &Part| match self.written.get(node) {
            Some((revision, at)) if *revision == part.revision => {
                self.coverage.blind.get(node).is_some_and(|why| why.contains(&Blind::Stale)) && at.elapsed() > AGAIN
            }
            _ => true,
        };
        let parts = self.cluster.parts.iter().filter(|(node, part)| is_due(node, part));
        parts.map(|(node, part)| (node.clone(), part.clone())).collect()
    }

    pub fn wrote(&mut self, node: &str, revision: u64) {
        self.written.insert(node.to_owned(), (revision, Instant::now()));
    }

    pub fn may_issue(&self) -> bool {
        self.running.is_none()
    }

    pub fn issue(&mut self) -> anyhow::Result<Tick> {
        self.release()?;
        self.running = Some(Instant::now());
        let number = self.lockstep.issue(boot_ns()?);
        Ok(Tick { number, verifier: self.verifier })
    }

    /// Whether the tick that runs is answered by all, or has waited long enough.
    pub fn is_over(&self) -> bool {
        self.running.is_some_and(|issued| {
            // Where another one had left off, answers come after everything that it has not read.
            let over = if self.behind.is_empty() { self.patience } else { self.patience.max(CATCH_UP) };
            self.lockstep.answered(&self.expected) || issued.max(self.caught_up_at).elapsed() > over
        })
    }

    pub fn end(&mut self, troubles: Vec<String>, missing: BTreeSet<&'static str>) -> anyhow::Result<()> {
        let issued = self.running.take();
        if self.lockstep.answered(&self.expected) {
            self.complete = issued;
        } else {
            self.counters.late_ticks += 1;
        }
        let at: BootNs = boot_ns()?;
        let mut testimony = Vec::new();
        let coverage = self.lockstep.end(&self.expected, at, &mut testimony);
        self.shown = self.grace.shown(&self.coverage, &coverage, at);
        self.coverage = coverage;
        self.covered_with = self.coverage.is_complete().then_some(self.picture.watch.revision);
        self.judge(testimony);
        self.judges.tick(at, Timestamp::now(), &self.coverage);
        let watch = &self.picture.watch;
        let waits = |policy: &Arc<CompiledPolicy>| Waits::of(policy, watch, self.lockstep.older());
        self.waits = watch.policies.iter().map(|policy| (policy.name.clone(), waits(policy))).collect();
        self.counters.not_own = self.judges.not_own;
        self.counters.dropped = self.lockstep.dropped();
        self.counters.evicted = self.judges.evicted();

        let since = if troubles.is_empty() { None } else { self.troubled_since.or_else(|| Some(Instant::now())) };
        self.troubled_since = since;
        self.errors = self.picture.errors.clone();
        if since.is_some_and(|since| since.elapsed() > STALE) {
            let stale = troubles.iter().map(|trouble| {
                Problem::error(
                    format!("what is known of the cluster is older than {} s: {trouble}", STALE.as_secs()),
                    "see the verifier's log",
                )
            });
            self.errors.extend(stale);
        }
        self.troubles = troubles;
        self.missing = missing;
        Ok(())
    }

    /// What the objects declare, as it was read last. At the end of every tick.
    pub fn set_declared(&mut self, declared: Arc<Declarations>) {
        let declared = if declared.is_outdated() { Arc::default() } else { declared };
        let Self { judges, picture, sightings, .. } = self;
        let seen = |name: &NamespacedName| judges.record(name).map(|record| &record.said.bypassed);
        let policies = || picture.watch.policies.iter().filter_map(|policy| Some((policy, seen(&policy.name)?)));
        sightings.update(policies().map(|(policy, seen)| (&policy.name, seen)), Instant::now());
        let now = Timestamp::now();
        let holes = policies().map(|(policy, seen)| {
            let (name, window) = (&policy.name, policy.window);
            let recent = judges.record(name).into_iter().flat_map(|record| record.recent.bypasses());
            // By the same clock as it was judged at; one that was set back makes it no older.
            let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
            let recent = recent.map(|(kinds, listeners, at)| (kinds, listeners, age(at)));
            let mut holes = declared.undeclared(name, seen, sightings, window);
            holes.extend(declared.by_other_gateways(name, recent, window));
            (name.clone(), holes)
        });
        self.undeclared = holes.filter(|(_, undeclared)| !undeclared.is_empty()).collect();
        self.declared = declared;
    }

    /// What another verifier goes on from, now and then. After a tick.
    pub fn checkpoint(&mut self) -> anyhow::Result<Option<Checkpoint>> {
        if self.saved_at.is_some_and(|saved_at| saved_at.elapsed() < SAVE) {
            return Ok(None);
        }
        self.saved_at = Some(Instant::now());
        let at = boot_ns()?;
        let unreadable = self.lockstep.held_unreadable();
        let Some(mut checkpoint) = self.progress.checkpoint(at, self.judges.open_arrivals(), unreadable) else {
            tracing::warn!("no checkpoint: more arrivals are open than it holds");
            return Ok(None);
        };
        // Of a node that has gone nothing is read any more.
        checkpoint.positions.retain(|node, _| self.picture.nodes.contains(node));
        checkpoint.lineage = self.lineage;
        checkpoint.at = Timestamp::now().as_second();
        checkpoint.policies = self.judges.save(at);
        Ok(Some(checkpoint))
    }

    pub fn policies(&self) -> impl Iterator<Item = (&NamespacedName, &str)> {
        self.picture.policies.iter().map(|(name, policy)| (name, policy.uid.as_str()))
    }

    fn facts<'a>(&'a self, name: &NamespacedName, coverage: &'a Coverage) -> Option<Facts<'a>> {
        static NOTHING: LazyLock<Said> = LazyLock::new(Said::default);
        static NONE: LazyLock<Waits> = LazyLock::new(Waits::default);
        static NO_HOLES: BTreeMap<String, u64> = BTreeMap::new();
        let record = self.judges.record(name);
        let policy = self.picture.policies.get(name)?;
        Some(Facts {
            policy,
            said: record.map_or(&NOTHING, |record| &record.said),
            provisional: record.map_or(0, |record| record.provisional),
            coverage,
            waits: self.waits.get(name).unwrap_or(&NONE),
            errors: &self.errors,
            last_bypass: record.and_then(|record| record.last_bypass.as_ref()),
            declared: self.declared.analysis(name, (&policy.uid, policy.generation)),
            undeclared: self.undeclared.get(name).unwrap_or(&NO_HOLES),
            since: record.map(|record| record.since),
        })
    }

    pub fn status(&self, name: &NamespacedName, before: Option<&WaypointPolicyStatus>) -> Option<WaypointPolicyStatus> {
        Some(status(&self.facts(name, &self.shown)?, before, Timestamp::now()))
    }

    /// For a policy's Report.
    pub fn declared_findings(&self, name: &NamespacedName) -> Vec<Finding> {
        let facts = self.facts(name, &self.shown);
        let analyzed = facts.and_then(|facts| Some((facts.declared?, facts)));
        analyzed.map_or_else(Vec::new, |(analysis, facts)| findings(analysis, &facts.said.bypassed, facts.undeclared))
    }
}
