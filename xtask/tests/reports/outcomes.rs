//! What gates come to, of every sort.

use k8s_openapi::jiff::Timestamp;

use waypoint_verify::judge::PolicyVerdict;
use waypoint_verify::model::NamespacedName;
use waypoint_verify::policy::Counts;
use waypoint_verify::report::Outcome;
use waypoint_verify::report::outcome::{Finding, Level, OBSERVER, PolicyOutcome, Rule, Subject, counted};

/// What some format has a meaning for, or cannot hold.
pub const NASTY: &str = "100 %\r\n::error::\u{0}\u{1b}[31m <&>]]>\"' a: b, c\t\u{fffe}\u{1f980}";

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_723_200 + second).unwrap()
}

fn policy(name: &str, verdict: PolicyVerdict, counts: Counts) -> PolicyOutcome {
    let findings = counted(&counts, 1, |_| None);
    let name = NamespacedName { namespace: "hello".into(), name: name.into() };
    PolicyOutcome { name, uid: None, verdict, counts, findings }
}

pub fn verified() -> PolicyOutcome {
    policy("good", PolicyVerdict::True, Counts { requests: 20, verified: 20, ..Counts::default() })
}

pub fn bypassed() -> PolicyOutcome {
    let bypassed = [("RouteBypass".to_owned(), 2), ("RouteBypass or UnknownSender".to_owned(), 1)].into();
    let unverified = [("gap".to_owned(), 1)].into();
    policy("past", PolicyVerdict::False, Counts { requests: 6, verified: 2, bypassed, unverified, ..Counts::default() })
}

pub fn blind() -> PolicyOutcome {
    policy("blind", PolicyVerdict::Unknown, Counts::default())
}

/// A declared path of a manifest.
pub fn declared(text: &str, line: Option<u32>) -> Finding {
    let rule = Rule::new("declared/past", "A declared path skips the waypoint", "Point it at the waypoint.");
    let object = Subject {
        api_version: "gateway.networking.k8s.io/v1".into(),
        kind: "HTTPRoute".into(),
        namespace: "hello".into(),
        name: "bypass".into(),
    };
    rule.finding(Level::Risk, text).about(object).at("routes/by pass#1.yaml", line)
}

/// By name.
pub fn all() -> Vec<(&'static str, Outcome)> {
    let outcome = |policies, findings| Outcome::new(policies, findings, at(0), at(3723));
    let mut nasty = bypassed();
    nasty.counts.exempt.insert(NASTY.into(), 3);
    nasty.findings.extend([declared(NASTY, Some(7)), declared("no line", None)]);
    vec![
        ("nothing", outcome(Vec::new(), Vec::new())),
        ("verified", outcome(vec![verified()], Vec::new())),
        ("all-verdicts", outcome(vec![verified(), bypassed(), blind()], Vec::new())),
        ("nasty", outcome(vec![nasty, verified()], vec![OBSERVER.finding(Level::Note, NASTY)])),
    ]
}
