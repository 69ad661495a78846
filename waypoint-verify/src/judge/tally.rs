//! Counts of one policy, and the verdict of the policy that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::state::JudgedUnder;
use crate::model::{Bypass, Class, MessageKey, Reason, Verdict};

/// What a policy as a whole may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyVerdict {
    /// Something was verified, nothing bypassed, coverage complete.
    True,
    /// Something bypassed the waypoint.
    False,
    /// Too little traffic, or blind somewhere.
    Unknown,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Arrivals judged, exempt ones and mirrors included.
    pub requests: u64,
    /// Final ones.
    pub verified: u64,
    /// Verified, if nothing that is still to come contradicts it.
    pub provisional: u64,
    /// By kind; where several are possible, by all of them, joined.
    pub bypassed: BTreeMap<String, u64>,
    pub unverified: BTreeMap<Reason, u64>,
    /// By the reason that the policy gives.
    pub exempt: BTreeMap<String, u64>,
    /// Copies made behind the waypoint (not in `verified`).
    pub mirrors: u64,
    /// Requests that the counts force to have bypassed, though none can be named: the sum over `groups`.
    pub forced: u64,
    /// The groups of equal requests whose numbers force that.
    pub groups: Vec<Group>,
    /// Verified ones that were taken back.
    pub withdrawn: u64,
    /// Records lost while this policy was judged.
    pub lost: u64,
    /// Overdrawn classes: arrivals that can only come from them, and entries that could have paid.
    #[serde(skip)]
    overdrawn: BTreeMap<u32, Overdrawn>,
}

/// The part of an arrival in an overdrawn class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// By number.
    pub class: u32,
    /// Attempts of one request count once.
    pub group: MessageKey,
}

/// More equal requests arrived than can have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub arrived: u64,
    /// So many requests entered the waypoint that could have caused them.
    pub at_most_passed: u64,
}

#[derive(Clone, Debug, Default)]
struct Overdrawn {
    arrived: BTreeMap<MessageKey, u64>,
    paid: BTreeSet<MessageKey>,
    /// What is beyond the bound is counted without names.
    more: (u64, u64),
}

/// Requests of one overdrawn class that are told apart.
const TOLD_APART: usize = 65_536;

impl Overdrawn {
    fn count(&mut self, group: MessageKey, by: i64) {
        if by > 0 && self.arrived.len() >= TOLD_APART && !self.arrived.contains_key(&group) {
            self.more.0 += 1;
        } else if by < 0 && !self.arrived.contains_key(&group) {
            self.more.0 = self.more.0.saturating_sub(1);
        } else {
            let count = self.arrived.entry(group).or_default();
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.arrived.remove(&group);
            }
        }
    }

    fn pay(&mut self, group: MessageKey) {
        if self.paid.len() < TOLD_APART {
            self.paid.insert(group);
        } else if !self.paid.contains(&group) {
            self.more.1 += 1;
        }
    }

    fn group(&self) -> Group {
        Group { arrived: self.arrived.len() as u64 + self.more.0, at_most_passed: self.paid.len() as u64 + self.more.1 }
    }
}

impl Group {
    fn forced(&self) -> u64 {
        self.arrived.saturating_sub(self.at_most_passed)
    }
}

impl Tally {
    pub fn add(&mut self, judged: &JudgedUnder, withdraws: bool) {
        if withdraws {
            self.withdrawn += 1;
        }
        self.requests += 1;
        self.count(judged, 1);
    }

    pub fn take_back(&mut self, judged: &JudgedUnder) {
        self.requests -= 1;
        self.count(judged, -1);
    }

    fn count(&mut self, judged: &JudgedUnder, by: i64) {
        let add = |count: &mut u64| *count = count.saturating_add_signed(by);
        match (&judged.class, &judged.verdict) {
            (Class::Exempt(reason), _) => add(self.exempt.entry(reason.clone()).or_default()),
            (Class::Mirror, Verdict::Verified) => add(&mut self.mirrors),
            (_, Verdict::Verified) if judged.is_final => add(&mut self.verified),
            (_, Verdict::Verified) => add(&mut self.provisional),
            (_, Verdict::Bypassed(kinds)) => {
                let names = Bypass::names(kinds);
                match self.bypassed.get_mut(&*names) {
                    Some(count) => add(count),
                    None => add(self.bypassed.entry(names.into_owned()).or_default()),
                }
            }
            (_, Verdict::Unverified(reason)) => {
                add(self.unverified.entry(*reason).or_default());
                if let Some(share) = judged.overdrawn {
                    self.overdrawn.entry(share.class).or_default().count(share.group, by);
                }
            }
        }
        if by < 0 {
            self.exempt.retain(|_, count| *count > 0);
            self.bypassed.retain(|_, count| *count > 0);
            self.unverified.retain(|_, count| *count > 0);
        }
        if judged.overdrawn.is_some() {
            self.force();
        }
    }

    /// These departures of an overdrawn class were paid for (the first of each request).
    pub fn overdrawn_class(&mut self, class: u32, paid: impl Iterator<Item = MessageKey>) {
        let overdrawn = self.overdrawn.entry(class).or_default();
        paid.for_each(|group| overdrawn.pay(group));
        self.force();
    }

    fn force(&mut self) {
        self.groups = self.overdrawn.values().map(Overdrawn::group).filter(|group| group.forced() > 0).collect();
        // Numbers of classes depend on the order of evidence.
        self.groups.sort_unstable();
        self.forced = self.groups.iter().map(Group::forced).sum();
    }

    pub fn bypasses(&self) -> u64 {
        self.bypassed.values().sum::<u64>() + self.forced
    }

    pub fn unverifieds(&self) -> u64 {
        self.unverified.values().sum()
    }

    /// True needs at least `min_verified` final verdicts and nothing unexplained.
    pub fn verdict(&self, min_verified: u64) -> PolicyVerdict {
        if self.bypasses() > 0 {
            PolicyVerdict::False
        } else if self.verified >= min_verified.max(1)
            && self.provisional == 0
            && self.unverifieds() == 0
            && self.lost == 0
        {
            PolicyVerdict::True
        } else {
            PolicyVerdict::Unknown
        }
    }
}

#[cfg(test)]
mod tests;
