//! What the verifier says of itself and of policies: one value, made at every tick, from which everybody is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::window::Said;
use crate::judge::PolicyVerdict;
use crate::lockstep::Coverage;

/// One policy, as people and gates see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub verdict: PolicyVerdict,
    /// Everything that was said since this verifier began with this generation.
    pub total: Said,
    /// Verified ones that wait for exchanges to end.
    pub provisional: u64,
    /// Every node is seen, and no connection into a target is older than its agent.
    pub covered: bool,
    /// Tells this run of the verifier from others: totals of another run begin at 0.
    pub verifier: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub policies: Vec<PolicyReport>,
    pub coverage: Coverage,
    pub counters: Counters,
    /// It stands by, and this one judges; empty: nobody known does.
    pub stands_by_for: Option<String>,
    /// Why this verifier does not judge.
    pub not_ready: Vec<String>,
    /// What agents said that keeps nobody from being seen, by node.
    pub notes: BTreeMap<String, Vec<String>>,
    /// Optional kinds of objects that this cluster does not have: that part is switched off.
    pub missing: Vec<String>,
    /// What the objects do that people have to know of: routes that destroy evidence, and the like.
    pub findings: Vec<String>,
}

impl Report {
    /// Of a verifier that does not judge: it is as ready as it is to begin.
    pub fn standing_by(owner: String, waiting: Option<Vec<String>>) -> Self {
        let mut not_ready = waiting.unwrap_or_default();
        if owner.is_empty() {
            not_ready.push("the Lease of the verifiers cannot be read or taken: see the log".to_owned());
        }
        Self { stands_by_for: Some(owner), not_ready, ..Self::default() }
    }
}

/// What was seen, and what not, for people.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageReport<'a> {
    #[serde(flatten)]
    coverage: &'a Coverage,
    notes: &'a BTreeMap<String, Vec<String>>,
    missing: &'a [String],
    findings: &'a [String],
    counters: &'a Counters,
}

impl<'a> CoverageReport<'a> {
    pub fn of(report: &'a Report) -> Self {
        let Report { coverage, notes, missing, findings, counters, .. } = report;
        Self { coverage, notes, missing, findings, counters }
    }
}

/// Since the start of the verifier.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    pub batches: u64,
    pub octets: u64,
    pub evidence: u64,
    pub gaps: u64,
    pub refused: u64,
    pub unreadable: u64,
    /// Evidence that a node gave of what another one had observed.
    pub not_own: u64,
    /// Progress of arrivals that was dropped because a bound was hit.
    pub dropped: u64,
    pub evicted: u64,
    /// Ticks that ended before every node had answered.
    pub late_ticks: u64,
    /// Changes of conditions of which there is no Event: there were too many, or the same was said lately.
    pub suppressed_events: u64,
}
