//! What the gate of a cluster comes to, for reports. Pure.

use k8s_openapi::jiff::Timestamp;

use super::count::{Found, unsatisfying};
use crate::policy::Counts;
use crate::report::Outcome;
use crate::report::outcome::{CANARY, Level, NOT_COVERED, PolicyOutcome, UNANSWERED, counted};
use crate::verifier::status::counts;

impl Found {
    /// `min_verified`: by which the verdict was made.
    pub fn outcome(&self, min_verified: u64, began: Timestamp, ended: Timestamp) -> Outcome {
        let counts = counts(&self.since, self.provisional);
        // A verified canary is one of those that are wanted.
        let enough = Counts { verified: counts.verified + self.verified_canaries(), ..counts.clone() };
        let mut findings = counted(&enough, min_verified, |_| None);
        let canary = self.canaries.as_deref().and_then(unsatisfying);
        if let Some(why) = &canary {
            findings.push(CANARY.finding(Level::Unproven, why.as_str()));
        }
        if let Some(why) = self.why.as_ref().filter(|why| Some(*why) != canary.as_ref()) {
            findings.push(UNANSWERED.finding(Level::Unproven, why.as_str()));
        } else if !self.covered {
            findings.push(NOT_COVERED.finding(Level::Unproven, "not every node was covered at the end"));
        }
        let (name, uid, verdict) = (self.policy.clone(), self.uid.clone(), self.verdict);
        Outcome::new(vec![PolicyOutcome { name, uid, verdict, counts, findings }], Vec::new(), began, ended)
    }
}

#[cfg(test)]
mod tests;
