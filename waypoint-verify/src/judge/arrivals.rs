//! One arrival under every policy that protects its pod.

use std::sync::Arc;

use super::state::JudgedUnder;
use super::trail::Walk;
use super::{Judge, Judged, Policy, explain};
use crate::model::{BootNs, MessageKey, Verdict};

impl Judge {
    /// Judges an arrival under every policy that protects its pod, or judges it again.
    pub(super) fn judge(&mut self, key: MessageKey, at: BootNs, out: &mut Vec<Judged>) {
        // Looked at where it is, and written back only where something changed: it is large.
        let Some(arrival) = self.state.arrivals.get(&key) else { return };
        let mut all = arrival.judged.clone();
        let mut unseen_at = arrival.progress.unseen_at;
        let (mut relied_on, mut pending) = (Vec::new(), Vec::new());
        // Whether nothing that is still to come can change any verdict of it.
        let mut is_settled = arrival.progress.whole;
        for (index, policy) in self.policies.iter_mut().enumerate() {
            if policy.gone || !policy.compiled.targets.contains(&arrival.at_pod.pod.uid) {
                continue;
            }
            let Policy { compiled, hop_pods, .. } = &*policy;
            let walk = Walk { state: &self.state, watch: &self.watch, pods: &self.pods, policy: compiled, hop_pods };
            let mut found = walk.arrival(key, arrival);
            if found.unseen && *unseen_at.get_or_insert(at) >= at {
                // With Fast Open an end that dialled knows of the connection after data of it have arrived.
                self.due.push(key);
                is_settled = false;
                continue;
            }
            if let (Verdict::Verified, Some(reason)) = (&found.verdict, arrival.progress.broken) {
                found.verdict = Verdict::Unverified(reason);
            }
            let is_final = found.verdict != Verdict::Verified || (found.pending.is_empty() && arrival.progress.whole);
            is_settled &= is_final && found.relied_on.is_empty();
            let previous = all.iter().position(|judged| judged.policy == index);
            if let Some(at) = previous {
                let judged = &all[at];
                let same = judged.verdict == found.verdict && judged.is_final == is_final;
                if same && judged.class == found.class && judged.overdrawn == found.overdrawn {
                    pending.extend(found.pending);
                    continue;
                }
            }
            let previous = previous.map(|at| all.remove(at)).inspect(|old| policy.tally.take_back(old));
            let is_first = previous.is_none();
            let withdrawn = previous.map(|old| old.verdict).filter(|old| *old != found.verdict);
            let judged = JudgedUnder {
                policy: index,
                verdict: found.verdict.clone(),
                class: found.class.clone(),
                is_final,
                overdrawn: found.overdrawn,
            };
            policy.tally.add(&judged, withdrawn == Some(Verdict::Verified));
            let is_explained = self.limits.explain.wants(&judged, policy.explained, || {
                arrival.request.trace_id.as_ref().is_some_and(|id| self.looked_for.contains(id))
            });
            policy.explained += usize::from(is_explained && judged.verdict == Verdict::Verified);
            let explain = || Box::new(explain::explain(&self.state, &self.watch, arrival, key, &found));
            let explanation = is_explained.then(explain);
            relied_on.extend(found.relied_on);
            pending.extend(found.pending);
            out.push(Judged {
                policy: Arc::clone(&policy.name),
                key,
                verdict: found.verdict,
                class: found.class,
                is_final: judged.is_final,
                withdrawn,
                is_first,
                arrived: arrival.at,
                explanation,
            });
            all.push(judged);
        }
        pending.sort_unstable();
        pending.dedup();
        self.state.wait_for(&relied_on, key);
        if is_settled {
            self.state.settle(key);
        } else if let Some(arrival) = self.state.arrivals.get_mut(&key) {
            arrival.judged = all;
            arrival.pending = pending.len();
            arrival.progress.unseen_at = unseen_at;
        }
    }
}
