//! One row of the demo.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::cluster;
use super::counts::{Counts, Expected};
use super::verifier::{Ended, Verifier};
use crate::lab::{Lab, Topology};

#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub play: fn(&mut Stage) -> Result<Expected>,
}

/// What a scenario plays on.
#[derive(Debug)]
pub struct Stage {
    world: World,
    ended: Option<Ended>,
    /// What the verdicts must explain and did not.
    wrong: Vec<String>,
}

/// Who judges.
#[derive(Debug)]
enum World {
    /// The program on one machine, with files.
    Machine(Box<Lab>),
    /// Agents and a verifier, with an API server.
    Cluster(Box<cluster::Stage>),
}

impl Stage {
    fn new(world: World) -> Self {
        Self { world, ended: None, wrong: Vec::new() }
    }

    pub fn lab(&self) -> &Lab {
        match &self.world {
            World::Machine(lab) => lab,
            World::Cluster(stage) => &stage.lab,
        }
    }

    /// Applies objects, and returns when the Envoys serve what follows from them.
    pub fn apply(&mut self, yaml: &str) -> Result<()> {
        match &mut self.world {
            World::Machine(lab) => lab.apply(yaml),
            World::Cluster(stage) => stage.apply(yaml),
        }
    }

    /// Opens a bypass of manifests/experiment by its route. `gateway`: the one (namespace and name) that reaches the backend then.
    pub fn open(&mut self, name: &'static str, route: &str, gateway: (&'static str, &'static str)) -> Result<()> {
        match &mut self.world {
            World::Machine(lab) => lab.apply(route),
            World::Cluster(stage) => stage.open_for_scenario(name, gateway),
        }
    }

    /// Ends a Caddy container; a new one is there, and its program is yet to be started.
    pub fn recreate(&mut self, pod: &str, container: &str) -> Result<()> {
        match &mut self.world {
            World::Machine(lab) => lab.recreate(pod, container),
            World::Cluster(stage) => stage.recreate(pod, container),
        }
    }

    /// Observes `traffic`, and ends when so many requests were judged.
    pub fn observe(
        &mut self,
        min_verified: u64,
        requests: usize,
        traffic: impl FnOnce(&mut Lab) -> Result<()>,
    ) -> Result<&Ended> {
        self.observe_with(min_verified, requests, &[], traffic)
    }

    /// `options`: of the program on one machine.
    pub fn observe_with(
        &mut self,
        min_verified: u64,
        requests: usize,
        options: &[&str],
        traffic: impl FnOnce(&mut Lab) -> Result<()>,
    ) -> Result<&Ended> {
        let ended = match &mut self.world {
            World::Machine(lab) => {
                let mut verifier = Verifier::gate(lab, min_verified, options)?;
                traffic(lab)?;
                verifier.wait_for_verdicts(requests)?;
                verifier.end()?
            }
            World::Cluster(stage) => {
                ensure!(options.is_empty(), "{options:?} are for one machine");
                let (ended, wrong) = stage.observe(min_verified, requests as u64, traffic)?;
                self.wrong.extend(wrong);
                ended
            }
        };
        Ok(self.ended.insert(ended))
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
    /// On a lab of its own: what one scenario leaves open (pools of connections) must not colour the next.
    pub fn run(&self) -> Result<Row> {
        let mut stage = Stage::new(World::Machine(Box::new(Lab::up(&Topology::standard())?)));
        let row = self.play(&mut stage)?;
        match stage.world {
            World::Machine(lab) => lab.down()?,
            World::Cluster(_) => {}
        }
        Ok(row)
    }

    /// In a cluster, which is as it was afterwards.
    pub fn run_in(&self, cluster: cluster::Stage) -> Result<(Row, cluster::Stage)> {
        let mut stage = Stage::new(World::Cluster(Box::new(cluster)));
        let row = self.play(&mut stage)?;
        let World::Cluster(mut cluster) = stage.world else { bail!("another stage") };
        cluster.restore()?;
        Ok((row, *cluster))
    }

    fn play(&self, stage: &mut Stage) -> Result<Row> {
        let expected = (self.play)(stage)?;
        let ended = stage.ended.take().context("the scenario observed nothing")?;
        let mut wrong = std::mem::take(&mut stage.wrong);
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
        // In a cluster nobody knows it: clocks of nodes are not compared.
        let p99 = if self.p99_to_verdict_ms > 0.0 { format!("{:.1}", self.p99_to_verdict_ms) } else { "-".to_owned() };
        write!(
            f,
            "{:<22} {requests:>8} {verified:>8} {:<30} {:<30} {exit:>4} {p99:>7}",
            self.scenario,
            list(bypassed),
            list(unverified),
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
