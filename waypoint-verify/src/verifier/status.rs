//! What a policy's status says. Pure: the same facts and time give the same status.

mod enforced;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::older::Waits;
use super::picture::Policy;
use super::window::Said;
use crate::judge::PolicyVerdict;
use crate::lockstep::Coverage;
use crate::manifest::{Nature, Problem};
use crate::policy::{Counts, LastBypass, WaypointPolicyStatus};
use crate::routes::Analysis;

pub const ACCEPTED: &str = "Accepted";
pub const COVERED: &str = "Covered";
pub const VERIFIED: &str = "Verified";
pub const ENFORCED: &str = "Enforced";

/// Octets of a condition's message; the schema allows more, but people read it.
const MESSAGE: usize = 1024;
/// Octets of a line of the last bypass.
const LINE: usize = 512;

/// What is known of one policy.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub policy: &'a Policy,
    pub said: &'a Said,
    pub provisional: u64,
    pub coverage: &'a Coverage,
    pub waits: &'a Waits,
    /// What is wrong with objects that no policy names.
    pub errors: &'a [Problem],
    pub last_bypass: Option<&'a LastBypass>,
    /// What the objects declare, once it was read.
    pub declared: Option<&'a Analysis>,
    /// Requests past the waypoint, by kind, that nothing explains which was declared.
    pub undeclared: &'a BTreeMap<String, u64>,
    /// Nothing is counted of a policy that is not accepted.
    pub since: Option<Timestamp>,
}

impl Facts<'_> {
    pub fn is_covered(&self) -> bool {
        self.coverage.is_complete() && self.errors.is_empty()
    }

    /// Every node is seen, and everything that comes to the targets.
    pub fn all_is_seen(&self) -> bool {
        self.is_covered() && self.waits.unseen == 0
    }

    pub fn verdict(&self) -> PolicyVerdict {
        self.said.verdict(1, self.provisional, self.all_is_seen())
    }
}

/// `before`: the status that is there; what has not changed keeps its time.
pub fn status(facts: &Facts<'_>, before: Option<&WaypointPolicyStatus>, now: Timestamp) -> WaypointPolicyStatus {
    let generation = facts.policy.generation;
    let condition = |kind: &str, (status, reason, message): (&str, &str, String)| {
        let known = before.and_then(|before| before.conditions.iter().find(|condition| condition.type_ == kind));
        let since = known.filter(|known| known.status == status).map(|known| known.last_transition_time.clone());
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shortened(message, MESSAGE),
            observed_generation: Some(generation),
            last_transition_time: since.unwrap_or(Time(now)),
        }
    };
    WaypointPolicyStatus {
        observed_generation: Some(generation),
        conditions: vec![
            condition(ACCEPTED, accepted(facts.policy)),
            condition(COVERED, covered(facts)),
            condition(VERIFIED, verified(facts)),
            condition(ENFORCED, enforced::enforced(facts)),
        ],
        counts: Some(counts(facts.said, facts.provisional)),
        last_bypass: facts.last_bypass.cloned(),
        since: facts.since.map(Time),
    }
}

type Words = (&'static str, &'static str, String);

fn accepted(policy: &Policy) -> Words {
    let Some(nature) = policy.nature() else {
        let findings = policy.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return ("True", "Accepted", findings);
    };
    let reason = match nature {
        Nature::Invalid => "Invalid",
        Nature::NotFound => "TargetNotFound",
        Nature::NotPermitted => "RefNotPermitted",
    };
    ("False", reason, lines(&policy.errors))
}

fn covered(facts: &Facts<'_>) -> Words {
    if !facts.errors.is_empty() {
        return ("False", "InventoryUnreadable", lines(facts.errors));
    }
    if facts.coverage.is_complete() {
        return ("True", "Complete", format!("{} nodes are seen", facts.coverage.seen.len()));
    }
    if facts.coverage.blind.is_empty() {
        return ("Unknown", "NotObserved", "no node is observed yet".to_owned());
    }
    let nodes: Vec<_> = facts
        .coverage
        .blind
        .iter()
        .map(|(node, why)| format!("{node}: {}", why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
        .collect();
    ("False", "NodesNotCovered", nodes.join("; "))
}

fn verified(facts: &Facts<'_>) -> Words {
    let said = facts.said;
    if facts.policy.nature().is_some() {
        return ("Unknown", "NotAccepted", "see the condition Accepted".to_owned());
    }
    match facts.verdict() {
        PolicyVerdict::False => {
            let mut kinds: Vec<_> = said.bypassed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            if said.forced > 0 {
                kinds.push(format!("{} for certain, though none can be named", said.forced));
            }
            ("False", "Bypassed", format!("requests bypassed the waypoint: {}", kinds.join(", ")))
        }
        PolicyVerdict::True => ("True", "Verified", format!("{} requests were verified", said.verified)),
        PolicyVerdict::Unknown if !facts.is_covered() => {
            ("Unknown", "NotCovered", "see the condition Covered".to_owned())
        }
        PolicyVerdict::Unknown => {
            let (reason, why) = unknown(facts);
            // What it waits for stands first: a message is cut at its end.
            let parts = [facts.waits.words.as_str(), &why].into_iter().filter(|part| !part.is_empty());
            ("Unknown", reason, parts.collect::<Vec<_>>().join("; "))
        }
    }
}

fn unknown(facts: &Facts<'_>) -> (&'static str, String) {
    let said = facts.said;
    if said.unverifieds() > 0 {
        let reasons = said.unverified.iter().map(|(reason, count)| format!("{count} {reason} ({})", reason.cure()));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        ("Unverified", format!("requests could not be verified: {reasons}"))
    } else if said.lost > 0 {
        ("Lost", format!("{} records or batches of evidence were lost", said.lost))
    } else if facts.provisional > 0 {
        ("Provisional", format!("{} requests wait for exchanges to end", facts.provisional))
    } else if facts.waits.unseen > 0 {
        ("OlderConnections", String::new())
    } else {
        ("NoTraffic", "no request was verified within the window".to_owned())
    }
}

/// Everything that was said, by verdict.
pub fn counts(said: &Said, provisional: u64) -> Counts {
    Counts {
        requests: said.requests,
        verified: said.verified,
        provisional,
        mirrors: said.mirrors,
        forced: said.forced,
        withdrawn: said.withdrawn,
        lost: said.lost,
        canaries: said.canaries,
        bypassed: Counts::labelled(said.bypassed.iter().map(|(kind, count)| (kind.clone(), *count))),
        unverified: Counts::labelled(said.unverified.iter().map(|(reason, count)| (reason.to_string(), *count))),
        exempt: Counts::labelled(said.exempt.iter().map(|(reason, count)| (reason.clone(), *count))),
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// For a line of the last bypass.
pub fn line(text: String) -> String {
    shortened(text, LINE)
}

/// To so many octets, with a mark where something is left out.
pub fn shortened(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most - 4).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} ...", &text[..end])
}

#[cfg(test)]
mod tests;
