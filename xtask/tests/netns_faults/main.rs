//! A cluster in which something is killed or paused, under traffic: a steady trickle on the demanded path, and requests that go past it
//! before, during and after.
//!
//! Whatever happens, none of those that go past is Verified, none of the others is Bypassed, and those that go past while everything is
//! up are Bypassed. What passes meanwhile, and what old connections carry afterwards, may be Unverified.

mod trickle;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::Value;

use trickle::Trickle;
use xtask::client::Request;
use xtask::cluster::installation::NAMESPACE;
use xtask::demo;
use xtask::demo::cluster::{Stage, available};
use xtask::lab::patience;

/// Requests that go past, each time: more than the trickle sends during a fault, so that they would show among the verified.
const PAST: u64 = 60;
/// How long it may take until the status is right again.
const CONVERGED: Duration = Duration::from_secs(30);
/// After it a standby takes over; some seconds more, for those in which it asks.
const TAKEN_OVER: Duration = Duration::from_secs(25);
/// How long two verifiers are watched that both think that they judge.
const WATCHED: Duration = Duration::from_secs(12);
/// Longer than the verifier waits for a node, and shorter than a Lease is good for.
const AWAY: Duration = Duration::from_secs(8);
/// Requests of the trickle that are judged after the policy was changed, though they were sent before.
const LATE: u64 = 5;

type Fault = fn(&mut Stage, &Trickle) -> Result<()>;

/// What a policy's status counts.
#[derive(Debug, Clone, Default)]
struct Counts {
    verified: u64,
    bypassed: BTreeMap<String, u64>,
    last: String,
    covered: bool,
    /// When `Covered` changed last.
    covered_since: String,
    since: String,
    shown: Value,
}

impl Counts {
    fn of(stage: &Stage) -> Result<Self> {
        let status = stage.status()?;
        let counts = &status["counts"];
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let covered = conditions.into_iter().find(|one| one["type"] == "Covered").unwrap_or_default();
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

    fn past(&self) -> u64 {
        self.bypassed.values().sum()
    }
}

/// One fault: from a changed policy on.
struct Trial<'a> {
    stage: &'a mut Stage,
    trickle: &'a Trickle,
    name: &'static str,
    /// What the trickle had sent when it began.
    sent: u64,
    /// How many requests went past since.
    past: u64,
    /// When `Covered` had changed last.
    covered_since: String,
}

impl<'a> Trial<'a> {
    /// Everything is up: what goes past is Bypassed, all of it.
    fn begin(stage: &'a mut Stage, trickle: &'a Trickle, name: &'static str) -> Result<Self> {
        covered(stage).context("the fault before it is not over")?;
        let sent = trickle.sent();
        stage.begin_anew()?;
        let mut trial = Self { stage, trickle, name, sent, past: 0, covered_since: String::new() };
        trial.go_past()?;
        trial.covered_since = trial.counted("before", PAST)?.covered_since;
        Ok(trial)
    }

    fn go_past(&mut self) -> Result<()> {
        let requests = (0..PAST).map(|_| Request::get("/past")).collect();
        self.stage.send("client-5", self.stage.lab.service("hello-backend")?, requests)?;
        self.past += PAST;
        Ok(())
    }

    /// Waits until so many are Bypassed at least; says what must not be so.
    fn counted(&self, when: &str, at_least: u64) -> Result<Counts> {
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
    fn sound(&self, counts: &Counts) -> Result<()> {
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
    fn end(mut self, anew: bool) -> Result<Counts> {
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
            "{}: Covered after {took:.1?}; {} of {} that went past are Bypassed: {}",
            self.name,
            after.past(),
            self.past,
            after.shown["counts"]
        );
        Ok(after)
    }

    /// What the status counts once nothing comes to it any more of what went past.
    fn settled(&self) -> Result<Counts> {
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

fn covered(stage: &Stage) -> Result<()> {
    patience::wait_for(CONVERGED, "Covered to be True", || Ok(Counts::of(stage)?.covered.then_some(())))
        .with_context(|| format!("{:?}", Counts::of(stage)))
}

fn uncovered(stage: &Stage) -> Result<()> {
    patience::wait("Covered not to be True", || Ok((!Counts::of(stage)?.covered).then_some(())))
}

fn holder(stage: &Stage) -> Result<String> {
    let lease: Lease = stage.experiment.server.client().get(NAMESPACE, "waypoint-verify-verifier-all")?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

fn nats_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "nats-server killed")?;
    trial.stage.installation.nats.kill();
    let meanwhile = trial.go_past();
    std::thread::sleep(AWAY);
    trial.stage.installation.nats.resume()?;
    meanwhile?;
    let after = trial.end(true)?;
    ensure!(after.past() >= 2 * PAST, "those from before are forgotten: {after:?}");
    Ok(())
}

/// For less time than a Lease is good for.
fn api_server_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "API server killed")?;
    trial.stage.experiment.server.kill();
    let meanwhile = trial.go_past();
    trial.stage.experiment.server.resume()?;
    meanwhile?;
    let after = trial.end(false)?;
    // The verifier needs nothing of it to judge.
    ensure!(after.past() == 3 * PAST, "not all that went past are Bypassed: {after:?}");
    Ok(())
}

