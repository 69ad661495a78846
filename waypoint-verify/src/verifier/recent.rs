//! The newest verdicts of one policy, with what explains them: for whoever asks why. Pure.

use std::collections::VecDeque;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::judge::Judged;
use crate::model::{Bypass, Verdict};
use crate::report::json::Line;

/// Of each kind of verdict. A flood of one kind pushes out nothing of another.
pub const KEPT: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Verified,
    Bypassed,
    Unverified,
}

impl Kind {
    const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Verified => Self::Verified,
            Verdict::Bypassed(_) => Self::Bypassed,
            Verdict::Unverified(_) => Self::Unverified,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Left out: every kind.
    pub verdict: Option<Kind>,
    /// Of each kind; left out: all that are kept.
    pub limit: Option<usize>,
}

#[derive(Debug)]
struct Given {
    /// By the verifier's clock.
    at: Timestamp,
    is_canary: bool,
    judged: Judged,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    at: Timestamp,
    is_canary: bool,
    #[serde(flatten)]
    line: Line<'a>,
}

#[derive(Debug, Default)]
pub struct Recent {
    verified: VecDeque<Given>,
    bypassed: VecDeque<Given>,
    unverified: VecDeque<Given>,
}

impl Recent {
    /// A Verified that may still change is said again when nothing can. One without an explanation is one of many in its tick.
    pub fn push(&mut self, at: Timestamp, judged: Judged, is_canary: bool) {
        let kind = Kind::of(&judged.verdict);
        if kind == Kind::Verified && (!judged.is_final || judged.explanation.is_none()) {
            return;
        }
        let given = match kind {
            Kind::Verified => &mut self.verified,
            Kind::Bypassed => &mut self.bypassed,
            Kind::Unverified => &mut self.unverified,
        };
        given.truncate(KEPT - 1);
        given.push_front(Given { at, is_canary, judged });
    }

    /// Bypasses that were no canaries: kinds, listeners that they came through, and when they were judged.
    pub fn bypasses(&self) -> impl Iterator<Item = (&[Bypass], &[String], Timestamp)> {
        self.bypassed.iter().filter(|given| !given.is_canary).filter_map(|given| {
            let Verdict::Bypassed(kinds) = &given.judged.verdict else { return None };
            Some((kinds.as_slice(), given.judged.explanation.as_deref()?.listeners.as_slice(), given.at))
        })
    }

    /// The newest first, kind by kind, each in the form of `run --output json`.
    pub fn shown(&self, wanted: Wanted) -> Vec<Value> {
        let kinds =
            [(Kind::Bypassed, &self.bypassed), (Kind::Unverified, &self.unverified), (Kind::Verified, &self.verified)];
        let kinds = kinds.into_iter().filter(|(kind, _)| wanted.verdict.is_none_or(|one| one == *kind));
        let given = kinds.flat_map(|(_, given)| given.iter().take(wanted.limit.unwrap_or(KEPT)));
        let shown = given.map(|given| {
            serde_json::to_value(Shown { at: given.at, is_canary: given.is_canary, line: Line::of(&given.judged) })
        });
        shown.filter_map(Result::ok).collect()
    }
}

#[cfg(test)]
mod tests;
