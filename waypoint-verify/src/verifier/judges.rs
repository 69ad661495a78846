//! The judge of all policies, and of each what it said within its window.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::canary::Canaries;
use super::checkpoint::Saved;
use super::picture::Picture;
use super::recent::Recent;
use super::status;
use super::window::{Said, Window};
use crate::evidence::Evidence;
use crate::judge::{self, Explanation, Judge, Judged, Tally, Testified};
use crate::lockstep::{Coverage, Testimony};
use crate::model::{BootNs, Bypass, MessageKey, NamespacedName, Verdict, WatchList};
use crate::policy::LastBypass;

/// Of one policy, in one generation of its spec.
#[derive(Debug)]
pub struct Record {
    pub uid: String,
    pub generation: i64,
    /// It is judged.
    accepted: bool,
    pub window: Window,
    /// Within the window, as of the last tick.
    pub said: Said,
    pub last_bypass: Option<LastBypass>,
    pub since: Timestamp,
    pub provisional: u64,
    pub recent: Recent,
}

#[derive(Debug)]
pub struct Judges {
    judge: Judge,
    records: BTreeMap<NamespacedName, Record>,
    judged: Vec<Judged>,
    /// What an earlier verifier had counted, until its policy is there; and how long ago that was.
    saved: BTreeMap<NamespacedName, Saved>,
    passed: BootNs,
    pub canaries: Canaries,
    /// Evidence that a node gave of what another one had observed.
    pub not_own: u64,
}

impl Judges {
    /// `passed`: since the counts of `saved` were written down.
    pub fn new(limits: judge::Limits, saved: Vec<(NamespacedName, Saved)>, passed: BootNs) -> Self {
        let mut judge = Judge::new(Arc::new(WatchList::default()), limits);
        judge.set_coverage(false);
        Self {
            judge,
            records: BTreeMap::new(),
            judged: Vec::new(),
            saved: saved.into_iter().collect(),
            passed,
            canaries: Canaries::default(),
            not_own: 0,
        }
    }

    /// A policy whose spec changed begins anew, as Unknown. So does one that was not accepted meanwhile (its targets had no pod), unless
    /// requests under it bypassed: that is not forgotten, and what was not seen meanwhile is a loss.
    pub fn set_picture(&mut self, picture: &Picture, at: BootNs, now: Timestamp) {
        // Those that were accepted are in the watch list, and no others.
        let accepted = || picture.watch.policies.iter().filter_map(|one| Some((one, picture.policies.get(&one.name)?)));
        self.records.retain(|name, known| {
            let is_there = picture.policies.get(name).is_some_and(|policy| known.is_of(&policy.uid, policy.generation));
            let is_accepted = accepted().any(|(one, _)| one.name == *name);
            if is_accepted && !known.accepted {
                known.window.resume(at);
            }
            known.accepted = is_accepted;
            is_there && (is_accepted || known.window.said().bypasses() > 0)
        });
        let anew: BTreeSet<_> =
            accepted().map(|(one, _)| &one.name).filter(|name| !self.records.contains_key(*name)).cloned().collect();
        self.judge.set_watch(Arc::clone(&picture.watch), &anew);
        for (compiled, policy) in accepted().filter(|(one, _)| anew.contains(&one.name)) {
            let saved = self.saved.remove(&compiled.name);
            let saved = saved.filter(|saved| (&saved.uid, saved.generation) == (&policy.uid, policy.generation));
            let last_bypass = saved.as_ref().and_then(Saved::last_bypass);
            let since = saved.as_ref().and_then(|saved| Timestamp::from_second(saved.since).ok()).unwrap_or(now);
            let window = match saved {
                Some(saved) => Window::restored(compiled.window, saved.window, self.passed, at),
                None => Window::new(compiled.window, at),
            };
            let (uid, generation, said) = (policy.uid.clone(), policy.generation, window.said());
            let recent = Recent::default();
            let (provisional, accepted) = (0, true);
            let record = Record { uid, generation, accepted, window, said, last_bypass, since, provisional, recent };
            self.records.insert(compiled.name.clone(), record);
        }
    }

    pub fn apply(&mut self, testimony: Testimony) {
        let testified = self.judge.apply_of(&testimony.node, testimony.evidence, &mut self.judged);
        self.not_own += u64::from(testified == Testified::OfAnother);
    }

    /// Gives the verdicts of one tick. What is not seen now was not seen in the connections that are opened now.
    pub fn tick(&mut self, at: BootNs, now: Timestamp, coverage: &Coverage) {
        let covered = coverage.is_complete();
        let was_covered = self.judge.set_coverage(covered);
        self.judge.look_for(self.canaries.ids().map(str::to_owned).collect());
        self.judge.apply(Evidence::Tick { at }, &mut self.judged);
        if covered && !was_covered {
            self.judge.observed_since(at);
        }
        let canary: Vec<bool> = self.judged.iter().map(|judged| self.canaries.take(judged, at)).collect();
        let judged = || self.judged.iter().zip(canary.iter().copied());
        let (tallies, none): (BTreeMap<_, _>, _) = (self.judge.tallies().collect(), Tally::default());
        for (name, record) in &mut self.records {
            let tally = tallies.get(name).copied().unwrap_or(&none);
            let ours = || judged().filter(|(judged, _)| *judged.policy == *name);
            record.window.tick(at, ours(), tally);
            record.said = record.window.said();
            record.provisional = tally.provisional;
            let mut requests = ours().rev().filter(|(_, is_canary)| !is_canary);
            if let Some(bypass) = requests.find_map(|(judged, _)| last_bypass(judged, now)) {
                record.last_bypass = Some(bypass);
            }
        }
        for (judged, is_canary) in self.judged.drain(..).zip(canary) {
            if let Some(record) = self.records.get_mut(&*judged.policy) {
                record.recent.push(now, judged, is_canary);
            }
        }
    }

    /// For another verifier.
    pub fn save(&self, at: BootNs) -> Vec<(NamespacedName, Saved)> {
        let saved = self.records.iter().map(|(name, record)| {
            let window = record.window.aged(at, record.provisional);
            let last = record.last_bypass.as_ref();
            let since = record.since.as_second();
            (name.clone(), Saved::new(record.uid.clone(), record.generation, window, last, since))
        });
        saved.collect()
    }

    pub fn open_arrivals(&self) -> impl Iterator<Item = MessageKey> {
        self.judge.open_arrivals()
    }

    pub fn record(&self, name: &NamespacedName) -> Option<&Record> {
        self.records.get(name)
    }

    pub fn evicted(&self) -> u64 {
        self.judge.evicted()
    }
}

impl Record {
    fn is_of(&self, uid: &str, generation: i64) -> bool {
        (self.uid.as_str(), self.generation) == (uid, generation)
    }
}

fn last_bypass(judged: &Judged, now: Timestamp) -> Option<LastBypass> {
    let Verdict::Bypassed(kinds) = &judged.verdict else { return None };
    let of = |line: &dyn Fn(&Explanation) -> String| {
        status::line(judged.explanation.as_deref().map(line).unwrap_or_default())
    };
    Some(LastBypass {
        time: Time(now),
        kinds: Bypass::names(kinds).into_owned(),
        request: of(&|explanation| explanation.request.to_string()),
        from: of(&|explanation| {
            let through: String =
                explanation.listeners.iter().map(|listener| format!(", through {listener}")).collect();
            format!("{}{through}", explanation.sender)
        }),
        at: of(&|explanation| {
            let hop = explanation.hops.first();
            hop.map_or_else(String::new, |hop| format!("{}, {}", hop.owner, hop.local))
        }),
    })
}

#[cfg(test)]
mod tests;
