//! What the verifier that judges answers, from what it knows.

use serde_json::Value;

use super::super::canary::{Asked, Refused};
use super::super::declarations::Shown;
use super::super::questions::Question;
use super::super::report::{Counters, PolicyReport, Report};
use super::super::window::Said;
use super::State;
use crate::engine::random_key;
use crate::inventory::CanaryPaths;
use crate::model::{BootNs, NamespacedName};
use crate::probe::boot_ns;

/// Findings that are told.
const FINDINGS: usize = 100;

impl State {
    /// Asked between two pieces of evidence.
    pub fn answer(&mut self, question: Question) -> anyhow::Result<()> {
        let at = boot_ns()?;
        // Whoever asked may have gone.
        match question {
            Question::Earlier { policy, age, answer } => {
                let _ = answer.send(self.earlier(&policy, at, age));
            }
            Question::Verdicts { policy, wanted, answer } => {
                let record = self.judges.record(&policy);
                let _ = answer.send(record.map(|record| record.recent.shown(wanted)));
            }
            Question::Declared { policy, answer } => {
                let _ = answer.send(self.declared_of(&policy));
            }
            Question::Issue { asked, answer } => {
                let issued = match self.canary_paths(&asked) {
                    Ok(paths) => self.judges.canaries.issue(&asked, &paths, at, random_key)?,
                    Err(refused) => Err(refused),
                };
                let _ = answer.send(issued);
            }
            Question::Sent { pod, id, sent, answer } => {
                let _ = answer.send(self.judges.canaries.sent(&pod, &id, sent));
            }
            Question::Canaries { policy, run, answer } => {
                let _ = answer.send(self.judges.canaries.told(&policy, &run, at));
            }
        }
        Ok(())
    }

    fn declared_of(&self, name: &NamespacedName) -> Option<Value> {
        let facts = self.facts(name, &self.coverage)?;
        let shown = Shown { analysis: facts.declared?, seen: &facts.said.bypassed, undeclared: facts.undeclared };
        serde_json::to_value(shown).ok()
    }

    /// With the counts as they were `age` seconds ago.
    fn earlier(&self, name: &NamespacedName, at: BootNs, age: u64) -> Option<PolicyReport> {
        let uid = &self.picture.policies.get(name)?.uid;
        let said = self.judges.record(name)?.window.said_since(at, age.saturating_mul(1_000_000_000))?;
        let mut report = self.report_of(name, uid)?;
        report.total = report.total.since(&said);
        Some(report)
    }

    /// Only when everything is seen: what is not would say nothing of the verifier.
    fn canary_paths(&self, asked: &Asked) -> Result<CanaryPaths, Refused> {
        let not_yet = |what: &str| Err(Refused::NotYet(what.to_owned()));
        let name = &asked.policy;
        let picture = &self.picture;
        let policy = picture.policies.get(name).filter(|policy| policy.nature().is_none());
        let policy = policy.ok_or_else(|| Refused::NoPolicy(name.clone()))?;
        let paths = policy.canary.clone().ok_or_else(|| Refused::NotWanted(name.clone()))?;
        if !picture.watch.pods.contains_key(&asked.pod) {
            return not_yet("the pod that asks is not known yet");
        }
        if self.covered_with != Some(picture.watch.revision) || !self.errors.is_empty() {
            return not_yet("not every node is covered, with what the cluster is now");
        }
        Ok(paths)
    }

    /// For whoever asks. `failed`: what could not be written. `suppressed`: Events that were not.
    pub fn report(&self, failed: Vec<String>, suppressed: u64) -> Report {
        Report {
            policies: self.policies().filter_map(|(name, uid)| self.report_of(name, uid)).collect(),
            coverage: self.coverage.clone(),
            counters: Counters { suppressed_events: suppressed, ..self.counters.clone() },
            lag: self.complete.map(|complete| complete.elapsed()),
            stands_by_for: None,
            not_ready: self.troubles.iter().cloned().chain(failed).collect(),
            notes: self.lockstep.notes(),
            findings: self.findings(),
            missing: self.missing.iter().map(|kind| (*kind).to_owned()).collect(),
        }
    }

    fn findings(&self) -> Vec<String> {
        let all = &self.picture.watch.findings;
        let mut told: Vec<_> = all.iter().take(FINDINGS).cloned().collect();
        if all.len() > FINDINGS {
            told.push(format!("and {} more", all.len() - FINDINGS));
        }
        told
    }

    fn report_of(&self, name: &NamespacedName, uid: &str) -> Option<PolicyReport> {
        let facts = self.facts(name, &self.coverage)?;
        Some(PolicyReport {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            uid: uid.to_owned(),
            generation: facts.policy.generation,
            verdict: facts.verdict(),
            total: self.judges.record(name).map_or_else(Said::default, |record| record.window.total.clone()),
            provisional: facts.provisional,
            covered: facts.all_is_seen(),
            verifier: self.lineage,
        })
    }
}
