//! Canaries: requests that are sent to see whether they are seen. Pure.
//!
//! Each has a nonce that nobody can guess, which is its trace id, and which is bound to the pod that asked for it, to one policy, to a
//! kind and to a time. The first arrival that fits uses it up. Only two things are ever counted as a canary instead of as what they
//! are: a compliant one that was Verified, and a self-attack that was seen as the bypass that it is. Everything else that bears a
//! nonce (a second time, from another pod, too late, another verdict) is judged and counted like any request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::inventory::CanaryPaths;
use crate::judge::Judged;
use crate::model::{BootNs, Bypass, Class, MessageKey, NamespacedName, Verdict};
use crate::nonce;
pub use crate::nonce::Sent;

/// How long a nonce is good for.
const LIFE: BootNs = 60_000_000_000;
/// How long it is told afterwards what came of it.
const TOLD: BootNs = 600_000_000_000;
/// Canaries that are known at the same time, of all policies.
const MOST: usize = 1024;

/// What a canary is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// To be verified.
    Compliant,
    /// Self-attack: to a target's pod.
    DirectConnection,
    /// Self-attack: to the Gateway behind the waypoint.
    UpstreamBypass,
}

impl Kind {
    const fn bypass(self) -> Option<Bypass> {
        match self {
            Self::Compliant => None,
            Self::DirectConnection => Some(Bypass::DirectConnection),
            Self::UpstreamBypass => Some(Bypass::UpstreamBypass),
        }
    }

    /// Whether such a one with this verdict is what it was sent for.
    fn expects(self, verdict: &Verdict) -> bool {
        match (self.bypass(), verdict) {
            (None, Verdict::Verified) => true,
            (Some(kind), Verdict::Bypassed(kinds)) => kinds[..] == [kind],
            _ => false,
        }
    }
}

/// What to send: a request to `url` whose `traceparent` has `id` as its trace id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// 32 hexadecimal digits.
    pub id: String,
    pub kind: Kind,
    pub method: String,
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// What came of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Waiting,
    /// A compliant one, for good.
    Verified,
    /// A self-attack, as the bypass that it is.
    Detected,
    /// A self-attack that the network refused: it says nothing of what would be seen.
    Blocked,
    /// It was judged, but not as expected.
    Unexpected,
    /// A compliant one that could not be sent.
    NotSent,
    /// It was sent, and never seen.
    Missed,
}

/// One canary, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub kind: Kind,
    pub url: String,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// Its verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

#[derive(Debug)]
struct Canary {
    policy: NamespacedName,
    /// UID of the pod that may send it.
    pod: String,
    run: String,
    order: Order,
    expires: BootNs,
    sent: Option<Sent>,
    used_by: Option<MessageKey>,
    seen: Option<(Verdict, bool)>,
}

/// Who asks for canaries, and for which.
#[derive(Clone, Debug)]
pub struct Asked {
    pub policy: NamespacedName,
    /// UID, as the API server says of the token.
    pub pod: String,
    /// Tells them from those of others.
    pub run: String,
    pub self_attack: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    #[error("there is no accepted WaypointPolicy {0}")]
    NoPolicy(NamespacedName),
    #[error("WaypointPolicy {0} asks for no canaries: set spec.canary")]
    NotWanted(NamespacedName),
    #[error("no address of a Gateway of spec.entry is known (spec.canary.port?)")]
    NoEntry,
    #[error("not yet: {0}")]
    NotYet(String),
    #[error("{MOST} canaries are known already: try again in some minutes")]
    TooMany,
}

#[derive(Debug, Default)]
pub struct Canaries {
    /// By nonce.
    known: BTreeMap<String, Canary>,
}

