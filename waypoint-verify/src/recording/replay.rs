//! A recording, judged again.

use std::io::{self, Read};
use std::sync::Arc;

use super::parts::{Begin, End};
use super::reader::{Broken, Reader};
use crate::judge::{Explain, Judge, Judged, PolicyVerdict};
use crate::model::NamespacedName;
use crate::report::Summary;

/// What came of it.
#[derive(Debug)]
pub struct Replayed {
    pub begin: Begin,
    pub end: End,
    /// By the minimum that was recorded.
    pub summary: Summary,
    /// The recording's own digest.
    pub sha256: super::Digest,
}

impl Replayed {
    /// Policies of which something else was said when it was recorded: what was said, and what is now.
    pub fn differences(&self) -> impl Iterator<Item = (&NamespacedName, Option<PolicyVerdict>, PolicyVerdict)> {
        self.summary.policies.iter().filter_map(|policy| {
            let then =
                self.end.said.iter().find(|(name, _)| *name == policy.policy.to_string()).map(|(_, verdict)| *verdict);
            (then != Some(policy.verdict)).then_some((&policy.policy, then, policy.verdict))
        })
    }
}

/// Judges what was recorded. `each` empties what was judged; it is called where the judge was told something that may have
/// led to verdicts.
///
/// Whether all of it was as recorded is known at its end: who shows verdicts before that has read it once already.
pub fn replay(
    from: impl Read,
    explain: Explain,
    mut each: impl FnMut(&mut Vec<Judged>) -> io::Result<()>,
) -> Result<Replayed, Broken> {
    let (mut reader, mut begin) = Reader::open(from)?;
    let watch = Arc::new(std::mem::take(&mut begin.watch));
    let mut judge = Judge::new(Arc::clone(&watch), begin.limits(explain));
    judge.set_coverage(begin.uncovered_nodes.is_empty());
    let mut judged = Vec::new();
    let end = reader.evidence(|evidence| {
        judge.apply(evidence, &mut judged);
        if judged.is_empty() { Ok(()) } else { each(&mut judged) }
    })?;
    let mut summary = Summary::replayed(&judge, end.observed.clone());
    summary.decide(begin.min_verified);
    begin.watch = Arc::unwrap_or_clone(watch);
    // The end was read.
    let sha256 = reader.digest().ok_or(Broken::Digest)?;
    Ok(Replayed { begin, end, summary, sha256 })
}
