//! What a verifier says in its metrics.

use anyhow::{Context, Result};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub verified: u64,
    /// Everything else that was said of requests, and evidence that was not taken.
    pub wrong: u64,
    pub provisional: u64,
    /// Messages of the bus, and their octets.
    pub batches: u64,
    pub octets: u64,
    pub evidence: u64,
    pub late_ticks: u64,
    /// As `policy_verified`.
    pub verdict: i64,
}

impl Counted {
    pub fn read(metrics: &str) -> Result<Self> {
        let sum = |name: &str, wanted: fn(&str) -> bool| -> Result<u64> {
            let of = |line: &str| -> Result<u64> {
                let (_, value) = line.rsplit_once(' ').context("a metric without a value")?;
                value.parse().with_context(|| line.to_owned())
            };
            let prefix = format!("waypoint_verify_{name}");
            let is_it = |line: &&str| {
                line.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with(['{', ' ']) && wanted(rest))
            };
            metrics.lines().filter(is_it).map(of).sum()
        };
        const ALL: fn(&str) -> bool = |_| true;
        let verified: fn(&str) -> bool = |labels| labels.contains(r#"verdict="Verified",reason="""#);
        let said = sum("requests_total", ALL)?;
        let verdict = metrics.lines().find_map(|line| line.strip_prefix("waypoint_verify_policy_verified{"));
        let verdict = verdict.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.parse()).transpose()?;
        let right = sum("requests_total", verified)?;
        Ok(Self {
            verified: right,
            wrong: said - right + sum("lost_evidence_total", ALL)?,
            provisional: sum("provisional_requests", ALL)?,
            batches: sum("batches_total", ALL)?,
            octets: sum("evidence_bytes_total", ALL)?,
            evidence: sum("evidence_total", ALL)?,
            late_ticks: sum("late_ticks_total", ALL)?,
            verdict: verdict.unwrap_or(-1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_verified_or_was_not_taken_is_wrong() {
        let metrics = "# HELP waypoint_verify_requests x\n\
            waypoint_verify_requests_total{policy=\"a/b\",verdict=\"Verified\",reason=\"\"} 7\n\
            waypoint_verify_requests_total{policy=\"a/b\",verdict=\"Verified\",reason=\"mirror\"} 1\n\
            waypoint_verify_requests_total{policy=\"a/b\",verdict=\"Unverified\",reason=\"gap\"} 2\n\
            waypoint_verify_lost_evidence_total{source=\"gap\"} 4\n\
            waypoint_verify_policy_verified{policy=\"a/b\"} 1\n\
            waypoint_verify_provisional_requests{policy=\"a/b\"} 3\n\
            waypoint_verify_batches_total 5\nwaypoint_verify_evidence_total 9\n\
            waypoint_verify_evidence_bytes_total 6\nwaypoint_verify_late_ticks_total 8\n";
        let expected = Counted {
            verified: 7,
            wrong: 7,
            provisional: 3,
            batches: 5,
            octets: 6,
            evidence: 9,
            late_ticks: 8,
            verdict: 1,
        };
        assert_eq!(Counted::read(metrics).unwrap(), expected);
    }
}
