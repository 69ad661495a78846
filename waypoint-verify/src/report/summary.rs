//! What a run comes to.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Examples;
use crate::engine::{Engine, Latency};
use crate::judge::tally::Group;
use crate::judge::{Judge, PolicyVerdict, Tally};
use crate::model::{NamespacedName, as_text};
use crate::recording::Observed;
use crate::trace::Counters;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    #[serde(serialize_with = "as_text")]
    pub policy: NamespacedName,
    pub verdict: PolicyVerdict,
    #[serde(flatten)]
    pub tally: Tally,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    r#type: &'static str,
    pub policies: Vec<PolicySummary>,
    pub counters: Counters,
    /// Octets that crossed the ring buffer, record headers included.
    pub ring_octets: u64,
    /// Packets that the programs could not read, by why.
    pub unread: Unread,
    /// Messages that the judge forgot before they were final.
    pub evicted: u64,
    pub uncovered_nodes: Vec<String>,
    pub time_to_verdict: Latency,
    pub findings: Vec<String>,
    /// Single requests are told one by one before, if at all.
    #[serde(skip)]
    pub examples: Examples,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    pub copy_failed: u64,
    pub unparsable: u64,
    pub fragments: u64,
    pub extension_headers: u64,
    pub no_storage: u64,
    /// Packets of other protocols than TCP into watched containers.
    pub not_tcp: u64,
}

impl PolicySummary {
    fn all(judge: &Judge) -> Vec<Self> {
        let of = |(name, tally): (&NamespacedName, &Tally)| Self {
            policy: name.clone(),
            verdict: tally.verdict(1),
            tally: tally.clone(),
        };
        judge.tallies().map(of).collect()
    }
}

impl Summary {
    pub fn of(engine: &Engine, mut findings: Vec<String>, examples: Examples) -> anyhow::Result<Self> {
        let observer = engine.observed();
        findings.extend(observer.findings());
        let totals = observer.totals()?;
        Ok(Self {
            r#type: "summary",
            policies: PolicySummary::all(engine.judge()),
            counters: observer.counters().clone(),
            ring_octets: observer.ring_octets(),
            unread: Unread {
                copy_failed: totals.copy_failed,
                unparsable: totals.unparsable,
                fragments: totals.fragments,
                extension_headers: totals.extension_headers,
                no_storage: totals.no_storage,
                not_tcp: totals.not_tcp,
            },
            evicted: engine.judge().evicted(),
            uncovered_nodes: observer.uncovered.clone(),
            time_to_verdict: engine.latency(),
            findings,
            examples,
        })
    }

    /// Of a judge that was given what was recorded.
    pub fn replayed(judge: &Judge, observed: Observed) -> Self {
        Self {
            r#type: "summary",
            policies: PolicySummary::all(judge),
            counters: observed.counters,
            ring_octets: observed.ring_octets,
            unread: observed.unread,
            evicted: judge.evicted(),
            uncovered_nodes: observed.uncovered_nodes,
            time_to_verdict: observed.time_to_verdict,
            findings: observed.findings,
            examples: Examples::default(),
        }
    }

    /// Judges the policies by a gate's own minimum.
    pub fn decide(&mut self, min_verified: u64) {
        for policy in &mut self.policies {
            policy.verdict = policy.tally.verdict(min_verified);
        }
    }

    /// Of all policies together: the worst.
    pub fn verdict(&self) -> PolicyVerdict {
        let any = |verdict| self.policies.iter().any(|policy| policy.verdict == verdict);
        if any(PolicyVerdict::False) {
            PolicyVerdict::False
        } else if any(PolicyVerdict::Unknown) || self.policies.is_empty() || !self.uncovered_nodes.is_empty() {
            PolicyVerdict::Unknown
        } else {
            PolicyVerdict::True
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for policy in &self.policies {
            let tally = &policy.tally;
            writeln!(f, "{}: {:?}", policy.policy, policy.verdict)?;
            writeln!(f, "  requests {}, verified {}", tally.requests, tally.verified)?;
            let line = |f: &mut fmt::Formatter<'_>, name: &str, count: u64| match count {
                0 => Ok(()),
                count => writeln!(f, "  {name} {count}"),
            };
            line(f, "provisional", tally.provisional)?;
            for (kind, count) in &tally.bypassed {
                line(f, &format!("bypassed {kind}"), *count)?;
            }
            line(f, "bypassed for certain, though none can be named", tally.forced)?;
            for Group { arrived, at_most_passed } in &tally.groups {
                writeln!(
                    f,
                    "    {arrived} equal requests arrived, at most {at_most_passed} can have passed the waypoint"
                )?;
            }
            for (reason, count) in &tally.unverified {
                line(f, &format!("unverified {reason}"), *count)?;
            }
            for (reason, count) in &tally.exempt {
                line(f, &format!("exempt ({reason})"), *count)?;
            }
            line(f, "mirrors", tally.mirrors)?;
            line(f, "withdrawn", tally.withdrawn)?;
            line(f, "records lost", tally.lost)?;
        }
        for (owner, records) in &self.counters.lost_by_owner {
            writeln!(f, "records lost of {owner}: {records}")?;
        }
        for finding in &self.findings {
            writeln!(f, "finding: {finding}")?;
        }
        for node in &self.uncovered_nodes {
            writeln!(f, "not covered: node {node}")?;
        }
        let time = &self.time_to_verdict;
        write!(f, "time to verdict: p50 {:.1} ms, p99 {:.1} ms", time.p50_ms, time.p99_ms)
    }
}
