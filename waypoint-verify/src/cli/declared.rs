//! Declared paths for commands that judge traffic, and where they are written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::Context as _;

use super::kube::Kube;
use super::routes::Policing;
use super::routes::source::{Source, State};
use crate::manifest::{ObjectKey, file_of, line_of};
use crate::model::NamespacedName;
use crate::policy::{GROUP, KIND, Loaded};
use crate::report::outcome::{Location, Outcome, risks};
use crate::routes::{Analysis, Assumptions, Hop, compare};

/// Finds lines of files; each file is read once.
#[derive(Default)]
pub struct Lines {
    files: RefCell<HashMap<String, Option<String>>>,
}

impl Lines {
    pub fn locate(&self, hop: &Hop) -> Option<Location> {
        self.find(hop.source.as_deref()?, hop.key.as_ref()?, hop.field.as_deref())
    }

    /// Where a policy is written.
    pub fn of_policy(&self, policy: &Loaded) -> Option<Location> {
        let (group, kind) = (GROUP.to_owned(), KIND.to_owned());
        let key = ObjectKey { group, kind, namespace: policy.namespace.clone(), name: policy.name.clone() };
        self.find(&policy.source, &key, None)
    }

    fn find(&self, source: &str, key: &ObjectKey, field: Option<&str>) -> Option<Location> {
        let file = file_of(source);
        let mut files = self.files.borrow_mut();
        // Standard input and the cluster are no files.
        let text = files.entry(file.to_owned()).or_insert_with(|| std::fs::read_to_string(file).ok()).as_ref()?;
        Some(Location { file: file.to_owned(), line: line_of(text, key, field) })
    }
}

/// Paths of these policies, or of every one among these objects.
pub fn analyses(
    only: Option<&NamespacedName>,
    sources: &[Source],
    access: &Kube,
    namespace: &str,
    policing: Policing,
) -> anyhow::Result<Vec<Analysis>> {
    let mut state = State::read(sources, access, namespace)?;
    let (mut policies, problems) = state.take_policies();
    policies.retain(|policy| only.is_none_or(|only| policy.key() == *only));
    state.unread.extend(problems);
    if policies.is_empty() {
        let which =
            only.map_or_else(|| "no WaypointPolicy is".to_owned(), |only| format!("WaypointPolicy {only} is not"));
        anyhow::bail!("{which} among the declared objects: add the file that holds it with --declared");
    }
    let assumptions = Assumptions { enforcement: policing.mode(), ..Assumptions::default() };
    super::routes::analyses(state, &policies, &assumptions)
}

/// One JSON object a line, of type `declared`.
pub fn lines(analyses: &[Analysis]) -> anyhow::Result<String> {
    let mut text = String::new();
    for analysis in analyses {
        let mut line = serde_json::to_value(analysis).context("writing declared paths")?;
        line["type"] = "declared".into();
        text.push_str(&line.to_string());
        text.push('\n');
    }
    Ok(text)
}

/// Adds what the declared paths say to an outcome; in words, too.
pub fn tell(analyses: &[Analysis], outcome: &mut Outcome) -> String {
    let lines = Lines::default();
    let mut text = String::new();
    for analysis in analyses {
        let Some(policy) = outcome.policies().iter().find(|policy| policy.name.to_string() == analysis.policy) else {
            continue;
        };
        let compared = compare(analysis, &policy.counts.bypassed);
        let _ = write!(
            text,
            "\n{}: declared past the waypoint {}, of which seen {}",
            analysis.policy,
            compared.seen.len() + compared.unseen.len(),
            compared.seen.len()
        );
        let findings = risks(&compared, analysis, &|hop| lines.locate(hop));
        for finding in &findings {
            let _ = write!(text, "\n  {finding}");
        }
        outcome.add(&analysis.policy, findings);
    }
    text
}
