//! E36. One pod floods one backend past the waypoint, with a ring that does not hold the flood; genuine requests go to both backends.
//!
//! Each owner of sockets has a share of the ring and loses its own records only: what arrives at the *other* backend stays Verified, every
//! request of it. At the flooded one requests may be Unverified; the flood itself is Bypassed(DirectConnection) or Unverified.

use anyhow::Result;

use super::ring_flood::{BLIND, flood};
use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;
use crate::demo::Count;

const GENUINE: usize = 100;

pub const ATTACK: Attack = Attack {
    name: "flood-of-one",
    source: "E36",
    about: "one pod floods one backend; the other one's requests are judged as ever",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&["--ring-size", "1048576"])?;
    let blind = BLIND.map(|reason| (reason, Count::Any));
    let any = |first: &'static str| [vec![(first, Count::Any)], blind.to_vec()].concat();
    let flooded = stage.declare(Intent::Legitimate, "flooded", any("Verified"));
    let other = stage.legitimate("other", [("Verified", Count::AtLeast(1))]);
    let label = stage.declare(Intent::Bypass, "flood", any("Bypassed(DirectConnection)"));
    let flooding = flood(stage, &label)?;
    let paths: Vec<_> = (0..GENUINE).map(|n| format!("/either/{n}")).collect();
    let requests = paths.iter().map(|path| Request::get(path)).collect();
    let outcomes = send(&stage.lab.client("client-2")?, stage.lab.gateway("hello-gateway")?, requests)?;
    for (path, outcome) in paths.iter().zip(&outcomes) {
        let at_flooded = outcome.header("x-lab-pod") == Some("hello-backend-1");
        stage.was(path, if at_flooded { &flooded } else { &other });
    }
    stage.sent_on(&label, &flooding.finish()?);
    stage.label_rest(&flooded);
    stage.settle()?;
    stage.end()?;
    let lost = stage.summaries.last().and_then(|summary| summary["counters"]["lostRecords"].as_u64()).unwrap_or(0);
    stage.claim(&format!("losses are counted ({lost})"), lost > 0);
    stage.exits(&[1, 3])
}
