//! One fault, seen from the policy's status: what counted before it, what must not be said meanwhile, what has to be said again soon.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::trickle::Trickle;
use xtask::client::Request;
use xtask::cluster::installation::condition;
use xtask::demo::cluster::Stage;
use xtask::lab::patience;

/// Requests that go past, each time: more than the trickle sends during a short fault, so that they would show among the verified.
pub const PAST: u64 = 60;
/// How long it may take until the status is right again.
pub const CONVERGED: Duration = Duration::from_secs(30);
/// Of faults that take two minutes, each followed by requests that go past.
pub const PARTS: [Duration; 4] = [Duration::from_secs(30); 4];
/// Requests of the trickle that are judged after the policy was changed, though they were sent before.
const LATE: u64 = 5;

/// What a policy's status counts.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub verified: u64,
    pub bypassed: BTreeMap<String, u64>,
    pub last: String,
    pub covered: bool,
    /// When `Covered` changed last.
    pub covered_since: String,
    pub since: String,
    pub shown: Value,
}

impl Counts {
    pub fn of(stage: &Stage) -> Result<Self> {
        let status = stage.status()?;
        let counts = &status["counts"];
        let covered = condition(&status, "Covered").cloned().unwrap_or_default();
        Ok(Self {
            verified: counts["verified"].as_u64().unwrap_or_default(),
            bypassed: serde_json::from_value(counts["bypassed"].clone()).unwrap_or_default(),
            last: status["lastBypass"]["request"].as_str().unwrap_or_default().to_owned(),
            covered: covered["status"] == "True",
            covered_since: covered["lastTransitionTime"].as_str().unwrap_or_default().to_owned(),
            since: status["since"].as_str().unwrap_or_default().to_owned(),
            shown: status,
        })
    }

    pub fn past(&self) -> u64 {
        self.bypassed.values().sum()
    }
}

/// One fault: from a changed policy on.
pub struct Trial<'a> {
    pub stage: &'a mut Stage,
    pub trickle: &'a Trickle,
    name: &'static str,
    /// What the trickle had sent when it began.
    pub sent: u64,
    /// How many requests went past since.
    pub past: u64,
    /// When `Covered` had changed last.
    pub covered_since: String,
}

impl<'a> Trial<'a> {
    /// Everything is up: what goes past is Bypassed, all of it.
    pub fn begin(stage: &'a mut Stage, trickle: &'a Trickle, name: &'static str) -> Result<Self> {
        covered(stage).context("the fault before it is not over")?;
        stage.installation.renew_tokens(&stage.experiment.server)?;
        let sent = trickle.sent();
        stage.begin_anew()?;
        let mut trial = Self { stage, trickle, name, sent, past: 0, covered_since: String::new() };
        trial.go_past()?;
        trial.covered_since = trial.counted("before", PAST)?.covered_since;
        Ok(trial)
    }

    pub fn go_past(&mut self) -> Result<()> {
        let requests = (0..PAST).map(|_| Request::get("/past")).collect();
        self.stage.send("client-5", self.stage.lab.service("hello-backend")?, requests)?;
        self.past += PAST;
        Ok(())
    }

    /// Waits until so many are Bypassed at least; says what must not be so.
    pub fn counted(&self, when: &str, at_least: u64) -> Result<Counts> {
        let mut last = Counts::default();
        patience::wait_for(CONVERGED, &format!("{at_least} to be Bypassed"), || {
            last = Counts::of(self.stage)?;
            self.sound(&last)?;
            Ok((last.past() >= at_least).then_some(()))
        })
        .with_context(|| format!("{}, {when}: {}", self.name, last.shown))?;
        // An error while it waits is only "not yet".
        self.sound(&last).with_context(|| format!("{}, {when}", self.name))?;
        Ok(last)
    }

    /// No request of the trickle is Bypassed, and none that went past is Verified.
    pub fn sound(&self, counts: &Counts) -> Result<()> {
        let compliant = self.trickle.sent() - self.sent + LATE;
        ensure!(
            counts.bypassed.keys().all(|kind| kind == "DirectConnection"),
            "a compliant one is Bypassed: {counts:?}"
        );
        ensure!(counts.past() <= self.past, "{} went past, and more are Bypassed: {counts:?}", self.past);
        ensure!(counts.last.is_empty() || counts.last.contains("/past"), "not one that went past: {counts:?}");
        ensure!(counts.verified <= compliant, "{compliant} at most were compliant, and more are Verified: {counts:?}");
        Ok(())
    }

    /// Everything is up again: it is covered in time, and what goes past is Bypassed, all of it. `anew`: it was not covered meanwhile,
    /// however late the status says so.
    pub fn end(mut self, anew: bool) -> Result<Counts> {
        let start = Instant::now();
        patience::wait_for(CONVERGED, "Covered to be True again", || {
            let now = Counts::of(self.stage)?;
            Ok((now.covered && (!anew || now.covered_since != self.covered_since)).then_some(()))
        })
        .with_context(|| format!("{}: {:?}", self.name, Counts::of(self.stage)))?;
        let took = start.elapsed();
        let before = self.settled()?;
        let gate = self.stage.gate(1)?;
        self.go_past()?;
        let (code, found) = gate.end()?;
        ensure!(code == 1, "{}: the gate ended with {code}: {found}", self.name);
        let after = self.counted("after", before.past() + PAST)?;
        eprintln!(
            "{}: Covered after {took:.1?}; {} of {} that went past are Bypassed, {} were sent on the demanded path: {}",
            self.name,
            after.past(),
            self.past,
            self.trickle.sent() - self.sent,
            after.shown["counts"]
        );
        Ok(after)
    }

    /// The same, and all that ever went past is Bypassed.
    pub fn end_with_all(self, anew: bool) -> Result<Counts> {
        let all = self.past + PAST;
        let after = self.end(anew)?;
        ensure!(after.past() == all, "not all that went past are Bypassed: {after:?}");
        Ok(after)
    }

    /// For so long.
    pub fn stays_sound(&self, time: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < time {
            self.sound(&Counts::of(self.stage)?)?;
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// What the status counts once nothing comes to it any more of what went past.
    pub fn settled(&self) -> Result<Counts> {
        let mut last = (Counts::of(self.stage)?, Instant::now());
        patience::wait_for(CONVERGED, "the counts to rest", || {
            let now = Counts::of(self.stage)?;
            if now.past() != last.0.past() {
                last = (now, Instant::now());
            }
            // Counts alone are written every five seconds.
            Ok((last.1.elapsed() > Duration::from_secs(6)).then_some(()))
        })?;
        self.sound(&last.0)?;
        Ok(last.0)
    }
}

pub fn covered(stage: &Stage) -> Result<()> {
    patience::wait_for(CONVERGED, "Covered to be True", || Ok(Counts::of(stage)?.covered.then_some(())))
        .with_context(|| format!("{:?}", Counts::of(stage)))
}

pub fn uncovered(stage: &Stage) -> Result<()> {
    patience::wait("Covered not to be True", || Ok((!Counts::of(stage)?.covered).then_some(())))
}
