//! What objects declare, as a condition: whether anything keeps traffic on the demanded path. Pure.

use super::Facts;
use crate::model::Bypass;
use crate::routes::{Path, compare, kinds_of};

/// Ways that a message names.
const NAMED: usize = 3;

pub(super) fn enforced(facts: &Facts<'_>) -> super::Words {
    if facts.policy.nature().is_some() {
        return ("Unknown", "NotAccepted", "see the condition Accepted".to_owned());
    }
    let Some(analysis) = facts.declared else {
        return ("Unknown", "NotRead", "what the objects declare was not read yet".to_owned());
    };
    if !facts.undeclared.is_empty() {
        let kinds: Vec<_> = facts.undeclared.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let told = format!(
            "requests went past the waypoint by ways that no object declares: {}; something was not read, or the model of a controller is \
             wrong (docs/routes.md): report it",
            kinds.join(", ")
        );
        return ("False", "Undeclared", told);
    }
    let compared = compare(analysis, &facts.said.bypassed);
    let ways = compared.seen.iter().map(|path| (path, true)).chain(compared.unseen.iter().map(|path| (path, false)));
    let ways: Vec<_> = ways.filter(|(path, _)| path.from_pods()).collect();
    if !ways.is_empty() {
        let named = ways.iter().take(NAMED).map(|(path, is_seen)| words(path, *is_seen)).collect::<Vec<_>>();
        let more = if ways.len() > NAMED { "; and more" } else { "" };
        return (
            "False",
            "PathOpen",
            format!("objects open {} ways past the waypoint: {}{more}", ways.len(), named.join("; ")),
        );
    }
    if analysis.is_partial() {
        let unread = analysis.unread.iter().map(ToString::to_string).take(NAMED).collect::<Vec<_>>();
        let told = match unread.is_empty() {
            true => "some objects that could lead past the waypoint are not understood".to_owned(),
            false => unread.join("; "),
        };
        return ("Unknown", "NotRead", told);
    }
    // Not only who runs on the pods' node may have sent it: nobody knows.
    let is_path = |label: &str| {
        kinds_of(label).iter().any(|kind| !matches!(kind, Bypass::WaypointOrigin | Bypass::UnknownSender))
    };
    let seen = facts.said.bypassed.iter().filter(|(label, count)| **count > 0 && is_path(label));
    let mut seen: Vec<_> = seen.map(|(label, count)| format!("{count} {label}")).collect();
    seen.extend((facts.said.forced > 0).then(|| format!("{} that cannot be named", facts.said.forced)));
    if !seen.is_empty() {
        let told = format!(
            "no object opens a way past the waypoint now to others than who runs on the pods' own node, and requests came past it within the \
             window: {}; by a way that was open then, from the pods' own node, or because NetworkPolicies are not enforced as the verifier \
             was told (--policy-enforcement)",
            seen.join(", ")
        );
        return ("Unknown", "NotExplained", told);
    }
    ("True", "NoPathOpen", "no object opens a way past the waypoint, but to who runs on the pods' own node".to_owned())
}

fn words(path: &Path, is_seen: bool) -> String {
    let hops: Vec<_> = path.hops.iter().map(|hop| hop.object.as_str()).collect();
    let kind = path.class.bypass().map_or("", |kind| kind.name());
    let seen = if is_seen { " (its kind was seen)" } else { "" };
    format!("{kind} by {}{seen}", hops.join(" > "))
}
