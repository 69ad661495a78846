//! Everything that the verifier knows, and the order in which it learns: objects, batches, ticks. No I/O but the clock.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use super::Options;
use super::checkpoint::{self, Checkpoint, Progress};
use super::grace::Grace;
use super::judges::Judges;
use super::older::Waits;
use super::picture::Picture;
use super::readers::Read;
use super::report::Counters;
use super::status::{Facts, status};
use super::window::Said;
use crate::bus::control::{Part, Tick};
use crate::lockstep::{Blind, Coverage, Expected, Lockstep, Taken};
use crate::manifest::{Object, Problem};
use crate::model::{BootNs, NamespacedName};
use crate::policy::WaypointPolicyStatus;
use crate::probe::boot_ns;

/// How long the API server may refuse before what is known of the cluster counts as stale.
const STALE: Duration = Duration::from_secs(30);
/// How long the first tick waits: streams may hold much that nobody has read.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Between two checkpoints.
const SAVE: Duration = Duration::from_secs(2);
/// How often a part is written again that its agent does not have.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct State {
    verifier: u64,
    /// Stands for all verifiers whose counts these are.
    lineage: u64,
    progress: Progress,
    saved_at: Instant,
    digest_key: [u8; 16],
    patience: Duration,
    picture: Option<Picture>,
    parts: BTreeMap<String, Part>,
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
    counters: Counters,
    waiting: Vec<String>,
    /// Optional kinds that this cluster does not have.
    missing: BTreeSet<&'static str>,
    troubled_since: Option<Instant>,
    errors: Vec<Problem>,
}

impl State {
    /// Goes on where another verifier has left off.
    pub fn new(options: &Options, verifier: u64, checkpoint: Option<Checkpoint>) -> Self {
        let progress = checkpoint.as_ref().map(Progress::after).unwrap_or_default();
        let lineage = checkpoint.as_ref().map_or(verifier, |checkpoint| checkpoint.lineage);
        let passed = checkpoint.as_ref().map_or(0, |checkpoint| Timestamp::now().as_second() - checkpoint.at);
        let passed = u64::try_from(passed).unwrap_or(0).saturating_mul(1_000_000_000);
        let saved = checkpoint.map(|checkpoint| checkpoint.policies).unwrap_or_default();
        Self {
            verifier,
            lineage,
            progress,
            saved_at: Instant::now(),
            digest_key: options.digest_key,
            patience: options.patience,
            picture: None,
            parts: BTreeMap::new(),
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
            counters: Counters::default(),
            waiting: vec!["the objects of the cluster are not listed yet".to_owned()],
            missing: BTreeSet::new(),
            troubled_since: None,
            errors: Vec::new(),
        }
    }

    pub fn set_objects(&mut self, objects: &[Object]) -> anyhow::Result<()> {
        let picture = Picture::of(objects.iter());
        self.judges.set_picture(&picture, boot_ns()?, Timestamp::now());
        self.parts = Part::of_nodes(&picture.watch, &picture.nodes, self.digest_key);
        self.expected = self.parts.iter().map(|(node, part)| (node.clone(), part.revision)).collect();
        self.waiting.clear();
        self.picture = Some(picture);
        Ok(())
    }

    /// For the objects of the cluster.
    pub fn is_waiting(&self) -> bool {
        self.picture.is_none()
    }

    pub fn wait_for(&mut self, what: Vec<String>) {
        if self.picture.is_none() {
            self.waiting = what;
        }
    }

