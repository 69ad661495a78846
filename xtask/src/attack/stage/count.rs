//! What was said, counted under the labels.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::{SHADOW, Stage};
use crate::attack::label::{Intent, fate, of_path};
use crate::attack::truth::Truth;

impl Stage {
    /// Counts the newest verdict of each message under its label.
    pub(in crate::attack) fn tally(&mut self) -> Result<()> {
        if self.by_agent {
            let truth = Truth::read(&self.lab)?;
            let labels = truth.labels(self.latest().map(|(_, verdict)| verdict));
            self.agents = labels.into_iter().map(|(message, label)| (message.to_owned(), label)).collect();
        }
        let mut seen: BTreeMap<(usize, String), (u64, u64, &Value)> = BTreeMap::new();
        for (_, verdict) in self.latest() {
            let Some(label) = self.label_of(verdict) else { continue };
            let provisional = verdict["verdict"] == "verified" && verdict["final"] == false;
            let explanation = &verdict["explanation"];
            let entry = seen.entry((label, fate(verdict))).or_insert((0, 0, explanation));
            *entry = (entry.0 + 1, entry.1 + u64::from(provisional), explanation);
        }
        // One text for each kind: of thousands it would take longer than the verdicts did.
        let seen: Vec<_> =
            seen.into_iter().map(|(key, (count, late, sample))| (key, count, late, sample.to_string())).collect();
        for label in &mut self.labels {
            label.seen = self.counted.get(&label.path).cloned().unwrap_or_default();
            label.provisional = 0;
        }
        for ((label, fate), count, provisional, explanation) in seen {
            let label = &mut self.labels[label];
            label.samples.insert(fate.clone(), explanation);
            *label.seen.entry(fate).or_default() += count;
            label.provisional += provisional;
        }
        Ok(())
    }

    /// What a summary says of a label's requests, where verdicts were not told one by one.
    pub fn counted(&mut self, path: &str, fates: impl IntoIterator<Item = (String, u64)>) {
        let fates = fates.into_iter().filter(|(_, count)| *count > 0).collect();
        self.counted.insert(path.to_owned(), fates);
    }

    /// Verdicts that nobody declared, told to the attack under which they came.
    pub(in crate::attack) fn tell_unlabelled(&mut self) {
        let unlabelled: Vec<_> = self
            .latest()
            .filter(|(_, verdict)| self.label_of(verdict).is_none())
            .map(|(attack, verdict)| {
                let explanation = &verdict["explanation"];
                (attack, format!("a verdict that no label expects: {} {explanation}", fate(verdict)))
            })
            .collect();
        self.wrong.extend(unlabelled);
    }

    /// A bypass that was called Verified for good, whatever was said of it later, is told.
    pub(in crate::attack) fn tell_taken_back(&mut self) {
        let mut wrong = Vec::new();
        for verdict in self.told.iter().flatten() {
            let Some(label) = self.label_of(verdict).map(|label| &self.labels[label]) else { continue };
            if label.intent == Intent::Bypass && verdict["verdict"] == "verified" && verdict["final"] == true {
                wrong.push((label.attack, format!("{}: was Verified, {}", label.path, verdict["explanation"])));
            }
        }
        self.wrong.append(&mut wrong);
    }

    pub(super) fn label_of(&self, verdict: &Value) -> Option<usize> {
        let explanation = &verdict["explanation"];
        let by_agent = || self.agents.get(verdict["message"].as_str()?).cloned();
        let request = &explanation["request"];
        let by_path = || {
            let path = request["path"].as_str()?;
            let label = self.paths.get(path).cloned().or_else(|| of_path(path))?;
            let copied = request["authority"].as_str().is_some_and(|authority| authority.ends_with(SHADOW));
            let copy = copied.then(|| self.paths.get(&format!("{label}{SHADOW}"))).flatten();
            Some(copy.cloned().unwrap_or(label))
        };
        let by_sender = || {
            let address = explanation["sender"]["address"].as_str()?.parse().ok()?;
            self.connections.get(&address).cloned()
        };
        let path = by_agent().or_else(by_path).or_else(by_sender).or_else(|| self.rest.clone())?;
        self.labels.iter().position(|label| label.path == path)
    }

    /// The newest verdict of each message, with the attack under which it came. Each run of the verifier speaks for itself.
    pub(super) fn latest(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let running = self.verifier.iter().map(|verifier| &verifier.verdicts);
        let mut latest = BTreeMap::new();
        for (run, verdicts) in self.told.iter().chain(running).enumerate() {
            for (at, verdict) in verdicts.iter().enumerate() {
                latest.insert((run, verdict["message"].as_str().unwrap_or_default()), (at, verdict));
            }
        }
        latest.into_iter().map(|((run, _), (at, verdict))| {
            let under = self.begun.iter().rev().find(|playing| (playing.run, playing.from) <= (run, at));
            (under.map_or("", |playing| playing.attack), verdict)
        })
    }
}
