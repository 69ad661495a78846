use super::*;

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

fn gate() -> Gate {
    Gate::new("hello/p".into(), 3)
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
