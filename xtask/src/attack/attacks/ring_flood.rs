//! E36. One pod floods the ring buffer (bulk to the backend, past the waypoint, on many connections) while others' requests go through
//! the path, with a ring that is far too small for it.
//!
//! The flood is Bypassed(DirectConnection) or Unverified; genuine requests may become Unverified with a loss as the reason, and the losses
//! are counted; nothing of the flood is Verified and nothing genuine is Bypassed.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::answered;
use crate::attack::{Attack, Setting};
use crate::client::{Body, Connection, Held, Request, Script};
use crate::demo::Count;

const CONNECTIONS: usize = 16;
const UPLOADS: usize = 30;
const GENUINE: usize = 100;

pub const ATTACK: Attack = Attack {
    name: "ring-flood",
    source: "E36",
    about: "one pod floods a ring that is too small while others are judged",
    setting: Setting::Own,
    play,
};

/// What may be said where records were lost.
pub(super) const BLIND: [&str; 9] = [
    "Unverified(lost)",
    "Unverified(gap)",
    "Unverified(noDeparture)",
    "Unverified(evicted)",
    "Unverified(unacknowledged)",
    "Unverified(notCovered)",
    "Unverified(bound)",
    "Unverified(ambiguous)",
    "Unverified(overdrawn)",
];

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&["--ring-size", "32768"])?;
    let blind = BLIND.map(|reason| (reason, Count::Any));
    let any = |first: &'static str| [vec![(first, Count::Any)], blind.to_vec()].concat();
    let genuine = stage.declare(crate::attack::label::Intent::Legitimate, "genuine", any("Verified"));
    let flood = stage.declare(crate::attack::label::Intent::Bypass, "flood", any("Bypassed(DirectConnection)"));
    let flooding = self::flood(stage, &flood)?;
    let script = Script::keep_alive(stage.lab.gateway("hello-gateway")?, vec![Request::get(&genuine); GENUINE]);
    let mut others = Vec::new();
    for client in ["client-2", "client-3"] {
        others.push(stage.lab.client(client)?.spawn(&script)?);
    }
    for other in others {
        stage.sent_on(&genuine, &answered(other.finish()?, GENUINE)?);
    }
    let outcomes = answered(flooding.finish()?, CONNECTIONS * UPLOADS)?;
    stage.sent_on(&flood, &outcomes);
    stage.label_rest(&genuine);
    stage.settle()?;
    stage.end()?;
    let lost = stage.summaries.last().and_then(|summary| summary["counters"]["lostRecords"].as_u64()).unwrap_or(0);
    stage.claim(&format!("losses are counted ({lost})"), lost > 0);
    stage.exits(&[1, 3])
}

/// Bulk of client-1 straight to hello-backend-1. Chunks are followed octet by octet.
pub(super) fn flood(stage: &Stage, label: &str) -> Result<Held> {
    let upload = Request::new("POST", &format!("{label}?sink=1")).body(Body::Chunks(vec!["x".repeat(8192); 8]));
    let connection = Connection::new(stage.lab.pod("hello-backend-1")?, vec![upload; UPLOADS]);
    stage.lab.client("client-1")?.spawn(&Script { connections: vec![connection; CONNECTIONS] })
}
