//! What the verifier tells, counted from the gate's start. Pure.

use serde::Serialize;

use crate::judge::PolicyVerdict;
use crate::model::{NamespacedName, as_text};
use crate::verifier::canary::{Outcome, Told};
use crate::verifier::report::PolicyReport;
use crate::verifier::window::Said;

/// What the gate found, of one policy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    r#type: &'static str,
    #[serde(serialize_with = "as_text")]
    pub policy: NamespacedName,
    /// UID of the policy, once the verifier has told it.
    #[serde(skip)]
    pub uid: Option<String>,
    generation: i64,
    pub verdict: PolicyVerdict,
    pub(super) since: Said,
    pub(super) provisional: u64,
    pub(super) covered: bool,
    /// Canaries, if the gate sends any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) canaries: Option<Vec<Told>>,
    /// Why the verdict is not True, where the counts do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

/// Counts from the gate's start, whatever the verifier counts from. Pure.
#[derive(Debug)]
pub struct Gate {
    policy: NamespacedName,
    generation: i64,
    base: Option<PolicyReport>,
    now: Option<PolicyReport>,
    trouble: Option<String>,
    /// Those that were sent; none yet: they are awaited.
    canaries: Option<Vec<Told>>,
    /// Another verifier took over: what happened meanwhile it may not have seen.
    replaced: bool,
}

impl Gate {
    /// `canaries`: whether some are sent, so that there is no True without them.
    pub fn new(policy: NamespacedName, generation: i64, canaries: bool) -> Self {
        let canaries = canaries.then(Vec::new);
        Self { policy, generation, base: None, now: None, trouble: None, canaries, replaced: false }
    }

    pub fn counts(&self) -> bool {
        self.base.is_some()
    }

    /// What came of the canaries so far.
    pub fn take_canaries(&mut self, told: Vec<Told>) {
        self.canaries = Some(told);
    }

    pub fn take(&mut self, report: PolicyReport) {
        self.trouble = None;
        if report.generation != self.generation {
            self.trouble = Some(format!(
                "the verifier knows generation {} of the policy, and {} is wanted",
                report.generation, self.generation
            ));
            return;
        }
        match &self.base {
            None => self.base = Some(report.clone()),
            Some(base) => self.replaced |= (base.verifier, &base.uid) != (report.verifier, &report.uid),
        }
        self.now = Some(report);
    }

    pub fn no_answer(&mut self, why: String) {
        self.trouble = Some(why);
    }

    pub fn found(&self, min_verified: u64) -> Found {
        let (since, provisional, covered) = match (&self.base, &self.now) {
            (Some(base), Some(now)) if !self.replaced => (now.total.since(&base.total), now.provisional, now.covered),
            // What a new verifier says is true, but it is not all.
            (_, Some(now)) => (now.total.clone(), now.provisional, false),
            _ => (Said::default(), 0, false),
        };
        let mut why = self.trouble.clone();
        if self.replaced {
            why = Some("another verifier has taken over meanwhile: run the gate again".to_owned());
        }
        let covered = covered && why.is_none();
        // A canary that was verified is a request that was verified: it shows the path, if nobody else sends anything.
        let mut counted = since.clone();
        counted.verified += verified(self.canaries.as_deref());
        let mut verdict = counted.verdict(min_verified, provisional, covered);
        if let (PolicyVerdict::True, Some(open)) = (verdict, self.canaries.as_deref().and_then(unsatisfying)) {
            verdict = PolicyVerdict::Unknown;
            why = Some(open);
        }
        Found {
            r#type: "gate",
            policy: self.policy.clone(),
            uid: self.now.as_ref().map(|now| now.uid.clone()),
            generation: self.generation,
            verdict,
            since,
            provisional,
            covered,
            canaries: self.canaries.clone(),
            why,
        }
    }
}

impl Found {
    pub(super) fn verified_canaries(&self) -> u64 {
        verified(self.canaries.as_deref())
    }
}

fn verified(canaries: Option<&[Told]>) -> u64 {
    canaries.into_iter().flatten().filter(|told| told.outcome == Outcome::Verified).count() as u64
}

/// Why these are not enough to believe that what is sent is seen.
pub(super) fn unsatisfying(canaries: &[Told]) -> Option<String> {
    if canaries.is_empty() {
        return Some("no canary was sent yet".to_owned());
    }
    let open = canaries
        .iter()
        .find(|told| !matches!(told.outcome, Outcome::Verified | Outcome::Detected | Outcome::Blocked))?;
    let about = |what: &str| Some(format!("canary {:?} to {}: {what}", open.kind, open.url));
    match open.outcome {
        Outcome::Waiting => about("not judged yet"),
        Outcome::Unexpected => about(&format!("it was judged {}", open.seen.as_deref().unwrap_or_default())),
        Outcome::NotSent => about("it could not be sent"),
        Outcome::Missed => about("it was sent and never seen: the verifier is blind, or a proxy answered it"),
        Outcome::Verified | Outcome::Detected | Outcome::Blocked => None,
    }
}

/// `2 detected, 1 verified`.
fn by_outcome(canaries: &[Told]) -> String {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    canaries.iter().for_each(|told| *counts.entry(format!("{:?}", told.outcome).to_lowercase()).or_default() += 1);
    let counts: Vec<_> = counts.into_iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { policy, verdict, since, .. } = self;
        write!(f, "{policy}: {verdict:?}: requests {}, verified {}", since.requests, since.verified)?;
        for (kind, count) in &since.bypassed {
            write!(f, ", bypassed {kind} {count}")?;
        }
        for (reason, count) in &since.unverified {
            write!(f, ", unverified {reason} {count}")?;
        }
        let more = [("forced", since.forced), ("provisional", self.provisional), ("lost", since.lost)];
        for (name, count) in more.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {name} {count}")?;
        }
        if let Some(canaries) = &self.canaries {
            write!(f, ", canaries: {}", by_outcome(canaries))?;
        }
        if !self.covered {
            write!(f, ", not covered")?;
        }
        match &self.why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
