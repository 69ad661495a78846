use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::judge::PolicyVerdict;
use crate::policy::{Counts, LastBypass};

/// With these conditions (status and reason), each of which has its own name as its message.
fn status(accepted: &str, covered: &str, verified: (&str, &str), counts: Counts) -> WaypointPolicyStatus {
    let condition = |kind: &str, status: &str, reason: &str| Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: format!("as {kind} says"),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    };
    WaypointPolicyStatus {
        conditions: vec![
            condition("Accepted", accepted, "x"),
            condition("Covered", covered, "x"),
            condition("Verified", verified.0, verified.1),
        ],
        counts: Some(counts),
        ..WaypointPolicyStatus::default()
    }
}

fn name() -> NamespacedName {
    NamespacedName { namespace: "hello".into(), name: "p".into() }
}

fn good() -> Counts {
    Counts { requests: 1, verified: 1, ..Counts::default() }
}

fn past(count: u64) -> Counts {
    Counts { bypassed: [("RouteBypass".to_owned(), count)].into(), ..good() }
}

#[test]
fn a_report_says_what_the_conditions_say() {
    let older = ("Unknown", "OlderConnections");
    for (status, verdict, rules) in [
        (status("True", "True", ("True", "Verified"), good()), PolicyVerdict::True, vec![]),
        (status("True", "True", ("False", "Bypassed"), past(2)), PolicyVerdict::False, vec!["bypass/RouteBypass"]),
        (status("True", "False", ("Unknown", "NotCovered"), good()), PolicyVerdict::Unknown, vec!["coverage/node"]),
        (status("True", "True", older, good()), PolicyVerdict::Unknown, vec!["condition/OlderConnections"]),
        (
            status("False", "True", ("Unknown", "NotAccepted"), Counts::default()),
            PolicyVerdict::Unknown,
            vec!["condition/NotAccepted"],
        ),
        (
            status("True", "True", ("Unknown", "NoTraffic"), Counts::default()),
            PolicyVerdict::Unknown,
            vec!["traffic/tooLittle"],
        ),
        (WaypointPolicyStatus::default(), PolicyVerdict::Unknown, vec!["traffic/tooLittle", "coverage/node"]),
    ] {
        let outcome = outcome::of_status(&name(), "u", &status, Vec::new());
        let told: Vec<_> = outcome.findings.iter().map(|finding| &*finding.rule.id).collect();
        assert_eq!((outcome.verdict, told), (verdict, rules), "{status:?}");
        assert_eq!(outcome.uid.as_deref(), Some("u"));
    }
    let not_covered =
        outcome::of_status(&name(), "u", &status("True", "False", ("Unknown", "NotCovered"), good()), Vec::new());
    assert_eq!(not_covered.findings[0].message, "as Covered says");
}

#[test]
fn the_latest_bypass_is_told_with_its_kind() {
    let last = LastBypass {
        time: Time(Timestamp::UNIX_EPOCH),
        kinds: "RouteBypass".into(),
        request: "GET /x".into(),
        from: "client".into(),
        at: "backend".into(),
    };
    let mut status = status("True", "True", ("False", "Bypassed"), past(2));
    status.last_bypass = Some(last);
    let told = outcome::of_status(&name(), "u", &status, Vec::new()).findings[0].message.clone();
    assert_eq!(told, "2 requests bypassed the waypoint: RouteBypass; one of them: GET /x from client at backend");
}

#[test]
fn another_rule_is_written_at_once_and_counts_now_and_then() {
    let came = |uid: &str, counts| {
        outcome::of_status(&name(), uid, &status("True", "True", ("False", "Bypassed"), counts), Vec::new())
    };
    let written = |age| {
        let at = Instant::now().checked_sub(age).unwrap();
        Written { outcome: came("u", past(1)), version: None, at }
    };
    let (now, old) = (written(Duration::ZERO), written(MINUTE));
    assert!(is_due(None, &came("u", past(1))));
    assert!(!is_due(Some(&now), &came("u", past(2))));
    assert!(is_due(Some(&old), &came("u", past(2))));
    assert!(!is_due(Some(&old), &came("u", past(1))), "nothing is new");
    assert!(is_due(Some(&now), &came("u", Counts { forced: 1, ..past(1) })));
    assert!(is_due(Some(&now), &came("another", past(1))), "another object of that name");
}
