//! What a gate comes to, whoever judged: one value, of which every format of a report is made. Pure.

mod counted;
mod declared;
mod machine;
mod rules;
#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::jiff::Timestamp;

use crate::judge::PolicyVerdict;
use crate::manifest::Object;
use crate::model::NamespacedName;
use crate::policy::{Counts, GROUP, KIND};

pub use counted::counted;
pub use declared::{declared_more, of_routes, probed, risks};
pub use rules::{CANARY, NOT_ACCEPTED, NOT_COVERED, OBSERVER, UNANSWERED, unknown};

#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    policies: Vec<PolicyOutcome>,
    /// Of no single policy.
    findings: Vec<Finding>,
    pub began: Timestamp,
    pub ended: Timestamp,
}

/// What came of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyOutcome {
    pub name: NamespacedName,
    /// Where it is an object of a cluster.
    pub uid: Option<String>,
    pub verdict: PolicyVerdict,
    pub counts: Counts,
    /// The gravest first. What is not True has one that says why.
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub level: Level,
    pub message: String,
    /// What it is about, if that is another object than the policy.
    pub object: Option<Subject>,
    pub location: Option<Location>,
}

/// What findings have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable: consumers filter by it. `area/name`.
    pub id: Cow<'static, str>,
    pub title: Cow<'static, str>,
    /// What to do about it.
    pub help: Cow<'static, str>,
}

/// How grave a finding is; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Proven: it makes a policy False.
    Violation,
    /// Not verifiable: it keeps a policy from being True.
    Unproven,
    /// Something that could become a violation.
    Risk,
    Note,
}

/// An object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `group/version`, or `version` of the core group.
    pub api_version: String,
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// As it was given, `/` between folders.
    pub file: String,
    /// From 1 on.
    pub line: Option<u32>,
}

impl Outcome {
    /// Policies by name, findings by their gravity; and where nothing was judged, that is a finding.
    pub fn new(
        mut policies: Vec<PolicyOutcome>,
        mut findings: Vec<Finding>,
        began: Timestamp,
        ended: Timestamp,
    ) -> Self {
        if policies.is_empty() {
            findings.push(rules::NO_POLICY.finding(Level::Unproven, "no policy was judged"));
        }
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        for policy in &mut policies {
            if policy.verdict != PolicyVerdict::True && policy.findings.iter().all(|one| one.level > Level::Unproven) {
                policy.findings.push(rules::UNANSWERED.finding(Level::Unproven, "it is not known why"));
            }
            policy.findings.sort_by_key(|finding| finding.level);
        }
        findings.sort_by_key(|finding| finding.level);
        Self { policies, findings, began, ended }
    }

    pub fn policies(&self) -> &[PolicyOutcome] {
        &self.policies
    }

    /// What else is known of a policy: a violation makes it False, and what is not verifiable keeps it from being True.
    pub fn add(&mut self, policy: &str, findings: impl IntoIterator<Item = Finding>) {
        let findings: Vec<_> = findings.into_iter().collect();
        let gravest = findings.iter().map(|finding| finding.level).min();
        let own = self.policies.iter_mut().find(|own| own.name.to_string() == policy);
        let all = match own {
            None => &mut self.findings,
            Some(own) => {
                own.verdict = match (gravest, own.verdict) {
                    (Some(Level::Violation), _) => PolicyVerdict::False,
                    (Some(Level::Unproven), PolicyVerdict::True) => PolicyVerdict::Unknown,
                    (_, verdict) => verdict,
                };
                &mut own.findings
            }
        };
        all.extend(findings);
        all.sort_by_key(|finding| finding.level);
    }

    /// Where a policy is written: the place of what is found of it and of no other object.
    pub fn place(&mut self, policy: &NamespacedName, at: &Location) {
        let own = self.policies.iter_mut().filter(|own| own.name == *policy).flat_map(|own| &mut own.findings);
        for finding in own.filter(|finding| finding.location.is_none() && finding.object.is_none()) {
            finding.location = Some(at.clone());
        }
    }

    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Every finding, with the policy that it is of: those of policies first.
    pub fn all_findings(&self) -> impl Iterator<Item = (Option<&PolicyOutcome>, &Finding)> {
        let of = |policy| move |finding| (Some(policy), finding);
        let of_policies = self.policies.iter().flat_map(move |policy| policy.findings.iter().map(of(policy)));
        of_policies.chain(self.findings.iter().map(|finding| (None, finding)))
    }

    /// s; a clock that was set back in between counts as no time.
    pub fn seconds(&self) -> f64 {
        self.ended.duration_since(self.began).as_secs_f64().max(0.0)
    }
}

impl PolicyOutcome {
    pub fn subject(&self) -> Subject {
        Subject {
            api_version: format!("{GROUP}/v1alpha1"),
            kind: KIND.to_owned(),
            namespace: self.name.namespace.clone(),
            name: self.name.name.clone(),
        }
    }

    /// Every count by a name that stays; those that are by label only if there are any.
    pub fn named_counts(&self) -> Vec<(String, u64)> {
        let counts = &self.counts;
        let plain = [
            ("requests", counts.requests),
            ("verified", counts.verified),
            ("provisional", counts.provisional),
            ("forced", counts.forced),
            ("mirrors", counts.mirrors),
            ("withdrawn", counts.withdrawn),
            ("lost", counts.lost),
            ("canaries", counts.canaries),
        ];
        let labelled = [("bypassed", &counts.bypassed), ("unverified", &counts.unverified), ("exempt", &counts.exempt)];
        let labelled = labelled.into_iter().flat_map(|(name, by_label)| {
            by_label.iter().map(move |(label, count)| (format!("{name}.{label}"), *count))
        });
        plain.into_iter().map(|(name, count)| (name.to_owned(), count)).chain(labelled).collect()
    }

    /// In one line, for people.
    pub fn words(&self) -> String {
        format!("{:?}: requests {}, verified {}", self.verdict, self.counts.requests, self.counts.verified)
    }
}

impl Rule {
    pub const fn new(id: &'static str, title: &'static str, help: &'static str) -> Self {
        Self { id: Cow::Borrowed(id), title: Cow::Borrowed(title), help: Cow::Borrowed(help) }
    }

    pub fn finding(self, level: Level, message: impl Into<String>) -> Finding {
        Finding { rule: self, level, message: message.into(), object: None, location: None }
    }
}

impl Finding {
    pub fn about(self, object: impl Into<Subject>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    /// `line`: from 1 on.
    pub fn at(self, file: impl Into<String>, line: Option<u32>) -> Self {
        Self { location: Some(Location { file: file.into(), line }), ..self }
    }
}

impl From<&Object> for Subject {
    fn from(object: &Object) -> Self {
        let group = &object.key.group;
        Self {
            api_version: if group.is_empty() { object.version.clone() } else { format!("{group}/{}", object.version) },
            kind: object.key.kind.clone(),
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.id, self.message)?;
        if let Some(object) = &self.object {
            write!(f, " ({object})")?;
        }
        if let Some(Location { file, line }) = &self.location {
            write!(f, " at {file}")?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
        }
        Ok(())
    }
}
