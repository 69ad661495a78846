use super::super::count::Gate;
use super::*;
use crate::judge::PolicyVerdict;
use crate::model::NamespacedName;
use crate::verifier::canary::{Kind, Outcome as Came, Told};
use crate::verifier::report::PolicyReport;
use crate::verifier::window::Said;

fn report(verified: u64, bypassed: u64, covered: bool) -> PolicyReport {
    let mut total = Said { requests: verified + bypassed, verified, ..Said::default() };
    total.bypassed.extend((bypassed > 0).then(|| ("RouteBypass".to_owned(), bypassed)));
    PolicyReport {
        namespace: "hello".into(),
        name: "p".into(),
        uid: "u".into(),
        generation: 3,
        verdict: PolicyVerdict::Unknown,
        total,
        provisional: 0,
        covered,
        verifier: 1,
    }
}

fn gate(canaries: bool) -> Gate {
    Gate::new(NamespacedName { namespace: "hello".into(), name: "p".into() }, 3, canaries)
}

/// Verdict and rules of the one policy.
fn told(gate: &Gate) -> (PolicyVerdict, Vec<String>) {
    let at = Timestamp::UNIX_EPOCH;
    let outcome = gate.found(1).outcome(1, at, at);
    let [policy] = outcome.policies() else { panic!("{outcome:?}") };
    (policy.verdict, policy.findings.iter().map(|finding| finding.rule.id.to_string()).collect())
}

#[test]
fn what_the_verifier_says_is_told_with_what_keeps_it_from_being_true() {
    let mut gate = gate(false);
    gate.no_answer("503".into());
    assert_eq!(told(&gate).1, ["traffic/tooLittle", "gate/unanswered"]);
    gate.take(report(7, 7, true));
    assert_eq!(told(&gate), (PolicyVerdict::Unknown, vec!["traffic/tooLittle".to_owned()]));
    gate.take(report(9, 7, true));
    assert_eq!(told(&gate), (PolicyVerdict::True, vec![]));
    gate.take(report(9, 7, false));
    assert_eq!(told(&gate), (PolicyVerdict::Unknown, vec!["coverage/node".to_owned()]));
    gate.take(report(9, 8, false));
    assert_eq!(told(&gate), (PolicyVerdict::False, vec!["bypass/RouteBypass".to_owned(), "coverage/node".to_owned()]));
    let outcome = gate.found(1).outcome(1, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    assert_eq!(outcome.policies()[0].uid.as_deref(), Some("u"));
    assert_eq!(outcome.policies()[0].counts.verified, 2, "since the gate's start");
}

#[test]
fn canaries_count_as_verified_and_one_that_was_not_seen_is_a_finding() {
    let mut gate = gate(true);
    gate.take(report(0, 0, true));
    let canary = |kind, outcome| Told { kind, url: "http://10.0.0.1/".into(), outcome, sent: None, seen: None };
    gate.take_canaries(vec![canary(Kind::Compliant, Came::Verified)]);
    assert_eq!(told(&gate), (PolicyVerdict::True, vec![]));
    gate.take_canaries(vec![canary(Kind::Compliant, Came::Verified), canary(Kind::DirectConnection, Came::Missed)]);
    assert_eq!(told(&gate), (PolicyVerdict::Unknown, vec!["canary/unsatisfying".to_owned()]));
}
