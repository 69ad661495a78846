//! Outcomes for the tests of every format.

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::*;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_723_200 + second).unwrap()
}

pub fn named(name: &str) -> NamespacedName {
    NamespacedName { namespace: "hello".into(), name: name.into() }
}

/// As a gate that wants one request makes it of these counts.
pub fn policy(name: &str, verdict: PolicyVerdict, counts: Counts) -> PolicyOutcome {
    let findings = counted(&counts, 1, |_| None);
    PolicyOutcome { name: named(name), uid: None, verdict, counts, findings }
}

pub fn verified(name: &str) -> PolicyOutcome {
    policy(name, PolicyVerdict::True, Counts { requests: 20, verified: 20, ..Counts::default() })
}

pub fn bypassed(name: &str) -> PolicyOutcome {
    let bypassed = [("RouteBypass".to_owned(), 2)].into();
    let unverified = [("gap".to_owned(), 1)].into();
    policy(name, PolicyVerdict::False, Counts { requests: 5, verified: 2, bypassed, unverified, ..Counts::default() })
}

pub fn blind(name: &str) -> PolicyOutcome {
    policy(name, PolicyVerdict::Unknown, Counts::default())
}

pub fn outcome(policies: Vec<PolicyOutcome>) -> Outcome {
    Outcome::new(policies, Vec::new(), at(0), at(12))
}

pub fn all_verdicts() -> Outcome {
    outcome(vec![verified("good"), bypassed("past"), blind("blind")])
}

/// A declared path of a manifest, as whoever looks for such finds it.
pub fn declared(file: &str, line: Option<u32>) -> Finding {
    let rule = Rule::new("declared/past", "A declared path skips the waypoint", "Point it at the waypoint.");
    let api_version = "gateway.networking.k8s.io/v1".to_owned();
    let (namespace, name) = ("hello".to_owned(), "bypass".to_owned());
    rule.finding(Level::Risk, "GET /bypass reaches hello-backend")
        .about(Subject { api_version, kind: "HTTPRoute".into(), namespace, name })
        .at(file, line)
}

/// Whatever text findings, labels and files are of.
pub fn any() -> impl Strategy<Value = Outcome> {
    let verdict = prop_oneof![Just(PolicyVerdict::True), Just(PolicyVerdict::False), Just(PolicyVerdict::Unknown)];
    let exempt = proptest::collection::btree_map(any_text(), 0..9u64, 0..3);
    let policy = ("[a-z]{1,3}", verdict, exempt, any_findings()).prop_map(|(name, verdict, exempt, findings)| {
        let counts = Counts { exempt, ..Counts::default() };
        PolicyOutcome { name: named(&name), uid: None, verdict, counts, findings }
    });
    (proptest::collection::vec(policy, 0..4), any_findings())
        .prop_map(|(policies, findings)| Outcome::new(policies, findings, at(0), at(1)))
}

/// Also what some format has a meaning for.
fn any_text() -> BoxedStrategy<String> {
    prop_oneof![".{0,12}", "[\u{0}-\u{1f}%:,<>&\"'\\]\u{fffe}\u{85}\u{2028}\r\n]{0,8}"].boxed()
}

fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
    let level = prop_oneof![Just(Level::Violation), Just(Level::Unproven), Just(Level::Risk), Just(Level::Note)];
    let location = proptest::option::of((any_text(), proptest::option::of(0..9u32)));
    let object = proptest::option::of((any_text(), any_text()));
    let finding = (any_text(), any_text(), any_text(), level, location, object);
    let finding = finding.prop_map(|(id, help, message, level, location, object)| Finding {
        rule: Rule { title: id.clone().into(), id: id.into(), help: help.into() },
        level,
        message,
        object: object.map(|(kind, name)| Subject { api_version: "v1".into(), kind, namespace: String::new(), name }),
        location: location.map(|(file, line)| Location { file, line }),
    });
    proptest::collection::vec(finding, 0..3)
}
