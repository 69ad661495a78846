//! Counts of one policy, and the verdict of the policy that follows from them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::state::JudgedUnder;
use crate::model::{Bypass, Class, Reason, Verdict};

/// What a policy as a whole may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// Requests that the counts force to have bypassed, though none can be named.
    pub forced: u64,
    /// Verified ones that were taken back.
    pub withdrawn: u64,
    /// Records lost while this policy was judged.
    pub lost: u64,
    /// Overdrawn classes: arrivals that can only come from them, and entries that could have paid.
    #[serde(skip)]
    overdrawn: BTreeMap<u32, (u64, u64)>,
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
            (_, Verdict::Bypassed(kinds)) => add(self.bypassed.entry(names(kinds)).or_default()),
            (_, Verdict::Unverified(reason)) => {
                add(self.unverified.entry(*reason).or_default());
                if let Some(class) = judged.overdrawn {
                    add(&mut self.overdrawn.entry(class).or_default().0);
                }
            }
        }
        self.bypassed.retain(|_, count| *count > 0);
        self.unverified.retain(|_, count| *count > 0);
        self.force();
    }

    /// `payers` further departures of an overdrawn class were paid for.
    pub fn overdrawn_class(&mut self, class: u32, payers: usize) {
        self.overdrawn.entry(class).or_default().1 += payers as u64;
        self.force();
    }

    fn force(&mut self) {
        self.forced = self.overdrawn.values().map(|(arrived, payers)| arrived.saturating_sub(*payers)).sum();
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
        } else if self.verified >= min_verified.max(1) && self.provisional == 0 && self.unverifieds() == 0 && self.lost == 0 {
            PolicyVerdict::True
        } else {
            PolicyVerdict::Unknown
        }
    }
}

fn names(kinds: &[Bypass]) -> String {
    kinds.iter().map(Bypass::to_string).collect::<Vec<_>>().join(" or ")
}
