//! What was judged of one policy within its window: counts that only grow, in steps of time, of which the old ones are let go.
//!
//! What was said counts, whatever is said later: a request that was Verified and then is not counts as both (and as
//! `withdrawn`), so that nothing that was bad in the window can look good.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::judge::{Judged, PolicyVerdict, Tally};
use crate::model::{BootNs, Bypass, Class, Reason, Verdict};

/// Steps of a window: what is said within one step is let go together, at the latest when the first of it is too old.
const STEPS: u64 = 60;

/// Requests by what was said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    pub requests: u64,
    pub verified: u64,
    pub mirrors: u64,
    pub forced: u64,
    pub withdrawn: u64,
    /// Records that were lost.
    pub lost: u64,
    /// Canaries that were seen as what they were sent for.
    pub canaries: u64,
    pub bypassed: BTreeMap<String, u64>,
    pub unverified: BTreeMap<Reason, u64>,
    pub exempt: BTreeMap<String, u64>,
}

impl Said {
    fn judged(&mut self, judged: &Judged, is_canary: bool) {
        self.requests += u64::from(judged.is_first);
        self.withdrawn += u64::from(judged.withdrawn == Some(Verdict::Verified));
        if is_canary {
            self.canaries += u64::from(judged.is_final);
            return;
        }
        match (&judged.class, &judged.verdict) {
            (Class::Exempt(reason), _) => *self.exempt.entry(reason.clone()).or_default() += 1,
            // It is said again when nothing can change it.
            (_, Verdict::Verified) if !judged.is_final => {}
            (Class::Mirror, Verdict::Verified) => self.mirrors += 1,
            (Class::Request, Verdict::Verified) => self.verified += 1,
            (_, Verdict::Bypassed(kinds)) => {
                *self.bypassed.entry(Bypass::names(kinds).into_owned()).or_default() += 1;
            }
            (_, Verdict::Unverified(reason)) => *self.unverified.entry(*reason).or_default() += 1,
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.verified, other.verified),
            (&mut self.mirrors, other.mirrors),
            (&mut self.forced, other.forced),
            (&mut self.withdrawn, other.withdrawn),
            (&mut self.lost, other.lost),
            (&mut self.canaries, other.canaries),
        ] {
            *sum += more;
        }
        other.bypassed.iter().for_each(|(kind, more)| *self.bypassed.entry(kind.clone()).or_default() += more);
        other.unverified.iter().for_each(|(reason, more)| *self.unverified.entry(*reason).or_default() += more);
        other.exempt.iter().for_each(|(reason, more)| *self.exempt.entry(reason.clone()).or_default() += more);
    }

    /// What came after an earlier state of the same counts.
    pub fn since(&self, earlier: &Self) -> Self {
        fn maps<K: Ord + Clone>(now: &BTreeMap<K, u64>, then: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
            let grown =
                now.iter().map(|(key, count)| (key.clone(), count - then.get(key).copied().unwrap_or(0).min(*count)));
            grown.filter(|(_, count)| *count > 0).collect()
        }
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            verified: self.verified.saturating_sub(earlier.verified),
            mirrors: self.mirrors.saturating_sub(earlier.mirrors),
            forced: self.forced.saturating_sub(earlier.forced),
            withdrawn: self.withdrawn.saturating_sub(earlier.withdrawn),
            lost: self.lost.saturating_sub(earlier.lost),
            canaries: self.canaries.saturating_sub(earlier.canaries),
            bypassed: maps(&self.bypassed, &earlier.bypassed),
            unverified: maps(&self.unverified, &earlier.unverified),
            exempt: maps(&self.exempt, &earlier.exempt),
        }
    }

    pub fn bypasses(&self) -> u64 {
        self.bypassed.values().sum::<u64>() + self.forced
    }

    pub fn unverifieds(&self) -> u64 {
        self.unverified.values().sum()
    }

    /// `provisional`: requests whose Verified may still be withdrawn. `covered`: everything that matters was seen.
    pub fn verdict(&self, min_verified: u64, provisional: u64, covered: bool) -> PolicyVerdict {
        if self.bypasses() > 0 {
            PolicyVerdict::False
        } else if covered
            && self.verified >= min_verified.max(1)
            && provisional == 0
            && self.unverifieds() == 0
            && self.lost == 0
        {
            PolicyVerdict::True
        } else {
            PolicyVerdict::Unknown
        }
    }
}

