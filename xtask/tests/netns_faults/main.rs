//! A cluster in which something is killed, paused, full, late or wrong, under traffic: a steady trickle on the demanded path, and
//! requests that go past it before, during and after.
//!
//! Whatever happens, none of those that go past is Verified, none of the others is Bypassed, and those that go past while everything is
//! up are Bypassed. What passes meanwhile, and what old connections carry afterwards, may be Unverified.

mod away;
mod clock;
mod full;
mod killed;
mod long;
mod partitions;
mod rollout;
mod senders;
mod stale;
mod trial;
mod trickle;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use trial::uncovered;
use trickle::Trickle;
use xtask::demo;
use xtask::demo::cluster::{Stage, available};

type Fault = fn(&mut Stage, &Trickle) -> Result<()>;

/// Two cores: one lab at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// On a stage of its own.
fn on_stage(test: &str, id: &str, act: impl FnOnce(&mut Stage)) {
    if !available(test) {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    demo::build().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("netns-{id}"));
    let mut stage = Stage::up(&dir, id, |_| {}).unwrap();
    act(&mut stage);
    stage.down().unwrap();
}

/// One fault after the other, on one stage. All are tried, and whatever was not as expected is said.
fn play(test: &str, id: &str, faults: &[(&str, Fault)]) {
    on_stage(test, id, |stage| {
        let trickle = Trickle::start(stage, "client-8").unwrap();
        let mut wrong = Vec::new();
        for (name, fault) in faults {
            if let Err(error) = fault(stage, &trickle) {
                wrong.push(format!("{name}: {error:#}"));
            }
        }
        trickle.end().unwrap();
        assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
    });
}

#[test]
fn under_faults_nothing_is_verified_that_went_past_and_all_is_seen_again_soon() {
    let faults: [(&str, Fault); 6] = [
        ("nats-server", killed::nats_is_killed),
        ("API server", killed::api_server_is_killed),
        ("agent", killed::agent_is_killed),
        ("verifier", killed::verifier_is_killed),
        // From then on agents ask a verifier that only stands by.
        ("owner", killed::owner_is_paused),
        // The last one: verifiers stay of this kind.
        ("partitions", partitions::policies_are_divided),
    ];
    play("under_faults_nothing_is_verified_that_went_past_and_all_is_seen_again_soon", "faults", &faults);
}

/// What is not heard is not known: a status that was right before says so.
#[test]
fn while_the_bus_is_away_no_policy_is_covered() {
    on_stage("while_the_bus_is_away_no_policy_is_covered", "busaway", |stage| {
        stage.installation.nats.kill();
        uncovered(stage).unwrap();
    });
}
