//! Streams of many nodes -> evidence as the judge takes it. Pure: no bus, no clock.
//!
//! Across nodes order is causal, not timed, and clocks of nodes are never compared. The verifier issues numbered ticks, one
//! after the other. An agent that reads tick k publishes everything that it observed before, and answers. So what was
//! reported *before tick k was issued* has its cause in evidence when every node has answered k: only then may the absence
//! of a cause be claimed. Two rules follow, and they are all that this module does:
//!
//! - That an arrival was received (which makes the judge look at it) is held back until a tick that was issued later is
//!   complete. Everything else only fills the judge's memory and is handed on at once.
//! - The time of an observation is the verifier's own: when the last tick was issued that this node had answered before. The
//!   node read that tick before it observed this, so the observation is not older.

mod claims;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::bus::batch::Batch;
use crate::evidence::{End, Evidence};
use crate::model::{BootNs, OlderConnections, WatchList};
pub use claims::Refused;
use node::{Node, Order};

/// Progress of arrivals that is held back at most; past it, it is dropped and counted (those arrivals stay unjudged).
const HELD: usize = 1 << 20;

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The next one of its epoch.
    Next,
    /// It was taken before.
    Again,
    /// Evidence is missing before it, or another run of the agent began with it.
    Gap,
    /// It claims what its node cannot know; nothing of it was taken.
    Refused(Refused),
}

/// Why a node is not seen by its agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Blind {
    /// No agent of it has ever answered.
    NoAgent,
    /// Its agent did not answer in time.
    Silent,
    /// Evidence of it is missing since the tick before.
    Gap,
    /// Its agent does not have the current watch list.
    Stale,
    /// In the agent's own words.
    Said(String),
}

impl fmt::Display for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAgent => "no agent has answered",
            Self::Silent => "its agent does not answer",
            Self::Gap => "evidence is missing",
            Self::Stale => "its agent does not have the current watch list",
            Self::Said(what) => what,
        })
    }
}

/// How much was seen when a tick was over.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Nodes that matter and are seen.
    pub seen: BTreeSet<String>,
    pub blind: BTreeMap<String, BTreeSet<Blind>>,
}

impl Coverage {
    /// What is seen by all of several.
    pub fn add(&mut self, other: &Self) {
        self.seen.extend(other.seen.iter().cloned());
        for (node, why) in &other.blind {
            self.blind.entry(node.clone()).or_default().extend(why.iter().cloned());
        }
        self.seen.retain(|node| !self.blind.contains_key(node));
    }

    pub fn is_complete(&self) -> bool {
        self.blind.is_empty() && !self.seen.is_empty()
    }
}

/// Nodes that matter, each with the revision of its part of the watch list.
pub type Expected = BTreeMap<String, u64>;

/// Evidence, and the node that testified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    pub node: Arc<str>,
    pub evidence: Evidence,
}

/// The streams of all nodes.
#[derive(Debug, Default)]
pub struct Lockstep {
    /// Who asks.
    verifier: u64,
    nodes: BTreeMap<String, Node>,
    /// The newest tick, and when it was issued.
    tick: u64,
    issued_at: BootNs,
    /// Held back: what was reported before the newest tick was issued, and since then.
    before: Vec<Testimony>,
    since: Vec<Testimony>,
    dropped: u64,
}

impl Lockstep {
    pub fn new(verifier: u64) -> Self {
        Self { verifier, ..Self::default() }
    }

    /// Issues the next tick at this time of the verifier's clock.
    pub fn issue(&mut self, at: BootNs) -> u64 {
        self.tick += 1;
        self.issued_at = at;
        let since = std::mem::take(&mut self.since);
        self.before.extend(since);
        self.tick
    }