impl Canaries {
    /// `nonce`: 16 octets that nobody can guess, new ones each time.
    pub fn issue<E>(
        &mut self,
        asked: &Asked,
        paths: &CanaryPaths,
        at: BootNs,
        mut nonce: impl FnMut() -> Result<[u8; 16], E>,
    ) -> Result<Result<Vec<Order>, Refused>, E> {
        self.known.retain(|_, canary| at.saturating_sub(canary.expires) < TOLD);
        if paths.entry.is_empty() {
            return Ok(Err(Refused::NoEntry));
        }
        let compliant = paths.entry.iter().map(|address| (Kind::Compliant, address));
        let direct = paths.direct.iter().map(|address| (Kind::DirectConnection, address));
        let upstream = paths.upstream.iter().map(|address| (Kind::UpstreamBypass, address));
        let attacks = direct.chain(upstream).filter(|_| asked.self_attack);
        let wanted: Vec<_> = compliant.chain(attacks).collect();
        if self.known.len() + wanted.len() > MOST {
            return Ok(Err(Refused::TooMany));
        }
        let mut orders = Vec::new();
        for (kind, address) in wanted {
            let id = nonce::of(nonce()?);
            let order = Order {
                id: id.clone(),
                kind,
                method: paths.canary.method.as_str().to_owned(),
                url: format!("http://{address}{}", paths.canary.path),
                authority: paths.canary.authority.clone(),
            };
            orders.push(order.clone());
            let (policy, pod, run) = (asked.policy.clone(), asked.pod.clone(), asked.run.clone());
            let expires = at.saturating_add(LIFE);
            self.known.insert(id, Canary { policy, pod, run, order, expires, sent: None, used_by: None, seen: None });
        }
        Ok(Ok(orders))
    }

    /// The sender says what came of it. Whether this pod has such a one.
    pub fn sent(&mut self, pod: &str, id: &str, sent: Sent) -> bool {
        let canary = self.known.get_mut(id).filter(|canary| canary.pod == pod);
        canary.map(|canary| canary.sent = Some(sent)).is_some()
    }

    /// Nonces of those that are known: of their requests it needs explanations.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// Whether this verdict counts as a canary's, and not as a request's.
    pub fn take(&mut self, judged: &Judged, at: BootNs) -> bool {
        let Some(explanation) = judged.explanation.as_deref() else { return false };
        let nonce = explanation.request.trace_id.as_ref();
        let Some(canary) = nonce.and_then(|nonce| self.known.get_mut(nonce)) else { return false };
        if canary.policy != *judged.policy || judged.class != Class::Request {
            return false;
        }
        match canary.used_by {
            Some(key) if key == judged.key => {}
            Some(_) => return false,
            None => {
                if at > canary.expires || explanation.sender.pod_uid.as_ref() != Some(&canary.pod) {
                    return false;
                }
                canary.used_by = Some(judged.key);
            }
        }
        canary.seen = Some((judged.verdict.clone(), judged.is_final));
        canary.order.kind.expects(&judged.verdict)
    }

    /// Those of one run for one policy.
    pub fn told(&self, policy: &NamespacedName, run: &str, at: BootNs) -> Vec<Told> {
        let ours = self.known.values().filter(|canary| canary.policy == *policy && canary.run == run);
        ours.map(|canary| canary.told(at)).collect()
    }
}

impl Canary {
    fn told(&self, at: BootNs) -> Told {
        Told {
            kind: self.order.kind,
            url: self.order.url.clone(),
            outcome: self.outcome(at),
            sent: self.sent.clone(),
            seen: self.seen.as_ref().map(|(verdict, _)| verdict.to_string()),
        }
    }

    fn outcome(&self, at: BootNs) -> Outcome {
        let is_attack = self.order.kind.bypass().is_some();
        match (&self.seen, &self.sent) {
            (Some((Verdict::Verified, false)), _) => Outcome::Waiting,
            (Some((verdict, _)), _) if self.order.kind.expects(verdict) => {
                if is_attack {
                    Outcome::Detected
                } else {
                    Outcome::Verified
                }
            }
            (Some(_), _) => Outcome::Unexpected,
            (None, Some(Sent::NotConnected(_))) if is_attack => Outcome::Blocked,
            (None, Some(Sent::NotConnected(_))) => Outcome::NotSent,
            (None, None | Some(Sent::Answered(_) | Sent::Broken(_))) if at <= self.expires => Outcome::Waiting,
            (None, None) => Outcome::NotSent,
            (None, Some(_)) => Outcome::Missed,
        }
    }
}

#[cfg(test)]
mod tests;
