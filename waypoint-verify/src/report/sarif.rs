//! SARIF 2.1.0: one run, a result for each finding. Pure.
//!
//! Whatever fails the gate has level `error`, also what is only not verifiable: who looks at levels alone must not take a blind gate for a
//! good one. The rule's id tells them apart.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::outcome::{Finding, Level, Location, Outcome, PolicyOutcome, Rule};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What a path keeps in a URI (RFC 3986, `pchar` and `/`); a colon could end a scheme.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `exit_code`: that of the gate.
pub fn sarif(outcome: &Outcome, exit_code: u8) -> String {
    let rules = rules(outcome);
    let results: Vec<_> = outcome.all_findings().map(|(policy, finding)| result(policy, finding, &rules)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "waypoint-verify",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.values().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": "waypoint-verify/gate/"},
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": exit_code,
                "startTimeUtc": time(outcome.began),
                "endTimeUtc": time(outcome.ended),
            }],
            "results": results,
            "properties": {"policies": outcome.policies().iter().map(counts).collect::<Vec<_>>()},
        }],
    });
    format!("{log:#}\n")
}

type Rules<'a> = BTreeMap<&'a str, &'a Rule>;

/// Each rule of which there is a finding, by id.
fn rules(outcome: &Outcome) -> Rules<'_> {
    outcome.all_findings().map(|(_, finding)| (&*finding.rule.id, &finding.rule)).collect()
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": rule.help},
    })
}

fn result(policy: Option<&PolicyOutcome>, finding: &Finding, rules: &Rules<'_>) -> Value {
    let subject = finding.object.clone().or_else(|| policy.map(PolicyOutcome::subject));
    let subject = subject.map(|subject| subject.to_string());
    let mut location = Map::new();
    if let Some(place) = &finding.location {
        location.insert("physicalLocation".into(), physical(place));
    }
    if let Some(subject) = &subject {
        location.insert("logicalLocations".into(), json!([{"fullyQualifiedName": subject, "kind": "resource"}]));
    }
    let file = finding.location.as_ref().map(|location| location.file.as_str());
    let identity = [&*finding.rule.id, subject.as_deref().unwrap_or_default(), file.unwrap_or_default()].join("|");
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": rules.keys().position(|id| *id == finding.rule.id),
        "level": level(finding.level),
        "message": {"text": finding.message},
        // The same finding in another run, whatever its counts and lines are.
        "partialFingerprints": {"waypointVerifyIdentity/v1": identity},
    });
    if !location.is_empty() {
        result["locations"] = json!([location]);
    }
    if let Some(policy) = policy {
        result["properties"] = json!({"policy": policy.name.to_string()});
    }
    result
}

fn physical(place: &Location) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(&place.file)}});
    if let Some(line) = place.line {
        physical["region"] = json!({"startLine": line.max(1)});
    }
    physical
}

/// Relative to where the reader is, as the file was named; absolute ones with a scheme.
fn uri(file: &str) -> String {
    let path = utf8_percent_encode(file.trim_start_matches("./"), PATH);
    if file.starts_with('/') { format!("file://{path}") } else { path.to_string() }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Violation | Level::Unproven => "error",
        Level::Risk => "warning",
        Level::Note => "note",
    }
}

fn counts(policy: &PolicyOutcome) -> Value {
    let counts: BTreeMap<_, _> = policy.named_counts().into_iter().collect();
    json!({"policy": policy.name.to_string(), "verdict": format!("{:?}", policy.verdict), "counts": counts})
}

fn time(at: k8s_openapi::jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests;
