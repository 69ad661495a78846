//! What the gate of one machine comes to.

use k8s_openapi::jiff::Timestamp;

use super::{Level, Outcome, PolicyOutcome, counted, rules};
use crate::judge::{PolicyVerdict, Tally};
use crate::policy::Counts;
use crate::report::{PolicySummary, Summary};

impl Outcome {
    /// `min_verified`: by which the summary was decided.
    pub fn of_machine(summary: &Summary, min_verified: u64, began: Timestamp, ended: Timestamp) -> Self {
        let policies = summary.policies.iter().map(|policy| {
            let example = |label: &str| summary.examples.of(&policy.policy, label).map(str::to_owned);
            of_policy(policy, &summary.uncovered_nodes, min_verified, example)
        });
        let findings =
            summary.findings.iter().map(|finding| rules::OBSERVER.finding(Level::Note, finding.as_str())).collect();
        Self::new(policies.collect(), findings, began, ended)
    }
}

fn of_policy(
    policy: &PolicySummary,
    uncovered: &[String],
    min_verified: u64,
    example: impl Fn(&str) -> Option<String>,
) -> PolicyOutcome {
    let counts = counts(&policy.tally);
    let mut findings = counted(&counts, min_verified, example);
    findings.extend(uncovered.iter().map(|node| {
        let message = format!("no pod of node {node} runs on this machine: what it sends is not covered");
        rules::NOT_COVERED.finding(Level::Unproven, message)
    }));
    // Whom nobody sees may have sent anything.
    let verdict = match policy.verdict {
        PolicyVerdict::True if !uncovered.is_empty() => PolicyVerdict::Unknown,
        verdict => verdict,
    };
    PolicyOutcome { name: policy.policy.clone(), uid: None, verdict, counts, findings }
}

fn counts(tally: &Tally) -> Counts {
    Counts {
        requests: tally.requests,
        verified: tally.verified,
        provisional: tally.provisional,
        mirrors: tally.mirrors,
        forced: tally.forced,
        withdrawn: tally.withdrawn,
        lost: tally.lost,
        canaries: 0,
        bypassed: Counts::labelled(tally.bypassed.iter().map(|(kinds, count)| (kinds.clone(), *count))),
        unverified: Counts::labelled(tally.unverified.iter().map(|(reason, count)| (reason.to_string(), *count))),
        exempt: Counts::labelled(tally.exempt.iter().map(|(reason, count)| (reason.clone(), *count))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NamespacedName;

    fn judged(tally: Tally) -> PolicySummary {
        let policy = NamespacedName { namespace: "hello".into(), name: "p".into() };
        PolicySummary { policy, verdict: tally.verdict(1), tally }
    }

    #[test]
    fn a_node_that_nobody_sees_keeps_a_policy_from_being_true_and_says_so() {
        let mut tally = Tally::default();
        (tally.requests, tally.verified) = (1, 1);
        let good = || judged(tally.clone());
        let seen = of_policy(&good(), &[], 1, |_| None);
        assert_eq!((seen.verdict, seen.findings.len()), (PolicyVerdict::True, 0));
        let unseen = of_policy(&good(), &["node-2".to_owned()], 1, |_| None);
        assert_eq!((unseen.verdict, &*unseen.findings[0].rule.id), (PolicyVerdict::Unknown, "coverage/node"));
        assert!(unseen.findings[0].message.contains("node-2"));
        tally.bypassed.insert("RouteBypass".to_owned(), 1);
        let example = |label: &str| (label == "RouteBypass").then(|| "GET /x".to_owned());
        let past = of_policy(&judged(tally), &["node-2".to_owned()], 1, example);
        assert_eq!(past.verdict, PolicyVerdict::False);
        assert_eq!(past.findings[0].message, "1 request bypassed the waypoint: RouteBypass; one of them: GET /x");
    }
}
