//! Witnesses as requests that are really sent: which, how often, and what is said of them afterwards. Pure.
//!
//! Each request carries a nonce that nobody can guess, as its trace id, or in its query where the rule itself asks for a
//! `traceparent`: what is judged of it is told from what is judged of everybody else's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Analysis;
use super::path::Path;
use super::witness::Witness;
use crate::evidence::RequestLine;
use crate::model::{Bypass, NamespacedName, Verdict};
use crate::nonce::{self, Sent};

/// The name of the query parameter of a nonce.
const PARAMETER: &str = "waypoint-verify";
const TRACE: &str = "traceparent";
/// Requests to one witness at most: of a way that fewer take nothing can be said.
pub const MOST: u64 = 1000;

/// What may be sent, and how sure to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probing {
    /// Other methods than GET, too.
    pub any_method: bool,
    /// How likely at least one of the requests to a weighted backend is to take the way: between 0 and 1.
    pub confidence: f64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub nonce: String,
    pub method: String,
    pub url: String,
    /// Empty: the address itself.
    pub host: String,
    pub headers: Vec<(String, String)>,
}

/// A declared way past the waypoint, and what is sent to take it.
#[derive(Clone, Debug)]
pub struct Probe {
    pub policy: String,
    pub path: Path,
    /// Or why nothing is sent.
    pub orders: Result<Vec<Order>, String>,
}

/// What is said of one witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Probed {
    /// It came past the waypoint, and was seen to.
    Caught { kinds: String, requests: u64, of: u64 },
    /// It was answered, and nobody saw it at the target: either it went elsewhere, or it was missed.
    Unseen { of: u64, status: u16 },
    /// All that were seen passed the waypoint: it is not open, or not so often.
    Refuted { of: u64 },
    /// It was seen, and what it was could not be told.
    Unclear { why: String },
    /// Nothing was sent, or nothing arrived.
    Unsent { why: String },
}

impl Probed {
    /// It may have come past the waypoint, and is not known to have.
    pub fn is_missed(&self) -> bool {
        match self {
            Self::Unseen { status, .. } => *status < 400,
            Self::Unclear { .. } => true,
            Self::Caught { .. } | Self::Refuted { .. } | Self::Unsent { .. } => false,
        }
    }
}

/// What is to be sent. `nonce`: 16 octets that nobody can guess, new ones each time.
pub fn plan<E>(
    analyses: &[Analysis],
    probing: Probing,
    mut nonce: impl FnMut() -> Result<[u8; 16], E>,
) -> Result<Vec<Probe>, E> {
    let mut probes = Vec::new();
    for analysis in analyses {
        for path in analysis.past() {
            let orders = match wanted(path, probing) {
                Ok((witness, times)) => {
                    let mut orders = Vec::new();
                    for _ in 0..times {
                        orders.push(order(witness, nonce::of(nonce()?)));
                    }
                    Ok(orders)
                }
                Err(why) => Err(why),
            };
            probes.push(Probe { policy: analysis.policy.clone(), path: path.clone(), orders });
        }
    }
    Ok(probes)
}

/// How often a witness is to be sent.
fn wanted(path: &Path, probing: Probing) -> Result<(&Witness, u64), String> {
    let witness = path.witness.as_ref().ok_or("there is no witness of it")?;
    if !probing.any_method && witness.method != "GET" {
        return Err(format!("its witness is a {}: only GET is sent, unless any method is allowed", witness.method));
    }
    if witness.url.contains('<') {
        return Err("where it is entered is not known".into());
    }
    if !witness.url.starts_with("http://") {
        return Err("only http:// is sent".into());
    }
    match times(witness.share, probing.confidence) {
        Some(times) => Ok((witness, times)),
        None => Err(format!("more than {MOST} requests would be needed: too few take it")),
    }
}

/// So many that one of them takes a way of this share (percent) with this confidence: the least n with 1 - (1 - share)^n >= confidence.
fn times(share: Option<f64>, confidence: f64) -> Option<u64> {
    let Some(share) = share.map(|share| share / 100.0).filter(|share| *share < 1.0) else { return Some(1) };
    let times = ((1.0 - confidence).ln() / (1.0 - share).ln()).ceil();
    if share <= 0.0 || times.is_nan() || times > MOST as f64 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a thousand")]
    Some((times as u64).max(1))
}