fn verifier_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "verifier killed")?;
    trial.stage.installation.kill_verifier(1)?;
    let meanwhile = trial.go_past();
    trial.stage.installation.restart_verifier(1)?;
    meanwhile?;
    let after = trial.end(false)?;
    // It goes on where it was: nothing is forgotten, and what passed meanwhile is judged.
    ensure!(after.past() == 3 * PAST, "not all that went past are Bypassed: {after:?}");
    Ok(())
}

fn owner_is_paused(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    stage.installation.add_verifier()?;
    let mut trial = Trial::begin(stage, trickle, "owner paused")?;
    ensure!(holder(trial.stage)? == "verifier-1", "verifier-2 was to stand by");
    trial.stage.installation.verifier(1)?.pause()?;
    trial.go_past()?;
    patience::wait_for(TAKEN_OVER, "verifier-2 to take over", || {
        Ok((holder(trial.stage)? == "verifier-2").then_some(()))
    })?;
    patience::wait_for(CONVERGED, "verifier-2 to see both nodes", || {
        let metrics = trial.stage.installation.verifier(2)?.metrics()?;
        let sees = |node: &str| metrics.contains(&format!(r#"waypoint_verify_node_covered{{node="{node}"}} 1"#));
        Ok((sees("node-1") && sees("node-2")).then_some(()))
    })?;
    let before = trial.settled()?;
    trial.stage.installation.verifier(1)?.go_on()?;

    // Whoever else wrote would write what it counted itself, since it began.
    let (start, mut last) = (Instant::now(), before.clone());
    while start.elapsed() < WATCHED {
        let now = Counts::of(trial.stage)?;
        let holder = holder(trial.stage)?;
        ensure!(holder == "verifier-2", "{holder} judges");
        ensure!(now.since == before.since, "the status is another one's: {now:?} after {before:?}");
        ensure!(now.covered, "the condition flaps: {now:?}");
        ensure!(now.verified >= last.verified && now.past() >= last.past(), "counts go back: {now:?} after {last:?}");
        last = now;
        std::thread::sleep(Duration::from_millis(50));
    }
    trial.go_past()?;
    let after = trial.counted("after", before.past() + PAST)?;
    eprintln!("owner paused: {} of {} that went past are Bypassed", after.past(), trial.past);
    let standing_by = trial.stage.installation.verifier(1)?.metrics()?;
    ensure!(!standing_by.contains("waypoint_verify_requests_total{"), "verifier-1 judges, too: {standing_by}");
    Ok(())
}

fn agent_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "agent killed")?;
    trial.stage.installation.kill_agent("node-1");
    let meanwhile = trial.go_past().and_then(|()| uncovered(trial.stage));
    let Stage { experiment, lab, installation, .. } = trial.stage;
    installation.start_agent(&experiment.server, lab, "node-1")?;
    meanwhile?;
    let after = trial.end(true)?;
    ensure!(after.past() >= 2 * PAST, "those from before are forgotten: {after:?}");
    Ok(())
}

/// Two cores: one lab at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn under_faults_nothing_is_verified_that_went_past_and_all_is_seen_again_soon() {
    if !available("under_faults_nothing_is_verified_that_went_past_and_all_is_seen_again_soon") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-faults");
    let mut stage = Stage::up(&dir, "faults", |_| {}).unwrap();
    let trickle = Trickle::start(&stage, "client-8").unwrap();
    let faults: [(&str, Fault); 5] = [
        ("nats-server", nats_is_killed),
        ("API server", api_server_is_killed),
        ("agent", agent_is_killed),
        ("verifier", verifier_is_killed),
        // The last one: from then on agents ask a verifier that only stands by.
        ("owner", owner_is_paused),
    ];
    let mut wrong = Vec::new();
    for (name, fault) in faults {
        if let Err(error) = fault(&mut stage, &trickle) {
            wrong.push(format!("{name}: {error:#}"));
        }
    }
    trickle.end().unwrap();
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
    stage.down().unwrap();
}

/// What is not heard is not known: a status that was right before says so.
#[test]
fn while_the_bus_is_away_no_policy_is_covered() {
    if !available("while_the_bus_is_away_no_policy_is_covered") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns-bus-away");
    let mut stage = Stage::up(&dir, "busaway", |_| {}).unwrap();
    stage.installation.nats.kill();
    uncovered(&stage).unwrap();
    stage.down().unwrap();
}
