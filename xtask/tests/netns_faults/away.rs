//! The bus is away for longer than anybody waits for it.

use anyhow::Result;

use crate::trial::{PARTS, Trial, uncovered};
use crate::trickle::Trickle;
use xtask::demo::cluster::Stage;

/// Agents hold what they have seen: nothing of it is lost.
pub fn nats_is_away_for_minutes(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "nats-server away for 2 minutes")?;
    trial.stage.installation.nats.kill();
    let meanwhile = uncovered(trial.stage).and_then(|()| {
        PARTS.iter().try_for_each(|part| {
            trial.stays_sound(*part)?;
            trial.go_past()
        })
    });
    trial.stage.installation.nats.resume()?;
    meanwhile?;
    trial.end_with_all(true).map(drop)
}
