//! One row of the demo.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::counts::{Counts, Expected};
use super::verifier::{Ended, Verifier};
use crate::lab::{Lab, Topology};

/// A scenario gets a lab of its own: what one leaves open (pools of connections) must not colour the next.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub play: fn(&mut Stage) -> Result<Expected>,
}

/// What a scenario plays on.
#[derive(Debug)]
pub struct Stage {
    pub lab: Lab,
    ended: Option<Ended>,
    /// What the verdicts must explain and did not.
    wrong: Vec<String>,
}

impl Stage {
    /// Observes `traffic`, and ends when so many requests were judged.
    pub fn observe(
        &mut self,
        min_verified: u64,
        requests: usize,
        traffic: impl FnOnce(&mut Lab, &mut Verifier) -> Result<()>,
    ) -> Result<&Ended> {
        self.observe_with(min_verified, requests, &[], traffic)
    }

    pub fn observe_with(
        &mut self,
        min_verified: u64,
        requests: usize,
        options: &[&str],
        traffic: impl FnOnce(&mut Lab, &mut Verifier) -> Result<()>,
    ) -> Result<&Ended> {
        let mut verifier = Verifier::gate(&self.lab, min_verified, options)?;
        traffic(&mut self.lab, &mut verifier)?;
        verifier.wait_for_verdicts(requests)?;
        Ok(self.ended.insert(verifier.end()?))
    }

    /// A claim about what was explained.
    pub fn check(&mut self, claim: &str, holds: bool) {
        if !holds {
            self.wrong.push(format!("{claim}: not so"));
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub scenario: &'static str,
    #[serde(flatten)]
    pub counts: Counts,
    pub p99_to_verdict_ms: f64,
    pub as_expected: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
    #[serde(skip)]
    comparable: String,
}

impl Scenario {
    pub fn run(&self) -> Result<Row> {
        let mut stage = Stage { lab: Lab::up(&Topology::standard())?, ended: None, wrong: Vec::new() };
        let expected = (self.play)(&mut stage)?;
        let Stage { lab, ended, mut wrong } = stage;
        lab.down()?;
        let ended = ended.ok_or_else(|| anyhow::anyhow!("the scenario observed nothing"))?;
        wrong.extend(expected.differences(&ended.counts));
        Ok(Row {
            scenario: self.name,
            p99_to_verdict_ms: ended.summary["timeToVerdict"]["p99Ms"].as_f64().unwrap_or(0.0),
            as_expected: wrong.is_empty(),
            comparable: expected.comparable(&ended.counts),
            wrong,
            counts: ended.counts,
        })
    }
}

impl Row {
    pub const HEADER: &'static str = "scenario               requests verified bypassed                       unverified                     exit  p99 ms";

    /// Equal in every run.
    pub fn comparable(&self) -> String {
        self.comparable.clone()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |map: &std::collections::BTreeMap<String, u64>| {
            let parts: Vec<_> = map.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
        };
        let Counts { requests, verified, bypassed, unverified, mirrors, forced, exit } = &self.counts;
        write!(
            f,
            "{:<22} {requests:>8} {verified:>8} {:<30} {:<30} {exit:>4} {:>7.1}",
            self.scenario,
            list(bypassed),
            list(unverified),
            self.p99_to_verdict_ms
        )?;
        if *mirrors > 0 {
            write!(f, "  mirrors {mirrors}")?;
        }
        if *forced > 0 {
            write!(f, "  forced {forced}")?;
        }
        if !self.as_expected {
            write!(f, "  NOT AS EXPECTED")?;
        }
        Ok(())
    }
}
