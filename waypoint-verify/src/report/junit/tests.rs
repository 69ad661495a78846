use proptest::prelude::*;
use quick_xml::Reader;

use super::*;
use crate::report::outcome::samples::{all_verdicts, any, blind, declared, outcome, verified};

/// Name and attributes.
type Element = (String, Vec<(String, String)>);

/// Names of elements with the attributes of each, in their order, and all text.
fn read(xml: &str) -> (Vec<Element>, String) {
    let mut reader = Reader::from_str(xml);
    let (mut elements, mut text) = (Vec::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return (elements, text),
            Event::Start(element) | Event::Empty(element) => {
                let attributes = element.attributes().map(|one| {
                    let one = one.unwrap();
                    let value = quick_xml::escape::unescape(&one.value).unwrap().into_owned();
                    (one.key.0.to_owned(), value)
                });
                elements.push((element.name().0.to_owned(), attributes.collect()));
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => {
                text.push_str(&quick_xml::escape::unescape(&format!("&{};", &*name)).unwrap());
            }
            _ => {}
        }
    }
}

fn attribute<'a>(element: &'a Element, name: &str) -> &'a str {
    &element.1.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("{element:?} has no {name}")).1
}

#[test]
fn true_passes_false_is_a_failure_and_unknown_an_error() {
    let (elements, text) = read(&junit(&all_verdicts()));
    let totals = &elements[0];
    assert_eq!(["tests", "failures", "errors", "time"].map(|name| attribute(totals, name)), ["3", "1", "1", "12.000"]);
    let suites: Vec<_> = elements.iter().filter(|one| one.0 == "testsuite").collect();
    let told = suites.iter().map(|one| ["name", "failures", "errors", "timestamp"].map(|name| attribute(one, name)));
    let began = "2026-11-26T20:00:00";
    assert_eq!(
        told.collect::<Vec<_>>(),
        [["hello/blind", "0", "1", began], ["hello/good", "0", "0", began], ["hello/past", "1", "0", began]]
    );
    let cases: Vec<_> = elements.iter().filter(|one| one.0 == "testcase").collect();
    assert_eq!((attribute(cases[1], "classname"), attribute(cases[1], "name")), ("waypoint-verify.hello", "good"));
    let failure = elements.iter().find(|one| one.0 == "failure").unwrap();
    assert_eq!(attribute(failure, "type"), "bypass/RouteBypass");
    assert_eq!(attribute(failure, "message"), "2 requests bypassed the waypoint: RouteBypass");
    assert!(text.contains("unverified/gap: 1 request could not be verified: gap\n  see the loss counters"), "{text}");
    let property =
        |name: &str| elements.iter().filter(|one| one.0 == "property" && attribute(one, "name") == name).count();
    assert_eq!((property("requests"), property("bypassed.RouteBypass")), (3, 1));
}

#[test]
fn nothing_that_was_judged_is_an_error_not_an_empty_success() {
    let (elements, _) = read(&junit(&outcome(Vec::new())));
    assert_eq!((attribute(&elements[0], "tests"), attribute(&elements[0], "errors")), ("1", "1"));
    let error = elements.iter().find(|one| one.0 == "error").unwrap();
    assert_eq!(attribute(error, "type"), "gate/noPolicy");
}

#[test]
fn a_risk_does_not_fail_and_is_told() {
    let mut policy = verified("good");
    policy.findings.push(declared("a.yaml", Some(3)));
    let (elements, text) = read(&junit(&outcome(vec![policy])));
    assert!(elements.iter().all(|one| one.0 != "failure" && one.0 != "error"), "{elements:?}");
    assert!(text.contains("at a.yaml:3"), "{text}");
}

proptest! {
    #[test]
    fn whatever_is_told_is_well_formed_and_can_be_read_again(outcome in any()) {
        let (elements, text) = read(&junit(&outcome));
        let cases = elements.iter().filter(|one| one.0 == "testcase").count();
        prop_assert_eq!(cases, outcome.policies().len().max(1));
        prop_assert_eq!(attribute(&elements[0], "tests"), cases.to_string());
        let bad = elements.iter().filter(|one| one.0 == "failure" || one.0 == "error").count();
        let not_true = outcome.policies().iter().filter(|policy| policy.verdict != PolicyVerdict::True).count();
        prop_assert_eq!(bad, if outcome.policies().is_empty() { 1 } else { not_true });
        for (_, finding) in outcome.all_findings() {
            prop_assert!(text.contains(&clean(&finding.message)), "{:?} is not in {:?}", finding.message, text);
        }
    }
}

#[test]
fn a_blind_gate_says_why() {
    let xml = junit(&outcome(vec![blind("blind")]));
    assert!(
        xml.contains(r#"<error type="traffic/tooLittle" message="0 requests verified, and at least 1 are wanted">"#),
        "{xml}"
    );
}