    /// Takes a batch of the stream of `node`. Whose stream it is the bus vouches for; what it claims is checked here.
    pub fn take(&mut self, node: &str, batch: Batch, watch: &WatchList, out: &mut Vec<Testimony>) -> Taken {
        let name: Arc<str> = node.into();
        let known = self.nodes.entry(node.to_owned()).or_default();
        if let Err(refused) = claims::check(node, &batch, watch) {
            known.gap();
            return Taken::Refused(refused);
        }
        let order = known.order(&batch);
        match order {
            Order::Again => return Taken::Again,
            Order::Next | Order::First => {}
            Order::Gap => known.gap(),
        }
        let at = known.answered_at;
        for evidence in batch.evidence {
            match dated(evidence, at) {
                // Ticks of a node are drains of its ring; the judge's are the verifier's.
                Evidence::Tick { .. } => {}
                held @ (Evidence::Received { .. } | Evidence::Abandoned { .. } | Evidence::Unreadable { .. }) => {
                    if self.before.len() + self.since.len() < HELD {
                        self.since.push(Testimony { node: Arc::clone(&name), evidence: held });
                    } else {
                        self.dropped += 1;
                    }
                }
                evidence => out.push(Testimony { node: Arc::clone(&name), evidence }),
            }
        }
        if let Some(answer) = batch.answer
            && (answer.verifier, answer.tick) == (self.verifier, self.tick)
        {
            known.answered_at = self.issued_at;
            known.answer = Some(answer);
        }
        if order == Order::Gap { Taken::Gap } else { Taken::Next }
    }

    /// Whether all of these nodes have answered the newest tick.
    pub fn answered(&self, expected: &Expected) -> bool {
        expected.keys().all(|name| self.nodes.get(name).is_some_and(|node| node.has_answered(self.tick)))
    }

    /// Ends the newest tick at this time: complete, or given up. What may now be judged is handed on; a tick of the judge
    /// belongs after it.
    pub fn end(&mut self, expected: &Expected, at: BootNs, out: &mut Vec<Testimony>) -> Coverage {
        let mut coverage = Coverage::default();
        for (name, revision) in expected {
            let blind = match self.nodes.get(name) {
                None => BTreeSet::from([Blind::NoAgent]),
                Some(node) => node.blind(self.tick, *revision),
            };
            if blind.is_empty() {
                coverage.seen.insert(name.clone());
            } else {
                coverage.blind.insert(name.clone(), blind);
            }
        }
        for (name, node) in &mut self.nodes {
            if let Some(missing) = node.take_gap() {
                // Of two nodes, two losses: the judge takes equal ones for one that was told twice.
                let bytes = u64::try_from(out.len()).unwrap_or(u64::MAX);
                let evidence = Evidence::Lost { of: None, records: missing, bytes, openings: true, at };
                out.push(Testimony { node: name.as_str().into(), evidence });
            }
        }
        self.nodes.retain(|name, node| expected.contains_key(name) || node.has_answered(self.tick));
        out.append(&mut self.before);
        coverage
    }

    /// Evidence of this node is missing before what comes next.
    pub fn gap(&mut self, node: &str) {
        self.nodes.entry(node.to_owned()).or_default().gap();
    }

    /// What is held back and nowhere else: connections that cannot be read, by node, socket and time.
    pub fn held_unreadable(&self) -> impl Iterator<Item = (String, u64, BootNs)> {
        self.before.iter().chain(&self.since).filter_map(|held| match &held.evidence {
            Evidence::Unreadable { stream, at, .. } => Some((held.node.to_string(), *stream, *at)),
            _ => None,
        })
    }

    /// What agents said beside their evidence, by node.
    pub fn notes(&self) -> BTreeMap<String, Vec<String>> {
        let said =
            self.nodes.iter().filter_map(|(name, node)| Some((name.clone(), node.answer.as_ref()?.notes.clone())));
        said.filter(|(_, notes)| !notes.is_empty()).collect()
    }

    /// Connections that are older than the agents, by node.
    pub fn older(&self) -> impl Iterator<Item = (&str, &OlderConnections)> {
        self.nodes.iter().filter_map(|(name, node)| Some((name.as_str(), &node.answer.as_ref()?.older)))
    }

    /// The newest tick.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Progress of arrivals that was dropped because a bound was hit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The judge compares only when ends of connections were opened.
fn dated(evidence: Evidence, at: BootNs) -> Evidence {
    match evidence {
        Evidence::Opened { conn, side, end } => {
            let end = End { at, ..Arc::unwrap_or_clone(end) };
            Evidence::Opened { conn, side, end: Arc::new(end) }
        }
        // It was opened before, nobody knows when.
        Evidence::Open { conn, side, end } => {
            let end = End { at: 0, ..Arc::unwrap_or_clone(end) };
            Evidence::Open { conn, side, end: Arc::new(end) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
