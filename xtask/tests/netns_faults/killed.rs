//! Something is killed or paused for some seconds.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::trial::{CONVERGED, Counts, PAST, Trial, uncovered};
use crate::trickle::Trickle;
use xtask::cluster::installation::{self, NAMESPACE};
use xtask::demo::cluster::Stage;
use xtask::lab::patience;

/// After it a standby takes over; some seconds more, for those in which it asks.
const TAKEN_OVER: Duration = Duration::from_secs(25);
/// How long two verifiers are watched that both think that they judge.
const WATCHED: Duration = Duration::from_secs(12);
/// Longer than the verifier waits for a node, and shorter than a Lease is good for.
const AWAY: Duration = Duration::from_secs(8);

fn holder(stage: &Stage) -> Result<String> {
    Ok(installation::holder(&stage.experiment.server, NAMESPACE, 0)?.unwrap_or_default())
}

pub fn nats_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
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
pub fn api_server_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "API server killed")?;
    trial.stage.experiment.server.kill();
    let meanwhile = trial.go_past();
    trial.stage.experiment.server.resume()?;
    meanwhile?;
    // The verifier needs nothing of it to judge.
    trial.end_with_all(false).map(drop)
}

pub fn verifier_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "verifier killed")?;
    trial.stage.installation.kill_verifier(1)?;
    let meanwhile = trial.go_past();
    trial.stage.installation.restart_verifier(1)?;
    meanwhile?;
    // It goes on where it was: nothing is forgotten, and what passed meanwhile is judged.
    trial.end_with_all(false).map(drop)
}

pub fn owner_is_paused(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
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

pub fn agent_is_killed(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
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
