//! Clocks that are wrong. Agents and verifiers measure with the clock of the boot, which nobody sets; the one on the wall dates
//! certificates, tokens and what people read.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;

use crate::trial::{PAST, Trial};
use crate::trickle::Trickle;
use xtask::demo::cluster::Stage;

/// As libfaketime reads it; the first and the other one differ by twice of it.
const EARLY: &str = "-5m";
const LATE: &str = "+5m";
/// Seconds: more than this test takes after it has read a clock, and less than those that are wrong are off.
const MOST: i64 = 200;

pub fn agents_are_minutes_off(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let restart = |stage: &mut Stage, clocks: [(&str, Option<&str>); 2]| -> Result<()> {
        let Stage { experiment, lab, installation, .. } = stage;
        for (node, clock) in clocks {
            installation.kill_agent(node);
            installation.set_clock(node, clock);
            installation.start_agent(&experiment.server, lab, node)?;
        }
        Ok(())
    };
    let mut trial = Trial::begin(stage, trickle, "clocks of the agents 5 minutes off")?;
    restart(trial.stage, [("node-1", Some(EARLY)), ("node-2", Some(LATE))])?;
    trial.go_past()?;
    let after = trial.end(true)?;
    ensure!(after.past() >= 2 * PAST, "those from before are forgotten: {after:?}");
    for (node, early) in [("node-1", true), ("node-2", false)] {
        let off = stage.installation.agent_log(node).and_then(|log| how_far(&log))?;
        ensure!((off < 0) == early && off.abs() > MOST, "the clock of {node} is {off} s off");
    }
    restart(stage, [("node-1", None), ("node-2", None)])
}

/// What it signs for agents is dated by its own clock, and read by the clock of NATS.
pub fn verifier_is_minutes_off(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    for (name, clock) in [
        ("clock of the verifier 5 minutes early", Some(EARLY)),
        ("clock of the verifier 5 minutes late", Some(LATE)),
        ("clock of the verifier right again", None),
    ] {
        let mut trial = Trial::begin(stage, trickle, name)?;
        let installation = &mut trial.stage.installation;
        installation.kill_verifier(1)?;
        installation.verifier(1)?.set_clock(clock);
        let meanwhile = trial.go_past();
        trial.stage.installation.restart_verifier(1)?;
        meanwhile?;
        // Who asks for a token now is answered by this clock.
        let Stage { experiment, lab, installation, .. } = &mut *trial.stage;
        installation.kill_agent("node-1");
        installation.start_agent(&experiment.server, lab, "node-1")?;
        let after = trial.end(true)?;
        ensure!(after.past() >= 2 * PAST, "those from before are forgotten: {after:?}");
        let off = stage.installation.verifier(1)?.log().and_then(|log| how_far(&log))?;
        ensure!((off.abs() > MOST) == clock.is_some(), "the clock of the verifier is {off} s off");
    }
    Ok(())
}

/// In seconds, between now and the last line of a log; that line was written some time ago.
fn how_far(log: &str) -> Result<i64> {
    // Between the colours that a terminal would show.
    let mut words = log.rsplit(['\u{1b}', 'm', ' ']).filter_map(|word| word.parse::<Timestamp>().ok());
    let newest = words.next().context("a log without times")?;
    Ok(newest.as_second() - Timestamp::now().as_second())
}
