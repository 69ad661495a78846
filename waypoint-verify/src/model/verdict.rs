//! What is said of an arrival. There is no fourth verdict and no default.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "detail", rename_all = "camelCase")]
pub enum Verdict {
    Verified,
    /// Every kind that the evidence leaves possible, sorted; usually one.
    Bypassed(Bypasses),
    Unverified(Reason),
}

/// Kinds of bypass; as many as there are need no allocation.
pub type Bypasses = SmallVec<[Bypass; 5]>;

/// The ways past a waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bypass {
    /// Someone other than the permitted last hop opened the connection to the target's pod.
    DirectConnection,
    /// A gateway reached the target through a listener that the policy does not name.
    RouteBypass,
    /// A client called the gateway behind the waypoint itself.
    UpstreamBypass,
    /// The waypoint's socket sent it, but nothing that entered the waypoint can have caused it.
    WaypointOrigin,
    /// A sender that should have been visible was not.
    UnknownSender,
}

/// Why nothing could be proven. Closed, so that it can label a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The connection was open before the probes were attached.
    PredatesAgent,
    /// Octets of this stream were not seen.
    Gap,
    /// The ring buffer was full: records that could have mattered were lost.
    Lost,
    /// The bytes are not unambiguous HTTP.
    Malformed,
    /// A protocol that cannot be followed (TLS, HTTP/3, ...).
    Opaque,
    /// The two ends of a connection saw different bytes at one place.
    Conflict,
    /// What could have caused it came both through the waypoint and past it.
    Ambiguous,
    /// More requests left a proxy than entries could have caused.
    Overdrawn,
    /// Nothing explains it, but a constraint that is not guarded would be needed to say so.
    NoCandidate,
    /// The sender's side of the message was not seen, although the sender is a permitted hop.
    NoDeparture,
    /// Which Gateway a request entered through is not known.
    GatewayUnknown,
    /// What could have explained it was forgotten because a bound was hit.
    Evicted,
    /// More was sent by a pod before it was classified than is kept.
    WatchedLate,
    /// Its receiver has not acknowledged all of it.
    Unacknowledged,
    /// A node or instance that could have sent it was not observed.
    NotCovered,
    /// A bound (table, body, header) was hit on this connection.
    Bound,
    /// A proxy on the way is configured so that it may have made it up itself.
    Unguarded,
}

impl Reason {
    /// What would make such a request verifiable.
    pub fn cure(self) -> &'static str {
        match self {
            Self::PredatesAgent => "close the connection (restart the client or proxy) while the agent runs",
            Self::Gap => "see the loss counters; a larger ring buffer, or less traffic on the node",
            Self::Lost => "enlarge the ring buffer (--ring-size) or give the agent more CPU",
            Self::Malformed => "fix the sender: the target could read these bytes in more than one way",
            Self::Opaque => "terminate this protocol before the target, or exempt it in the policy",
            Self::Conflict => "look for a middlebox or raw socket that injects packets",
            Self::Ambiguous => "let the proxies set x-forwarded-for, send unique trace ids, or declare `correlation`",
            Self::Overdrawn => {
                "find what the proxy sends by itself (health checks, exec'd processes) and exempt or stop it"
            }
            Self::NoCandidate => "declare what the waypoint preserves (`spec.waypoint.preserves`, `forwardedFor`)",
            Self::NoDeparture => "check the agent on the sender's node and its loss counters",
            Self::GatewayUnknown => "give the inventory the Gateway's Service and addresses",
            Self::Evicted => "raise the bound on live entries",
            Self::WatchedLate => "let the agent start before the pod, or raise the unclassified budget",
            Self::Unacknowledged => "none needed unless it persists: the receiver did not take these bytes",
            Self::NotCovered => "run an agent on every node that can reach the target",
            Self::Bound => "raise the bound that the counters name",
            Self::Unguarded => "remove from the Envoy what the findings name",
        }
    }
}

/// What an arrival is counted as beside its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    Request,
    /// A copy that a gateway behind the waypoint made (RequestMirror).
    Mirror,
    /// Declared in `exempt`, with the reason given there.
    Exempt(String),
}

impl Bypass {
    pub const ALL: [Self; 5] =
        [Self::DirectConnection, Self::RouteBypass, Self::UpstreamBypass, Self::WaypointOrigin, Self::UnknownSender];

    /// Of several kinds each is possible.
    pub fn names(kinds: &[Self]) -> Cow<'static, str> {
        match kinds {
            [kind] => kind.name().into(),
            kinds => kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ").into(),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::DirectConnection => "DirectConnection",
            Self::RouteBypass => "RouteBypass",
            Self::UpstreamBypass => "UpstreamBypass",
            Self::WaypointOrigin => "WaypointOrigin",
            Self::UnknownSender => "UnknownSender",
        }
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{self:?}");
        let mut letters = name.chars();
        if let Some(first) = letters.next() {
            write!(f, "{}{}", first.to_ascii_lowercase(), letters.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("Verified"),
            Self::Bypassed(kinds) => write!(f, "Bypassed({})", Bypass::names(kinds)),
            Self::Unverified(reason) => write!(f, "Unverified({reason})"),
        }
    }
}
