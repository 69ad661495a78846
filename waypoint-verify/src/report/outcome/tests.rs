use proptest::prelude::*;

use super::samples::{all_verdicts, at, blind, bypassed, named, outcome, policy, verified};
use super::*;
use crate::model::{Bypass, Reason};
use crate::verifier::window::Said;

fn ids(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| &*finding.rule.id).collect()
}

#[test]
fn each_count_that_keeps_a_policy_from_being_true_is_a_finding_of_its_own() {
    let good = || Counts { requests: 3, verified: 3, mirrors: 1, withdrawn: 1, ..Counts::default() };
    let label = |label: &str| [(label.to_owned(), 2)].into();
    for (counts, rules) in [
        (good(), vec![]),
        (Counts { exempt: label("probes"), ..good() }, vec![]),
        (Counts { bypassed: label("RouteBypass"), ..good() }, vec!["bypass/RouteBypass"]),
        (Counts { bypassed: label("RouteBypass or UnknownSender"), ..good() }, vec!["bypass/several"]),
        (Counts { forced: 1, ..good() }, vec!["bypass/forced"]),
        (Counts { unverified: label("gap"), ..good() }, vec!["unverified/gap"]),
        (Counts { lost: 1, ..good() }, vec!["lost/records"]),
        (Counts { provisional: 1, ..good() }, vec!["traffic/provisional"]),
        (Counts { verified: 2, ..good() }, vec!["traffic/tooLittle"]),
        (Counts { verified: 0, bypassed: label("DirectConnection"), ..good() }, vec!["bypass/DirectConnection"]),
    ] {
        assert_eq!(ids(&counted(&counts, 3, |_| None)), rules, "{counts:?}");
    }
    assert_eq!(ids(&counted(&Counts::default(), 0, |_| None)), ["traffic/tooLittle"], "nothing is never enough");
}

proptest! {
    /// No count keeps a policy from being True unsaid, and none is said that does not.
    #[test]
    fn counts_have_a_finding_exactly_where_the_verdict_is_not_true(
        verified in 0..3u64, provisional in 0..2u64, forced in 0..2u64, lost in 0..2u64, min in 0..3u64,
        bypassed in 0..2usize, unverified in 0..2usize,
    ) {
        let said = Said {
            verified, forced, lost,
            bypassed: ["RouteBypass".to_owned()].into_iter().take(bypassed).map(|kind| (kind, 1)).collect(),
            unverified: [Reason::Gap].into_iter().take(unverified).map(|reason| (reason, 1)).collect(),
            ..Said::default()
        };
        let findings = counted(&crate::verifier::status::counts(&said, provisional), min, |_| None);
        let verdict = said.verdict(min, provisional, true);
        prop_assert_eq!(findings.is_empty(), verdict == PolicyVerdict::True);
        let proven = findings.iter().any(|finding| finding.level == Level::Violation);
        prop_assert_eq!(proven, verdict == PolicyVerdict::False);
    }
}

#[test]
fn every_kind_and_reason_has_a_rule_and_help_of_its_own() {
    let kinds = [
        Bypass::DirectConnection,
        Bypass::RouteBypass,
        Bypass::UpstreamBypass,
        Bypass::WaypointOrigin,
        Bypass::UnknownSender,
    ];
    for kind in kinds {
        assert_eq!(rules::bypass(kind.name()).id, format!("bypass/{kind}"));
    }
    for reason in [Reason::PredatesAgent, Reason::Gap, Reason::NotCovered, Reason::Unguarded] {
        let rule = rules::unverified(&reason.to_string());
        assert_eq!((&*rule.id, &*rule.help), (format!("unverified/{reason}").as_str(), reason.cure()));
    }
    assert!(rules::unverified("others").help.contains("troubleshooting"));
}

