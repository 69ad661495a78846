//! The rules of what was observed. Their ids stay: consumers filter by them.

use serde::Deserialize as _;
use serde::de::{self, value::StrDeserializer};

use super::Rule;
use crate::model::{Bypass, Reason};

pub const NO_POLICY: Rule =
    Rule::new("gate/noPolicy", "Nothing was judged", "Name a WaypointPolicy whose targets have pods.");

pub const UNANSWERED: Rule = Rule::new(
    "gate/unanswered",
    "The verifier did not answer for all of the time",
    "Look at the verifier's log and readiness, and run the gate again.",
);

pub const NOT_COVERED: Rule = Rule::new(
    "coverage/node",
    "Not everything was seen",
    "Run an agent on every node that can reach the target; the policy's condition Covered names the nodes.",
);

pub const NOT_ACCEPTED: Rule = Rule::new(
    "condition/NotAccepted",
    "The policy cannot be judged as it is",
    "Mend what the policy's condition Accepted names.",
);

pub const CANARY: Rule = Rule::new(
    "canary/unsatisfying",
    "What was sent was not seen as what it is",
    "Look at the canary's Job and at what the verifier says of it; until it is seen, nobody can say that others are.",
);

pub const OBSERVER: Rule = Rule::new(
    "observer/finding",
    "Something that people have to know of",
    "See what it names: it destroys evidence, opens a way past the probes, or could not be checked.",
);

pub const FORCED: Rule = Rule::new(
    "bypass/forced",
    "More equal requests arrived than can have passed the waypoint",
    "Some of them bypassed it for certain, though none can be named. Let the proxies set x-forwarded-for, or send unique \
     trace ids, and each of them can be.",
);

pub const SEVERAL: Rule = Rule::new(
    "bypass/several",
    "Requests bypassed the waypoint in one of several ways",
    "Each kind that the message names is possible. Close each of these ways.",
);

pub const LOST: Rule = Rule::new(
    "lost/records",
    "Evidence was lost",
    "Enlarge the ring buffer (--ring-size), or give the observer more processor time.",
);

pub const PROVISIONAL: Rule = Rule::new(
    "traffic/provisional",
    "Requests wait for exchanges to end",
    "Give the gate more time (--timeout, --settle), or end streams that never end.",
);

pub const TOO_LITTLE: Rule = Rule::new(
    "traffic/tooLittle",
    "Fewer requests were verified than were asked for",
    "Send more through the waypoint while the gate observes, or ask for fewer (--min-verified).",
);

/// By the label under which a bypass is counted.
pub fn bypass(label: &str) -> Rule {
    let kinds = [
        Bypass::DirectConnection,
        Bypass::RouteBypass,
        Bypass::UpstreamBypass,
        Bypass::WaypointOrigin,
        Bypass::UnknownSender,
    ];
    kinds.into_iter().find(|kind| kind.name() == label).map_or(SEVERAL, of_kind)
}

fn of_kind(kind: Bypass) -> Rule {
    match kind {
        Bypass::DirectConnection => Rule::new(
            "bypass/DirectConnection",
            "Somebody else connected to the target's pod",
            "Let only the permitted last hop reach the target's pods (NetworkPolicy), or exempt the sender in the policy.",
        ),
        Bypass::RouteBypass => Rule::new(
            "bypass/RouteBypass",
            "A gateway reached the target without the waypoint",
            "Find the route, Ingress or Gateway that has the target behind it, and point it at the waypoint's Service; or \
             name the Gateway in the policy.",
        ),
        Bypass::UpstreamBypass => Rule::new(
            "bypass/UpstreamBypass",
            "A client called the Gateway behind the waypoint itself",
            "Let only the waypoint reach that Gateway.",
        ),
        Bypass::WaypointOrigin => Rule::new(
            "bypass/WaypointOrigin",
            "The waypoint sent requests that nothing had caused",
            "Find what sends from within the waypoint's container (health checks, exec'd processes), and stop or exempt it.",
        ),
        Bypass::UnknownSender => Rule::new(
            "bypass/UnknownSender",
            "A sender that should have been visible was not",
            "Run an agent on the sender's node, and look for sockets past the probes there (waypoint-verify doctor).",
        ),
    }
}

/// By the label under which it is counted.
pub fn unverified(label: &str) -> Rule {
    let reason = Reason::deserialize(StrDeserializer::<de::value::Error>::new(label));
    let help = reason.map_or("See docs/troubleshooting.md, \"Reasons of Unverified\".", Reason::cure);
    Rule {
        id: format!("unverified/{label}").into(),
        title: format!("Requests could not be verified: {label}").into(),
        help: help.into(),
    }
}

/// By the reason of a condition Verified that is Unknown.
pub fn unknown(reason: &str) -> Rule {
    Rule {
        id: format!("condition/{reason}").into(),
        title: format!("The policy's condition Verified is Unknown: {reason}").into(),
        help: "See docs/troubleshooting.md, \"Conditions of a WaypointPolicy\".".into(),
    }
}
