//! Workflow commands of GitHub Actions: an annotation for each finding, and one for each policy that is True. Pure.
//!
//! Escaping as GitHub's own toolkit does it: in a message `%`, CR and LF, in a property also `:` and `,`.

use std::fmt::Write as _;

use super::outcome::{Finding, Level, Outcome, PolicyOutcome};
use crate::judge::PolicyVerdict;

/// One command a line.
pub fn github(outcome: &Outcome) -> String {
    let mut out = String::new();
    for policy in outcome.policies().iter().filter(|policy| policy.verdict == PolicyVerdict::True) {
        command(&mut out, "notice", &[("title", &policy.subject().to_string())], &policy.words());
    }
    for (policy, finding) in outcome.all_findings() {
        annotate(&mut out, policy, finding);
    }
    out
}

fn annotate(out: &mut String, policy: Option<&PolicyOutcome>, finding: &Finding) {
    let level = match finding.level {
        // Whatever fails the gate is shown as what fails it.
        Level::Violation | Level::Unproven => "error",
        Level::Risk => "warning",
        Level::Note => "notice",
    };
    let object = finding.object.clone().or_else(|| policy.map(PolicyOutcome::subject));
    let object = object.map_or_else(String::new, |object| format!("{object}: "));
    let title = format!("{object}{}", finding.rule.title);
    let line = finding.location.as_ref().and_then(|location| location.line).map(|line| line.to_string());
    let mut properties = Vec::new();
    properties.extend(finding.location.as_ref().map(|location| ("file", location.file.as_str())));
    properties.extend(line.as_deref().map(|line| ("line", line)));
    properties.push(("title", &title));
    command(out, level, &properties, &format!("{} [{}]\n{}", finding.message, finding.rule.id, finding.rule.help));
}

fn command(out: &mut String, name: &str, properties: &[(&str, &str)], message: &str) {
    let properties: Vec<_> = properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    // To a String it cannot fail.
    let _ = writeln!(out, "::{name} {}::{}", properties.join(","), data(message));
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;
