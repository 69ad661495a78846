//! What the verifier says of itself and of policies: one value, made at every tick, from which everybody is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    /// How long ago that was of which everything is judged: when the newest tick was issued that every node has answered. `None`: no tick
    /// was answered by all.
    pub lag: Option<Duration>,
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
    /// Of a verifier that does not judge: it is as ready as it is to begin. `owner`: who is known to judge; nothing: what is
    /// known of that cannot be read.
    pub fn standing_by(owner: Option<String>, waiting: Vec<String>) -> Self {
        let mut not_ready = waiting;
        if owner.is_none() {
            not_ready.push("the Lease of the verifiers cannot be read or taken: see the log".to_owned());
        }
        Self { stands_by_for: Some(owner.unwrap_or_default()), not_ready, ..Self::default() }
    }

    pub fn is_judged(&self) -> bool {
        self.stands_by_for.is_none()
    }

    /// What a verifier says of several partitions, each of which has said so much of itself.
    pub fn of_all<'a>(reports: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let mut all = Self::default();
        for report in reports.clone() {
            all.policies.extend(report.policies.iter().cloned());
            all.coverage.add(&report.coverage);
            all.counters.add(&report.counters);
            for (node, notes) in &report.notes {
                add_new(all.notes.entry(node.clone()).or_default(), notes);
            }
            add_new(&mut all.not_ready, &report.not_ready);
            add_new(&mut all.missing, &report.missing);
            add_new(&mut all.findings, &report.findings);
        }
        all.policies.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        let lags: Option<Vec<_>> =
            reports.clone().filter(|report| report.is_judged()).map(|report| report.lag).collect();
        all.lag = lags.and_then(|lags| lags.into_iter().max());
        all.stands_by_for = (!reports.clone().any(Self::is_judged)).then(|| Self::owners(reports));
        all
    }

    /// Who judges what this verifier does not, as far as it is known; with commas.
    pub fn owners<'a>(reports: impl Iterator<Item = &'a Self>) -> String {
        let owners: BTreeSet<_> = reports.filter_map(|report| report.stands_by_for.as_deref()).collect();
        owners.into_iter().filter(|owner| !owner.is_empty()).collect::<Vec<_>>().join(",")
    }
}

fn add_new(known: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !known.contains(one) {
            known.push(one.clone());
        }
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

/// Since the verifier began to judge.
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
    /// Batches of targets and proxies of which the API server did not tell in time: each is a gap.
    pub unknown_roles: u64,
    /// Changes of conditions of which there is no Event: there were too many, or the same was said lately.
    pub suppressed_events: u64,
}

impl Counters {
    fn add(&mut self, other: &Self) {
        let Self {
            batches,
            octets,
            evidence,
            gaps,
            refused,
            unreadable,
            not_own,
            dropped,
            evicted,
            late_ticks,
            unknown_roles,
            suppressed_events,
        } = self;
        for (count, more) in [
            (batches, other.batches),
            (octets, other.octets),
            (evidence, other.evidence),
            (gaps, other.gaps),
            (refused, other.refused),
            (unreadable, other.unreadable),
            (not_own, other.not_own),
            (dropped, other.dropped),
            (evicted, other.evicted),
            (late_ticks, other.late_ticks),
            (unknown_roles, other.unknown_roles),
            (suppressed_events, other.suppressed_events),
        ] {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests;