#[test]
fn what_is_not_true_says_why_and_nothing_judged_is_a_finding() {
    let silent = PolicyOutcome { findings: Vec::new(), ..blind("silent") };
    assert_eq!(ids(&outcome(vec![silent]).policies()[0].findings), ["gate/unanswered"]);
    let noted = PolicyOutcome { findings: vec![OBSERVER.finding(Level::Note, "x")], ..blind("noted") };
    assert_eq!(ids(&outcome(vec![noted]).policies()[0].findings), ["gate/unanswered", "observer/finding"]);
    assert_eq!(ids(outcome(Vec::new()).findings()), ["gate/noPolicy"]);
    assert!(outcome(vec![verified("good")]).all_findings().next().is_none());
}

#[test]
fn policies_come_by_name_and_findings_by_their_gravity() {
    let all = all_verdicts();
    assert_eq!(all.policies().iter().map(|one| one.name.name.as_str()).collect::<Vec<_>>(), ["blind", "good", "past"]);
    assert_eq!(ids(&all.policies()[2].findings), ["bypass/RouteBypass", "unverified/gap"]);
    let mut mixed = bypassed("past");
    mixed.findings.insert(0, OBSERVER.finding(Level::Note, "first"));
    assert_eq!(ids(&outcome(vec![mixed]).policies()[0].findings).last(), Some(&"observer/finding"));
}

#[test]
fn a_clock_that_was_set_back_is_no_time() {
    assert_eq!(Outcome::new(Vec::new(), Vec::new(), at(12), at(0)).seconds(), 0.0);
    assert_eq!(outcome(Vec::new()).seconds(), 12.0);
}

#[test]
fn counts_by_label_are_named_by_it() {
    let exempt = [("health checks".to_owned(), 7)].into();
    let named_counts =
        policy("p", PolicyVerdict::Unknown, Counts { exempt, lost: 2, ..Counts::default() }).named_counts();
    assert_eq!(named_counts[6], ("lost".to_owned(), 2));
    assert_eq!(named_counts.last(), Some(&("exempt.health checks".to_owned(), 7)));
    assert_eq!(named_counts.len(), 9);
}

#[test]
fn a_finding_in_words_names_rule_object_and_place() {
    let shown = samples::declared("routes/a.yaml", Some(7)).to_string();
    assert_eq!(shown, "declared/past: GET /bypass reaches hello-backend (HTTPRoute hello/bypass) at routes/a.yaml:7");
    assert_eq!(verified("good").subject().to_string(), "WaypointPolicy hello/good");
    assert_eq!(named("good").to_string(), "hello/good");
}

#[test]
fn what_is_added_to_a_policy_counts_like_what_was_known_of_it() {
    const RULE: Rule = Rule::new("a/b", "title", "help");
    let rows = [
        (PolicyVerdict::True, Level::Violation, PolicyVerdict::False),
        (PolicyVerdict::True, Level::Unproven, PolicyVerdict::Unknown),
        (PolicyVerdict::True, Level::Risk, PolicyVerdict::True),
        (PolicyVerdict::True, Level::Note, PolicyVerdict::True),
        (PolicyVerdict::Unknown, Level::Unproven, PolicyVerdict::Unknown),
        (PolicyVerdict::Unknown, Level::Violation, PolicyVerdict::False),
        (PolicyVerdict::False, Level::Unproven, PolicyVerdict::False),
        (PolicyVerdict::False, Level::Note, PolicyVerdict::False),
    ];
    for (before, level, after) in rows {
        let name = NamespacedName { namespace: "n".into(), name: "p".into() };
        let policy =
            PolicyOutcome { name, uid: None, verdict: before, counts: Counts::default(), findings: Vec::new() };
        let mut outcome = Outcome::new(vec![policy], Vec::new(), Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        outcome.add("n/p", [RULE.finding(Level::Note, "first"), RULE.finding(level, "second")]);
        assert_eq!(outcome.policies()[0].verdict, after, "{before:?} {level:?}");
        outcome.add("n/other", [RULE.finding(Level::Violation, "of nobody")]);
        assert_eq!(outcome.policies()[0].verdict, after, "{before:?} {level:?}");
    }
}
