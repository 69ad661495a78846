//! A node's Envoy is restarted as a kubelet restarts containers, then one of two waypoints, with requests before and after. The inventory
//! is a file that was read once, so the new containers are not in it.
//!
//! Verified before. Afterwards what a new container touches is Unverified(notCovered): nobody has said what it is. What goes by the
//! waypoint that is still known stays Verified. Never Bypassed.

use anyhow::{Result, ensure};

use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::client::{Request, Script};
use crate::demo::Count;
use crate::lab::Variant;

pub const ATTACK: Attack = Attack {
    name: "legit-restarts",
    source: "clients E34",
    about: "one of two waypoints, then an Envoy, are restarted between requests",
    setting: Setting::Own,
    play,
};

const EACH: u64 = 8;

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let path = stage.legitimate("before", [("Verified", EACH)]);
    send(stage, &path)?;
    stage.settle_label(&path)?;

    stage.lab.restart("hello-waypoint-1", "caddy", Variant::Plain)?;
    let known = vec![("Verified", Count::AtLeast(1)), ("Unverified(notCovered)", Count::AtLeast(1))];
    let path = stage.declare(Intent::Legitimate, "waypoint", known);
    send(stage, &path)?;
    stage.settle_label(&path)?;

    stage.lab.restart_envoy("node-1")?;
    let path = stage.legitimate("envoy", [("Unverified(notCovered)", EACH)]);
    send(stage, &path)?;
    stage.settle()?;
    stage.exits(&[3])
}

/// Each on a connection of its own.
fn send(stage: &Stage, path: &str) -> Result<()> {
    let front = stage.lab.gateway("hello-gateway")?;
    // Of node 1, and so is its gateway.
    let client = stage.lab.client("client-1")?;
    for number in 0..EACH {
        let outcomes = client.run(&Script::keep_alive(front, [Request::get(path)]))?;
        let status = outcomes.first().map(|outcome| outcome.status);
        ensure!(status == Some(200), "{path}: request {number}: {outcomes:?}");
    }
    Ok(())
}
