//! One request of each sort that keeps a policy from being True, for reports that only count. Pure.

use std::collections::BTreeMap;

use crate::judge::{Explanation, Judged};
use crate::model::{Bypass, Class, MessageKey, NamespacedName, Verdict};

/// Characters of one.
const MOST: usize = 512;

/// By policy and by the label under which it is counted: there are only so many of these.
#[derive(Clone, Debug, Default)]
pub struct Examples(BTreeMap<(NamespacedName, String), (MessageKey, String)>);

impl Examples {
    /// The first that is explained of each sort. One that is taken back is none.
    pub fn take(&mut self, judged: &[Judged]) {
        for judged in judged {
            let key = |verdict| label(verdict).map(|label| ((*judged.policy).clone(), label));
            if let Some(old) = judged.withdrawn.as_ref().and_then(key)
                && self.0.get(&old).is_some_and(|(of, _)| *of == judged.key)
            {
                self.0.remove(&old);
            }
            if let (Some(new), Some(explanation)) = (key(&judged.verdict), judged.explanation.as_deref())
                && !matches!(judged.class, Class::Exempt(_))
            {
                self.0.entry(new).or_insert_with(|| (judged.key, words(explanation)));
            }
        }
    }

    pub fn of(&self, policy: &NamespacedName, label: &str) -> Option<&str> {
        Some(&self.0.get(&(policy.clone(), label.to_owned()))?.1)
    }
}

fn label(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Verified => None,
        Verdict::Bypassed(kinds) => Some(Bypass::names(kinds).into_owned()),
        Verdict::Unverified(reason) => Some(reason.to_string()),
    }
}

fn words(explanation: &Explanation) -> String {
    let through: String = explanation.listeners.iter().map(|listener| format!(", through {listener}")).collect();
    let words = format!("{}, sent by {}{through}", explanation.request, explanation.sender);
    words.trim_start_matches([',', ' ']).chars().take(MOST).collect()
}

#[cfg(test)]
mod tests;
