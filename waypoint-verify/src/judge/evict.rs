//! Arrivals that a bound takes away.

use std::sync::Arc;

use super::state::{Arrival, JudgedUnder};
use super::{Judge, Judged};
use crate::model::{Class, MessageKey, Reason, Verdict};

impl Judge {
    /// An arrival had to be forgotten before all evidence was there.
    pub(super) fn evict(&mut self, key: MessageKey, arrival: &Arrival, out: &mut Vec<Judged>) {
        for (index, policy) in self.policies.iter_mut().enumerate() {
            if policy.gone || !policy.compiled.targets.contains(&arrival.at_pod.pod.uid) {
                continue;
            }
            let old = arrival.judged.iter().find(|judged| judged.policy == index);
            if old.is_some_and(|old| old.is_final) {
                continue;
            }
            if let Some(old) = old {
                policy.tally.take_back(old);
            }
            let judged = JudgedUnder {
                policy: index,
                verdict: Verdict::Unverified(Reason::Evicted),
                class: old.map_or(Class::Request, |old| old.class.clone()),
                is_final: true,
                overdrawn: None,
            };
            policy.tally.add(&judged, old.is_some_and(|old| old.verdict == Verdict::Verified));
            out.push(Judged {
                policy: Arc::clone(&policy.name),
                key,
                verdict: judged.verdict,
                class: judged.class,
                is_final: true,
                withdrawn: old.map(|old| old.verdict.clone()),
                is_first: old.is_none(),
                arrived: arrival.at,
                explanation: None,
            });
        }
    }
}