    pub fn nodes(&self) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.picture.as_ref().map_or(&NONE, |picture| &picture.nodes)
    }

    /// Parts of the watch list that are new, or that their agents still do not have.
    pub fn parts_to_write(&self) -> Vec<(String, Part)> {
        let is_due = |node: &String, part: &Part| match self.written.get(node) {
            Some((revision, at)) if *revision == part.revision => {
                self.coverage.blind.get(node).is_some_and(|why| why.contains(&Blind::Stale)) && at.elapsed() > AGAIN
            }
            _ => true,
        };
        self.parts.iter().filter(|(node, part)| is_due(node, part)).map(|(n, p)| (n.clone(), p.clone())).collect()
    }

    pub fn wrote(&mut self, node: &str, revision: u64) {
        self.written.insert(node.to_owned(), (revision, Instant::now()));
    }

    pub fn read(&mut self, read: Read) -> anyhow::Result<()> {
        self.counters.batches += 1;
        self.counters.octets += read.octets as u64;
        if self.progress.read(&read.node, read.position) == checkpoint::Read::Gap {
            self.counters.gaps += 1;
            self.lockstep.gap(&read.node);
        }
        let mut batch = match read.batch {
            Ok(batch) => batch,
            Err(error) => {
                self.counters.unreadable += 1;
                tracing::warn!("a message of node {} {error}", read.node);
                self.lockstep.gap(&read.node);
                return Ok(());
            }
        };
        let Some(picture) = &self.picture else { return Ok(()) };
        batch.evidence.retain(|evidence| self.progress.is_new(&read.node, read.position, evidence));
        self.counters.evidence += batch.evidence.len() as u64;
        let mut testimony = Vec::new();
        match self.lockstep.take(&read.node, batch, &picture.watch, &mut testimony) {
            Taken::Next | Taken::Again => {}
            Taken::Gap => self.counters.gaps += 1,
            Taken::Refused(why) => {
                self.counters.refused += 1;
                tracing::warn!("evidence is refused: {why}");
            }
        }
        testimony.into_iter().for_each(|testimony| self.judges.apply(testimony));
        Ok(())
    }

    pub fn may_issue(&self) -> bool {
        self.running.is_none() && self.picture.is_some()
    }

    pub fn issue(&mut self) -> anyhow::Result<Tick> {
        self.running = Some(Instant::now());
        let number = self.lockstep.issue(boot_ns()?);
        Ok(Tick { number, verifier: self.verifier })
    }

    /// Whether the tick that runs is answered by all, or has waited long enough.
    pub fn is_over(&self) -> bool {
        // Where another one had left off, the first one is answered when everything has been read that it had not.
        let catches_up = self.lineage != self.verifier && self.lockstep.tick() == 1;
        let patience = if catches_up { self.patience.max(CATCH_UP) } else { self.patience };
        self.running.is_some_and(|issued| self.lockstep.answered(&self.expected) || issued.elapsed() > patience)
    }

    pub fn end(&mut self, troubles: Vec<String>, missing: BTreeSet<&'static str>) -> anyhow::Result<()> {
        self.running = None;
        if !self.lockstep.answered(&self.expected) {
            self.counters.late_ticks += 1;
        }
        let at: BootNs = boot_ns()?;
        let mut testimony = Vec::new();
        let coverage = self.lockstep.end(&self.expected, at, &mut testimony);
        self.shown = self.grace.shown(&self.coverage, &coverage, at);
        self.coverage = coverage;
        let revision = self.picture.as_ref().map(|picture| picture.watch.revision);
        self.covered_with = revision.filter(|_| self.coverage.is_complete());
        testimony.into_iter().for_each(|testimony| self.judges.apply(testimony));
        self.judges.tick(at, Timestamp::now(), &self.coverage);
        let watch = self.picture.as_ref().map(|picture| &picture.watch);
        let policies = watch.iter().flat_map(|watch| watch.policies.iter().map(move |policy| (policy, watch)));
        let waits =
            policies.map(|(policy, watch)| (policy.name.clone(), Waits::of(policy, watch, self.lockstep.older())));
        self.waits = waits.collect();
        self.counters.not_own = self.judges.not_own;
        self.counters.dropped = self.lockstep.dropped();
        self.counters.evicted = self.judges.evicted();

        let since = if troubles.is_empty() { None } else { self.troubled_since.or_else(|| Some(Instant::now())) };
        self.troubled_since = since;
        self.errors = self.picture.as_ref().map(|picture| picture.errors.clone()).unwrap_or_default();
        if since.is_some_and(|since| since.elapsed() > STALE) {
            let stale = troubles.iter().map(|trouble| {
                Problem::error(
                    format!("what is known of the cluster is older than {} s: {trouble}", STALE.as_secs()),
                    "see the verifier's log",
                )
            });
            self.errors.extend(stale);
        }
        self.waiting = troubles;
        self.missing = missing;
        Ok(())
    }

    /// What another verifier goes on from, now and then. After a tick.
    pub fn checkpoint(&mut self) -> anyhow::Result<Option<Checkpoint>> {
        if self.saved_at.elapsed() < SAVE || self.picture.is_none() {
            return Ok(None);
        }
        self.saved_at = Instant::now();
        let at = boot_ns()?;
        let unreadable = self.lockstep.held_unreadable();
        let Some(mut checkpoint) = self.progress.checkpoint(at, self.judges.open_arrivals(), unreadable) else {
            tracing::warn!("no checkpoint: more arrivals are open than it holds");
            return Ok(None);
        };
        checkpoint.lineage = self.lineage;
        checkpoint.at = Timestamp::now().as_second();
        checkpoint.policies = self.judges.save(at);
        Ok(Some(checkpoint))
    }

    pub fn policies(&self) -> impl Iterator<Item = (&NamespacedName, &str)> {
        let all = self.picture.iter().flat_map(|picture| picture.policies.iter());
        all.map(|(name, policy)| (name, policy.uid.as_str()))
    }

    fn facts<'a>(&'a self, name: &NamespacedName, coverage: &'a Coverage) -> Option<Facts<'a>> {
        static NOTHING: LazyLock<Said> = LazyLock::new(Said::default);
        static NONE: LazyLock<Waits> = LazyLock::new(Waits::default);
        let record = self.judges.record(name);
        Some(Facts {
            policy: self.picture.as_ref()?.policies.get(name)?,
            said: record.map_or(&NOTHING, |record| &record.said),
            provisional: record.map_or(0, |record| record.provisional),
            coverage,
            waits: self.waits.get(name).unwrap_or(&NONE),
            errors: &self.errors,
            last_bypass: record.and_then(|record| record.last_bypass.as_ref()),
            since: record.map(|record| record.since),
        })
    }

    pub fn status(&self, name: &NamespacedName, before: Option<&WaypointPolicyStatus>) -> Option<WaypointPolicyStatus> {
        Some(status(&self.facts(name, &self.shown)?, before, Timestamp::now()))
    }
}
