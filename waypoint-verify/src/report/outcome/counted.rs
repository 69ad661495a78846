//! Counts as findings: each that keeps a policy from being True, by itself.

use super::{Finding, Level, rules};
use crate::policy::Counts;

/// Every count that keeps a policy from being True. None: nothing that is counted does. `min_verified`: what was asked for. `example`: one
/// request of those that are counted under a label, in words.
pub fn counted(counts: &Counts, min_verified: u64, example: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let example = |label: &str| example(label).map_or_else(String::new, |words| format!("; one of them: {words}"));
    let mut findings = Vec::new();
    for (label, count) in &counts.bypassed {
        let message = format!("{} bypassed the waypoint: {label}{}", requests(*count), example(label));
        findings.push(rules::bypass(label).finding(Level::Violation, message));
    }
    if counts.forced > 0 {
        let message =
            format!("{} bypassed the waypoint for certain, though none can be named", requests(counts.forced));
        findings.push(rules::FORCED.finding(Level::Violation, message));
    }
    let bypassed = !findings.is_empty();
    for (label, count) in &counts.unverified {
        let message = format!("{} could not be verified: {label}{}", requests(*count), example(label));
        findings.push(rules::unverified(label).finding(Level::Unproven, message));
    }
    if counts.lost > 0 {
        findings.push(rules::LOST.finding(Level::Unproven, format!("{} records were lost", counts.lost)));
    }
    if counts.provisional > 0 {
        let those = requests(counts.provisional);
        let message = format!("{those} verified, unless an exchange that still runs shows otherwise");
        findings.push(rules::PROVISIONAL.finding(Level::Unproven, message));
    }
    let wanted = min_verified.max(1);
    // Where something bypassed, that is what counts.
    if counts.verified < wanted && !bypassed {
        let message = format!("{} verified, and at least {wanted} are wanted", requests(counts.verified));
        findings.push(rules::TOO_LITTLE.finding(Level::Unproven, message));
    }
    findings
}

fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}