/// Of one policy, in one generation of its spec.
#[derive(Clone, Debug)]
pub struct Window {
    length: BootNs,
    /// When each step began.
    steps: VecDeque<(BootNs, Said)>,
    /// Since the start, for whoever counts from a moment of his own.
    pub total: Said,
    /// What the tally had counted of that which has no verdict of its own.
    forced: u64,
    lost: u64,
    pub since: BootNs,
}

/// A window as another verifier goes on with it; times are ages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aged {
    steps: Vec<(BootNs, Said)>,
    total: Said,
    since: BootNs,
}

impl Window {
    /// `provisional`: requests whose verdict may change; they are counted when it comes, by whoever gives it.
    pub fn aged(&self, at: BootNs, provisional: u64) -> Aged {
        let age = |began: BootNs| at.saturating_sub(began);
        let mut aged = Aged {
            steps: self.steps.iter().map(|(began, said)| (age(*began), said.clone())).collect(),
            total: self.total.clone(),
            since: age(self.since),
        };
        let newest = aged.steps.last_mut().map(|(_, said)| said);
        for said in newest.into_iter().chain([&mut aged.total]) {
            said.requests = said.requests.saturating_sub(provisional);
        }
        aged
    }

    /// `passed`: since it was written down. What began before this machine did began when it did.
    pub fn restored(length: std::time::Duration, aged: Aged, passed: BootNs, at: BootNs) -> Self {
        let begin = |age: BootNs| at.saturating_sub(age.saturating_add(passed));
        let mut window = Self::new(length, begin(aged.since));
        window.steps = aged.steps.into_iter().map(|(age, said)| (begin(age), said)).collect();
        window.total = aged.total;
        window
    }

    pub fn new(length: std::time::Duration, at: BootNs) -> Self {
        let length = BootNs::try_from(length.as_nanos()).unwrap_or(BootNs::MAX);
        Self { length, steps: VecDeque::new(), total: Said::default(), forced: 0, lost: 0, since: at }
    }

    /// It is counted again, by another tally, after a time in which nobody counted: that is a loss.
    pub fn resume(&mut self, at: BootNs) {
        (self.forced, self.lost) = (0, 0);
        self.add(at, Said { lost: 1, ..Said::default() });
    }

    /// Everything that was said at one tick, and whether it counts as a canary.
    pub fn tick<'a>(&mut self, at: BootNs, judged: impl Iterator<Item = (&'a Judged, bool)>, tally: &Tally) {
        while self.steps.front().is_some_and(|(began, _)| at.saturating_sub(*began) > self.length) {
            self.steps.pop_front();
        }
        let mut said = Said::default();
        judged.for_each(|(judged, is_canary)| said.judged(judged, is_canary));
        said.forced = tally.forced.saturating_sub(self.forced);
        said.lost = tally.lost.saturating_sub(self.lost);
        (self.forced, self.lost) = (self.forced.max(tally.forced), tally.lost);
        if said != Said::default() {
            self.add(at, said);
        }
    }

    fn add(&mut self, at: BootNs, said: Said) {
        self.total.add(&said);
        match self.steps.back_mut() {
            Some((began, step)) if at.saturating_sub(*began) < self.length / STEPS => step.add(&said),
            _ => self.steps.push_back((at, said)),
        }
    }

    /// From `age` ago on, or a little before: as exact as the steps are. `None`: it was not observed for so long, or it is not
    /// remembered.
    pub fn said_since(&self, at: BootNs, age: BootNs) -> Option<Said> {
        let from = at.saturating_sub(age);
        if age > self.length || self.since > from {
            return None;
        }
        let mut sum = Said::default();
        let step = self.length / STEPS;
        self.steps.iter().filter(|(began, _)| began.saturating_add(step) > from).for_each(|(_, said)| sum.add(said));
        Some(sum)
    }

    /// Within the window.
    pub fn said(&self) -> Said {
        let mut sum = Said::default();
        self.steps.iter().for_each(|(_, step)| sum.add(step));
        sum
    }
}

#[cfg(test)]
mod tests;
