//! An in-toto Statement v1 with a test-result predicate v0.1: each policy is a test, the files are its subjects.
//!
//! Source: github.com/in-toto/attestation, `spec/v1/statement.md`, `spec/v1/resource_descriptor.md` and
//! `spec/predicates/test-result.md`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::judge::PolicyVerdict;
use crate::model::NamespacedName;
use crate::recording::{Digest, Role, Source};
use crate::report::Summary;

pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    pub statement_type: String,
    pub subject: Vec<Descriptor>,
    pub predicate_type: String,
    pub predicate: TestResult,
}

/// A ResourceDescriptor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Ours: `role`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    Passed,
    /// Not verifiable: never a pass.
    Warned,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    pub result: Outcome,
    pub configuration: Vec<Descriptor>,
    #[serde(default)]
    pub passed_tests: Vec<String>,
    #[serde(default)]
    pub warned_tests: Vec<String>,
    #[serde(default)]
    pub failed_tests: Vec<String>,
    /// An extension: what was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waypoint_verify: Option<Counted>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Version of the program.
    pub program: String,
    /// Seconds of the epoch, by the clock of the machine that observed.
    pub began: u64,
    pub ended: u64,
    pub uncovered_nodes: Vec<String>,
    /// As in the summary.
    pub policies: Value,
}

/// What a gate found, whoever judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    pub overall: PolicyVerdict,
    pub policies: Vec<(NamespacedName, PolicyVerdict)>,
    pub uncovered_nodes: Vec<String>,
    /// As the gate tells it.
    pub counted: Value,
}

impl From<&Summary> for Tested {
    fn from(summary: &Summary) -> Self {
        Self {
            overall: summary.verdict(),
            policies: summary.policies.iter().map(|one| (one.policy.clone(), one.verdict)).collect(),
            uncovered_nodes: summary.uncovered_nodes.clone(),
            counted: json!(summary.policies),
        }
    }
}

/// What a statement is about; with its content where it is no file that somebody keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub source: Source,
    pub content: Option<Vec<u8>>,
}

impl From<Source> for Subject {
    fn from(source: Source) -> Self {
        Self { source, content: None }
    }
}

/// When observation began and ended, in seconds of the epoch.
pub type Times = (u64, u64);

impl Descriptor {
    fn of(Subject { source, content }: &Subject) -> Self {
        Self {
            name: source.name.clone(),
            digest: BTreeMap::from([("sha256".into(), source.sha256.to_string())]),
            content: content.as_ref().map(|content| STANDARD.encode(content)),
            media_type: content.as_ref().map(|_| "application/json".into()),
            annotations: BTreeMap::from([("role".into(), json!(source.role.to_string()))]),
        }
    }

    /// What it holds itself, if that is what its digest says.
    pub fn held(&self) -> Option<Vec<u8>> {
        let octets = STANDARD.decode(self.content.as_ref()?).ok()?;
        (self.digest.get("sha256") == Some(&Digest::of(&octets).to_string())).then_some(octets)
    }

    /// `None` where it is not one of ours.
    pub fn source(&self) -> Option<Source> {
        let role = match self.annotations.get("role")?.as_str()? {
            "policy" => Role::Policy,
            "inventory" => Role::Inventory,
            "evidence" => Role::Evidence,
            _ => return None,
        };
        Some(Source { role, name: self.name.clone(), sha256: Digest::from_hex(self.digest.get("sha256")?)? })
    }
}

impl TestResult {
    /// What a gate found. The verdict of all policies together outranks that of each: where a node is not covered, none passed.
    pub fn of(tested: &Tested, times: Times, configuration: Vec<Descriptor>) -> Self {
        let overall = tested.overall;
        let names = |wanted: PolicyVerdict| -> Vec<String> {
            let verdict = |verdict| match (verdict, overall) {
                (PolicyVerdict::True, PolicyVerdict::Unknown) if !tested.uncovered_nodes.is_empty() => {
                    PolicyVerdict::Unknown
                }
                (verdict, _) => verdict,
            };
            let of = tested.policies.iter().filter(|(_, own)| verdict(*own) == wanted);
            of.map(|(policy, _)| policy.to_string()).collect()
        };
        Self {
            result: match overall {
                PolicyVerdict::True => Outcome::Passed,
                PolicyVerdict::Unknown => Outcome::Warned,
                PolicyVerdict::False => Outcome::Failed,
            },
            configuration,
            passed_tests: names(PolicyVerdict::True),
            warned_tests: names(PolicyVerdict::Unknown),
            failed_tests: names(PolicyVerdict::False),
            waypoint_verify: Some(Counted {
                program: env!("CARGO_PKG_VERSION").into(),
                began: times.0,
                ended: times.1,
                uncovered_nodes: tested.uncovered_nodes.clone(),
                policies: tested.counted.clone(),
            }),
        }
    }

    /// Whether the result is the one that its tests have.
    pub fn is_consistent(&self) -> bool {
        match self.result {
            Outcome::Failed => !self.failed_tests.is_empty(),
            Outcome::Warned => self.failed_tests.is_empty(),
            Outcome::Passed => {
                self.failed_tests.is_empty() && self.warned_tests.is_empty() && !self.passed_tests.is_empty()
            }
        }
    }
}

impl Statement {
    /// Of these files and objects; `settings` are the gate's.
    pub fn of(tested: &Tested, subjects: &[Subject], times: Times, settings: &Value) -> Self {
        let settings = Descriptor {
            name: "settings".into(),
            content: Some(STANDARD.encode(settings.to_string())),
            media_type: Some("application/json".into()),
            ..Descriptor::default()
        };
        let files = subjects.iter().filter(|subject| subject.source.role != Role::Evidence).map(Descriptor::of);
        let configuration = files.chain([settings]).collect();
        Self {
            statement_type: STATEMENT_TYPE.into(),
            subject: subjects.iter().map(Descriptor::of).collect(),
            predicate_type: PREDICATE_TYPE.into(),
            predicate: TestResult::of(tested, times, configuration),
        }
    }
}
