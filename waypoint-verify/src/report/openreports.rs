//! `Report` objects of OpenReports (`openreports.io/v1alpha1`): one for each policy, in its namespace. Pure.
//!
//! `fail`: something bypassed. `error`: not verifiable. `warn`: a risk or a note, which fails nothing.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use siphasher::sip::SipHasher13;

use super::clean::clean_all;
use super::outcome::{Finding, Level, Outcome, PolicyOutcome, Subject};
use crate::judge::PolicyVerdict;

pub const GROUP: &str = "openreports.io";
pub const VERSION: &str = "v1alpha1";
pub const KIND: &str = "Report";
pub const PLURAL: &str = "reports";
/// Who made it.
const SOURCE: &str = "waypoint-verify";
const PREFIX: &str = "waypoint-verify-";
/// Octets of an object's name.
const NAME: usize = 253;

/// The objects as YAML, one document each.
///
/// # Errors
/// Only if they cannot be written as YAML.
pub fn yaml(outcome: &Outcome) -> Result<String, serde_norway::Error> {
    let documents = objects(outcome).iter().map(serde_norway::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(documents.join("---\n"))
}

/// One object for each policy.
pub fn objects(outcome: &Outcome) -> Vec<Value> {
    outcome.policies().iter().map(|policy| object(policy, outcome.findings(), outcome.ended)).collect()
}

/// `of_all`: findings of no single policy; each report tells them.
pub fn object(policy: &PolicyOutcome, of_all: &[Finding], at: Timestamp) -> Value {
    let mut results = Vec::new();
    if policy.verdict == PolicyVerdict::True {
        results.push(passed(policy, at));
    }
    results.extend(policy.findings.iter().chain(of_all).map(|finding| result(policy, finding, at)));
    let mut metadata = json!({
        "name": name(&policy.name.name),
        "namespace": policy.name.namespace,
        "labels": {"app.kubernetes.io/managed-by": SOURCE},
    });
    if let Some(uid) = &policy.uid {
        let Subject { api_version, kind, name, .. } = policy.subject();
        metadata["ownerReferences"] = json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}]);
    }
    // An API server refuses to read the rest.
    clean_all(json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": metadata,
        "source": SOURCE,
        "scope": reference(&policy.subject()),
        "summary": summary(&results),
        "results": results,
    }))
}

/// What a Report of a policy of this name is called.
pub fn name(policy: &str) -> String {
    if PREFIX.len() + policy.len() <= NAME {
        return format!("{PREFIX}{policy}");
    }
    let mut hasher = SipHasher13::new();
    policy.hash(&mut hasher);
    let tail = format!("-{:016x}", hasher.finish());
    // Names of objects are ASCII.
    let kept: String = policy.chars().take(NAME - PREFIX.len() - tail.len()).collect();
    format!("{PREFIX}{}{tail}", kept.trim_end_matches(['.', '-']))
}

fn passed(policy: &PolicyOutcome, at: Timestamp) -> Value {
    json!({
        "policy": policy.name.to_string(),
        "rule": "verified",
        "result": "pass",
        "scored": true,
        "message": policy.words(),
        "properties": properties(policy),
        "timestamp": timestamp(at),
    })
}

fn result(policy: &PolicyOutcome, finding: &Finding, at: Timestamp) -> Value {
    let (outcome, severity) = match finding.level {
        Level::Violation => ("fail", "high"),
        Level::Unproven => ("error", "medium"),
        Level::Risk => ("warn", "medium"),
        Level::Note => ("warn", "info"),
    };
    let mut properties = properties(policy);
    properties.insert("help".to_owned(), finding.rule.help.to_string());
    if let Some(location) = &finding.location {
        let line = location.line.map_or_else(String::new, |line| format!(":{line}"));
        properties.insert("location".to_owned(), format!("{}{line}", location.file));
    }
    let category = finding.rule.id.split('/').next().unwrap_or_default();
    let mut result = json!({
        "policy": policy.name.to_string(),
        "rule": finding.rule.id,
        "category": category,
        "result": outcome,
        "severity": severity,
        "scored": finding.level <= Level::Unproven,
        "message": finding.message,
        "properties": properties,
        "timestamp": timestamp(at),
    });
    if let Some(object) = &finding.object {
        result["resources"] = json!([reference(object)]);
    }
    result
}

fn properties(policy: &PolicyOutcome) -> BTreeMap<String, String> {
    policy.named_counts().into_iter().map(|(name, count)| (name, count.to_string())).collect()
}

fn reference(subject: &Subject) -> Value {
    let Subject { api_version, kind, namespace, name } = subject;
    let mut reference = json!({"apiVersion": api_version, "kind": kind, "name": name});
    if !namespace.is_empty() {
        reference["namespace"] = namespace.as_str().into();
    }
    reference
}

fn summary(results: &[Value]) -> Value {
    let of = |name: &str| results.iter().filter(|result| result["result"] == name).count();
    json!({"pass": of("pass"), "fail": of("fail"), "warn": of("warn"), "error": of("error"), "skip": of("skip")})
}

fn timestamp(at: Timestamp) -> Value {
    // Fractions of a time before 1970 would be negative.
    json!({"seconds": at.as_second(), "nanos": at.subsec_nanosecond().max(0)})
}

#[cfg(test)]
mod tests;