fn order(witness: &Witness, nonce: String) -> Order {
    let mut order = Order {
        method: witness.method.clone(),
        url: witness.url.clone(),
        host: witness.host.clone(),
        headers: witness.headers.clone(),
        nonce,
    };
    let parent = nonce::traceparent(&order.nonce);
    let free = !order.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(TRACE));
    match parent.filter(|_| free) {
        Some(parent) => order.headers.push((TRACE.into(), parent)),
        None => {
            let separator = if order.url.contains('?') { '&' } else { '?' };
            order.url = format!("{}{separator}{PARAMETER}={}", order.url, order.nonce);
        }
    }
    order
}

/// The nonce that a judged request may bear.
pub fn nonce_of(request: &RequestLine) -> Option<&str> {
    let in_query = || {
        let (_, query) = request.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='))
    };
    in_query().or(request.trace_id.as_deref())
}

/// What came of one request, by now.
#[derive(Clone, Debug, Default)]
struct Came {
    /// In the order in which they were given, each under a policy.
    verdicts: Vec<(String, Verdict)>,
    sent: Option<Sent>,
}

/// What came of every request, by nonce: of others nothing is kept.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<String, Came>);

impl Seen {
    pub fn new(probes: &[Probe]) -> Self {
        let orders = probes.iter().filter_map(|probe| probe.orders.as_ref().ok()).flatten();
        Self(orders.map(|order| (order.nonce.clone(), Came::default())).collect())
    }

    pub fn sent(&mut self, nonce: &str, sent: Sent) {
        if let Some(came) = self.0.get_mut(nonce) {
            came.sent = Some(sent);
        }
    }

    /// The same may be told again.
    pub fn judged(&mut self, policy: &NamespacedName, nonce: &str, verdict: &Verdict) {
        if let Some(came) = self.0.get_mut(nonce) {
            let told = (policy.to_string(), verdict.clone());
            if !came.verdicts.contains(&told) {
                came.verdicts.push(told);
            }
        }
    }

    /// What came of a probe, by now.
    pub fn of(&self, probe: &Probe) -> Probed {
        let orders = match &probe.orders {
            Ok(orders) => orders,
            Err(why) => return Probed::Unsent { why: why.clone() },
        };
        let of = orders.len() as u64;
        let came = || orders.iter().filter_map(|order| self.0.get(&order.nonce));
        let (mut caught, mut passed, mut unclear) = (BTreeMap::<String, u64>::new(), 0, None);
        for came in came() {
            let verdicts =
                || came.verdicts.iter().filter(|(policy, _)| *policy == probe.policy).map(|(_, verdict)| verdict);
            let bypass = verdicts().find_map(|verdict| match verdict {
                Verdict::Bypassed(kinds) => Some(Bypass::names(kinds).into_owned()),
                _ => None,
            });
            match (bypass, verdicts().next_back()) {
                (Some(kinds), _) => *caught.entry(kinds).or_default() += 1,
                (None, Some(Verdict::Unverified(reason))) => unclear = Some(reason.to_string()),
                (None, Some(_)) => passed += 1,
                (None, None) => {}
            }
        }
        let requests = caught.values().sum();
        if requests > 0 {
            return Probed::Caught { kinds: caught.into_keys().collect::<Vec<_>>().join(", "), requests, of };
        }
        if let Some(why) = unclear {
            return Probed::Unclear { why };
        }
        let (mut answered, mut failed) = (None, None);
        for sent in came().filter_map(|came| came.sent.as_ref()) {
            match sent {
                Sent::Answered(status) => answered = answered.or(Some(*status)),
                Sent::NotConnected(why) | Sent::Broken(why) => failed = failed.or(Some(why.clone())),
            }
        }
        match (answered, failed) {
            _ if passed > 0 => Probed::Refuted { of },
            (Some(status), _) => Probed::Unseen { of, status },
            (None, why) => Probed::Unsent { why: why.unwrap_or_else(|| "it was not sent in time".into()) },
        }
    }

    /// Whether nothing more is to be waited for: every request was judged, or could not be sent.
    pub fn is_all(&self) -> bool {
        let is_over = |came: &Came| {
            !came.verdicts.is_empty() || matches!(came.sent, Some(Sent::NotConnected(_) | Sent::Broken(_)))
        };
        self.0.values().all(is_over)
    }
}

#[cfg(test)]
mod tests;
