//! JUnit's XML, in the dialect that Jenkins publishes a schema of (junit-10.xsd): a suite with one test case for each policy. Pure.
//!
//! True passes, False is a failure, Unknown an error. Counts are properties of the suite, because that schema knows none of a case.

use std::fmt::Write as _;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::clean::clean;
use super::outcome::{Finding, Outcome, PolicyOutcome};
use crate::judge::PolicyVerdict;

const NAME: &str = "waypoint-verify gate";

type Out = Writer<Vec<u8>>;
type Written = std::io::Result<()>;

/// A whole document.
///
/// # Panics
/// Never: it is written into memory.
pub fn junit(outcome: &Outcome) -> String {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut out, outcome).expect("memory takes everything");
    let mut text = String::from_utf8(out.into_inner()).expect("everything that is written is UTF-8");
    text.push('\n');
    text
}

fn document(out: &mut Out, outcome: &Outcome) -> Written {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let nothing = outcome.policies().is_empty();
    let of = |verdict| outcome.policies().iter().filter(|policy| policy.verdict == verdict).count();
    let tests = outcome.policies().len().max(1).to_string();
    let failures = of(PolicyVerdict::False).to_string();
    let errors = (of(PolicyVerdict::Unknown) + usize::from(nothing)).to_string();
    let time = time(outcome);
    let attributes = [
        ("name", NAME),
        ("tests", tests.as_str()),
        ("failures", failures.as_str()),
        ("errors", errors.as_str()),
        ("time", time.as_str()),
    ];
    out.create_element("testsuites").with_attributes(attributes).write_inner_content(|out| {
        if nothing {
            return suite(out, outcome, None);
        }
        outcome.policies().iter().try_for_each(|policy| suite(out, outcome, Some(policy)))
    })?;
    Ok(())
}

/// `None`: there is no policy; what was not judged does not pass.
fn suite(out: &mut Out, outcome: &Outcome, policy: Option<&PolicyOutcome>) -> Written {
    let verdict = policy.map_or(PolicyVerdict::Unknown, |policy| policy.verdict);
    let is = |this| if verdict == this { "1" } else { "0" };
    let name = policy.map_or_else(|| NAME.to_owned(), |policy| policy.name.to_string());
    let (name, time) = (clean(&name), time(outcome));
    // Without fractions and zone, as the schema's own tools write it; it is UTC.
    let timestamp = outcome.began.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let attributes = [
        ("name", name.as_str()),
        ("tests", "1"),
        ("failures", is(PolicyVerdict::False)),
        ("errors", is(PolicyVerdict::Unknown)),
        ("skipped", "0"),
        ("timestamp", timestamp.as_str()),
        ("time", time.as_str()),
    ];
    out.create_element("testsuite").with_attributes(attributes).write_inner_content(|out| {
        if let Some(policy) = policy {
            properties(out, policy)?;
        }
        case(out, outcome, policy, verdict)
    })?;
    Ok(())
}

fn properties(out: &mut Out, policy: &PolicyOutcome) -> Written {
    out.create_element("properties").write_inner_content(|out| {
        for (name, count) in policy.named_counts() {
            let attributes = [("name", clean(&name)), ("value", count.to_string())];
            let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
            out.create_element("property").with_attributes(attributes).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(out: &mut Out, outcome: &Outcome, policy: Option<&PolicyOutcome>, verdict: PolicyVerdict) -> Written {
    let (class, name) = match policy {
        Some(policy) => (format!("waypoint-verify.{}", policy.name.namespace), policy.name.name.clone()),
        None => ("waypoint-verify".to_owned(), "gate".to_owned()),
    };
    let (class, name, time) = (clean(&class), clean(&name), time(outcome));
    let attributes = [("classname", class.as_str()), ("name", name.as_str()), ("time", time.as_str())];
    let own = policy.map_or(outcome.findings(), |policy| &policy.findings);
    out.create_element("testcase").with_attributes(attributes).write_inner_content(|out| {
        let element = match verdict {
            PolicyVerdict::True => None,
            PolicyVerdict::False => Some("failure"),
            PolicyVerdict::Unknown => Some("error"),
        };
        if let (Some(element), Some(first)) = (element, own.first()) {
            let (rule, message) = (clean(&first.rule.id), clean(&first.message));
            let attributes = [("type", rule.as_str()), ("message", message.as_str())];
            let text = text(own);
            out.create_element(element).with_attributes(attributes).write_text_content(BytesText::new(&text))?;
        }
        let of_none = if policy.is_some() { outcome.findings() } else { &[] };
        let rest = if element.is_none() { [text(own), text(of_none)].concat() } else { text(of_none) };
        if !rest.is_empty() {
            out.create_element("system-out").write_text_content(BytesText::new(&rest))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Each finding, and what to do about it below.
fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        // To a String it cannot fail.
        let _ = writeln!(text, "{finding}\n  {}", finding.rule.help);
    }
    clean(&text)
}

/// s, with as many digits as the schema allows.
fn time(outcome: &Outcome) -> String {
    format!("{:.3}", outcome.seconds())
}

#[cfg(test)]
mod tests;
