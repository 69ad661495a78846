//! A statement that was signed, against what it is about.

use serde_json::Value;

use super::statement::{Descriptor, Outcome, PREDICATE_TYPE, STATEMENT_TYPE, Statement, TestResult, Tested};
use crate::recording::{Replayed, Role, Source};

/// Why a statement does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("its payload is no statement ({0})")]
    Form(String),
    #[error("its {field} is {got:?}, not {wanted}")]
    Type { field: &'static str, got: String, wanted: &'static str },
    #[error("it names no {0} with a SHA-256 digest: it says nothing of any file")]
    NoSubject(&'static str),
    #[error("the subject {0:?} has no role or no SHA-256 digest as waypoint-verify writes them")]
    Subject(String),
    #[error("the subject {0:?} holds something else than its digest says")]
    Held(String),
    #[error("its result is {result:?}, and its tests say something else")]
    Inconsistent { result: Outcome },
    #[error("{role} {name}: another content was attested")]
    Content { role: Role, name: String },
    #[error("{name} was attested as {attested}, not as {role}")]
    OtherRole { role: Role, name: String, attested: Role },
    #[error("{role} {name} is none of the files that were attested")]
    NotAttested { role: Role, name: String },
    #[error("the evidence was recorded with other policies or another inventory than are attested")]
    OtherSources,
    #[error("the evidence holds another watch list than these policies and this inventory make")]
    OtherWatchList,
    #[error("judged again (version {version}) it is {found:?}, attested was {attested:?}")]
    OtherResult { attested: Outcome, found: Outcome, version: &'static str },
    #[error("judged again (version {version}) the result is the same, but not what was counted or said of each policy")]
    OtherCounts { version: &'static str },
}

/// A statement of ours, with its subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct Attested {
    pub statement: Statement,
    pub sources: Vec<Source>,
}

/// Reads what an envelope held.
pub fn read(payload: &[u8]) -> Result<Attested, Mismatch> {
    // The types first: what another type of statement holds may have any form.
    let typed: serde_json::Value =
        serde_json::from_slice(payload).map_err(|error| Mismatch::Form(error.to_string()))?;
    for (field, wanted) in [("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)] {
        let got = typed.get(field).and_then(|got| got.as_str()).unwrap_or_default();
        if got != wanted {
            return Err(Mismatch::Type { field, got: got.into(), wanted });
        }
    }
    let statement: Statement = serde_json::from_slice(payload).map_err(|error| Mismatch::Form(error.to_string()))?;
    let sources =
        statement.subject.iter().map(|subject| subject.source().ok_or_else(|| Mismatch::Subject(subject.name.clone())));
    let sources: Vec<Source> = sources.collect::<Result<_, _>>()?;
    if !sources.iter().any(|source| source.role == Role::Policy) {
        return Err(Mismatch::NoSubject("policy"));
    }
    if let Some(subject) =
        statement.subject.iter().find(|subject| subject.content.is_some() && subject.held().is_none())
    {
        return Err(Mismatch::Held(subject.name.clone()));
    }
    let result = statement.predicate.result;
    if statement.predicate.is_consistent() {
        Ok(Attested { statement, sources })
    } else {
        Err(Mismatch::Inconsistent { result })
    }
}

impl Attested {
    /// Files that are at hand have to be among the subjects, each in its role.
    pub fn compare(&self, given: &[Source]) -> Result<(), Mismatch> {
        for Source { role, name, sha256 } in given {
            let (role, name) = (*role, name.clone());
            if self.sources.iter().any(|known| (known.role, known.sha256) == (role, *sha256)) {
                continue;
            }
            return Err(match self.sources.iter().find(|known| known.sha256 == *sha256) {
                Some(known) => Mismatch::OtherRole { role, name, attested: known.role },
                // Of evidence there is one, whatever it is called by now.
                None if self
                    .sources
                    .iter()
                    .any(|known| known.role == role && (known.name == name || role == Role::Evidence)) =>
                {
                    Mismatch::Content { role, name }
                }
                None => Mismatch::NotAttested { role, name },
            });
        }
        Ok(())
    }

    /// The policy that it holds itself: the object of a cluster that a verifier judged.
    pub fn policy(&self) -> Option<Value> {
        let mut held = self.statement.subject.iter().filter_map(Descriptor::held);
        held.find_map(|octets| serde_json::from_slice(&octets).ok())
    }

    /// Subjects that were not at hand.
    pub fn not_among<'a>(&'a self, given: &'a [Source]) -> impl Iterator<Item = &'a Source> {
        self.sources
            .iter()
            .filter(|known| !given.iter().any(|given| (given.role, given.sha256) == (known.role, known.sha256)))
    }

    /// The evidence, judged again, has to say the same.
    pub fn judged_again(&self, replayed: &Replayed) -> Result<(), Mismatch> {
        let files = |sources: &[Source]| {
            let files = sources.iter().filter(|source| source.role != Role::Evidence);
            let mut files: Vec<_> = files.map(|source| (source.role, source.sha256)).collect();
            files.sort_unstable();
            files
        };
        if files(&self.sources) != files(&replayed.begin.sources) {
            return Err(Mismatch::OtherSources);
        }
        let version = env!("CARGO_PKG_VERSION");
        let attested = &self.statement.predicate;
        let found = TestResult::of(&Tested::from(&replayed.summary), (0, 0), Vec::new());
        if found.result != attested.result {
            return Err(Mismatch::OtherResult { attested: attested.result, found: found.result, version });
        }
        let tests = |result: &TestResult| {
            [&result.passed_tests, &result.warned_tests, &result.failed_tests].map(|tests| {
                let mut tests = tests.clone();
                tests.sort_unstable();
                tests
            })
        };
        let counts = |result: &TestResult| result.waypoint_verify.as_ref().map(|counted| counted.policies.clone());
        if tests(&found) != tests(attested) || (counts(attested).is_some() && counts(&found) != counts(attested)) {
            return Err(Mismatch::OtherCounts { version });
        }
        Ok(())
    }
}
