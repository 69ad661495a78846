//! A policy's status as what it comes to. Pure.

use crate::judge::PolicyVerdict;
use crate::model::NamespacedName;
use crate::policy::WaypointPolicyStatus;
use crate::report::outcome::{Finding, Level, NOT_ACCEPTED, NOT_COVERED, PolicyOutcome, counted, unknown};
use crate::verifier::status::{ACCEPTED, COVERED, VERIFIED};

/// What the conditions say, and the counts; and what was found in what objects declare.
pub fn of_status(
    name: &NamespacedName,
    uid: &str,
    status: &WaypointPolicyStatus,
    declared: Vec<Finding>,
) -> PolicyOutcome {
    let condition = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
    let is = |kind: &str, what: &str| condition(kind).is_some_and(|condition| condition.status == what);
    let message = |kind: &str| condition(kind).map(|condition| condition.message.clone()).unwrap_or_default();
    let counts = status.counts.clone().unwrap_or_default();
    let verdict = match condition(VERIFIED).map(|condition| condition.status.as_str()) {
        Some("True") => PolicyVerdict::True,
        Some("False") => PolicyVerdict::False,
        _ => PolicyVerdict::Unknown,
    };
    let mut findings = if is(ACCEPTED, "False") {
        // Nothing is counted of it.
        vec![NOT_ACCEPTED.finding(Level::Unproven, message(ACCEPTED))]
    } else {
        counted(&counts, 1, |label| latest(label, status))
    };
    if !is(COVERED, "True") {
        findings.push(NOT_COVERED.finding(Level::Unproven, message(COVERED)));
    }
    if verdict == PolicyVerdict::Unknown && findings.iter().all(|finding| finding.level > Level::Unproven) {
        let reason = condition(VERIFIED).map_or("", |condition| condition.reason.as_str());
        findings.push(unknown(reason).finding(Level::Unproven, message(VERIFIED)));
    }
    findings.extend(declared);
    findings.sort_by_key(|finding| finding.level);
    PolicyOutcome { name: name.clone(), uid: Some(uid.to_owned()), verdict, counts, findings }
}

/// The latest bypass, if it is counted under this label.
fn latest(label: &str, status: &WaypointPolicyStatus) -> Option<String> {
    let last = status.last_bypass.as_ref().filter(|last| last.kinds == label)?;
    Some(format!("{} from {} at {}", last.request, last.from, last.at))
}
