use super::*;
use crate::verifier::canary::Kind;

fn report(verifier: u64, verified: u64, bypassed: u64) -> PolicyReport {
    let mut total = Said { requests: verified + bypassed, verified, ..Said::default() };
    if bypassed > 0 {
        total.bypassed.insert("RouteBypass".into(), bypassed);
    }
    PolicyReport {
        namespace: "hello".into(),
        name: "p".into(),
        uid: "u".into(),
        generation: 3,
        verdict: PolicyVerdict::Unknown,
        total,
        provisional: 0,
        covered: true,
        verifier,
    }
}

fn policy() -> NamespacedName {
    NamespacedName { namespace: "hello".into(), name: "p".into() }
}

fn gate() -> Gate {
    Gate::new(policy(), 3, false)
}

#[test]
fn what_was_before_the_gate_does_not_count() {
    let mut gate = gate();
    gate.take(report(1, 100, 7));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::Unknown, "nothing was seen yet");
    gate.take(report(1, 103, 7));
    let found = gate.found(3);
    assert_eq!((found.verdict, found.since.verified, found.since.bypasses()), (PolicyVerdict::True, 3, 0));
    assert_eq!(gate.found(4).verdict, PolicyVerdict::Unknown);
    gate.take(report(1, 103, 8));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::False);
}

#[test]
fn no_answer_another_generation_and_another_verifier_never_pass() {
    let mut gate = gate();
    assert_eq!(gate.found(1).verdict, PolicyVerdict::Unknown);
    gate.take(report(1, 0, 0));
    gate.take(report(1, 5, 0));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::True);
    gate.no_answer("503".into());
    assert_eq!(gate.found(1).verdict, PolicyVerdict::Unknown);
    assert_eq!(gate.found(1).why.as_deref(), Some("503"));
    gate.take(PolicyReport { generation: 4, ..report(1, 9, 0) });
    assert!(gate.found(1).why.unwrap().contains("generation 4"));
    gate.take(report(1, 6, 0));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::True);
    gate.take(report(2, 50, 0));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::Unknown, "what happened in between nobody may have seen");
    gate.take(report(2, 50, 1));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::False, "a bypass is one, whoever saw it");
}

fn told(kind: Kind, outcome: Outcome) -> Told {
    Told { kind, url: "http://10.96.0.80:80/".into(), outcome, sent: None, seen: None }
}

#[test]
fn with_canaries_there_is_no_true_without_them() {
    let mut gate = Gate::new(policy(), 3, true);
    gate.take(report(1, 0, 0));
    gate.take(report(1, 5, 0));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::Unknown);
    assert_eq!(gate.found(1).why.as_deref(), Some("no canary was sent yet"));
    for (outcome, verdict) in [
        (Outcome::Waiting, PolicyVerdict::Unknown),
        (Outcome::Missed, PolicyVerdict::Unknown),
        (Outcome::Unexpected, PolicyVerdict::Unknown),
        (Outcome::NotSent, PolicyVerdict::Unknown),
        (Outcome::Detected, PolicyVerdict::True),
        (Outcome::Blocked, PolicyVerdict::True),
    ] {
        gate.take_canaries(vec![told(Kind::Compliant, Outcome::Verified), told(Kind::DirectConnection, outcome)]);
        let found = gate.found(1);
        assert_eq!(found.verdict, verdict, "{outcome:?}");
        assert_eq!(found.why.is_some(), verdict != PolicyVerdict::True, "{outcome:?}");
    }
    let shown = gate.found(1).to_string();
    assert!(shown.contains("canaries: 1 blocked, 1 verified"), "{shown}");
    gate.take(report(1, 5, 1));
    assert_eq!(gate.found(1).verdict, PolicyVerdict::False, "what bypassed did, whatever the canaries came to");
}

#[test]
fn a_verified_canary_is_enough_where_nobody_else_sends() {
    let mut gate = Gate::new(policy(), 3, true);
    gate.take(report(1, 0, 0));
    gate.take_canaries(vec![told(Kind::Compliant, Outcome::Verified)]);
    assert_eq!(gate.found(1).verdict, PolicyVerdict::True);
    assert_eq!(gate.found(2).verdict, PolicyVerdict::Unknown);
}
