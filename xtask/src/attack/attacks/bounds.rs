//! E36, E37. Tables that are too small: the verifier may follow few sockets and remember few messages, and a client opens many connections to
//! the backend, idle ones and such that send many requests, while genuine requests go through the path.
//!
//! What a bound touches is Unverified with the bound as its reason, or with what was forgotten; nothing of the client's is Verified and
//! nothing genuine is Bypassed.

use anyhow::Result;

use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::traffic::{answered, gets};
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Request, Script, Step};
use crate::demo::Count;

const IDLE: usize = 150;
const BUSY: usize = 20;
const EACH: usize = 20;
const GENUINE: usize = 60;

pub const ATTACK: Attack = Attack {
    name: "bounds",
    source: "E36 E37",
    about: "more connections and messages than the verifier may remember",
    setting: Setting::Own,
    play,
};

/// What may be said where something was forgotten.
const DOUBTS: [&str; 9] = [
    "Unverified(bound)",
    "Unverified(evicted)",
    "Unverified(noDeparture)",
    "Unverified(predatesAgent)",
    "Unverified(notCovered)",
    "Unverified(ambiguous)",
    "Unverified(overdrawn)",
    "Unverified(lost)",
    "Unverified(gap)",
];

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&["--max-sockets", "64", "--max-messages", "64"])?;
    let any =
        |first: &'static str| [first].into_iter().chain(DOUBTS).map(|what| (what, Count::Any)).collect::<Vec<_>>();
    let genuine = stage.declare(Intent::Legitimate, "genuine", any("Verified"));
    let direct = stage.declare(Intent::Bypass, "direct", any("Bypassed(DirectConnection)"));
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let idle = Connection { to: backend, from: None, steps: vec![Step::Connect, Step::Wait("idle".to_owned())] };
    let client = stage.lab.client("client-1")?;
    let mut held = client.spawn(&Script { connections: vec![idle; IDLE] })?;
    held.wait_until_held("idle", IDLE)?;
    let busy = Connection::new(backend, vec![Request::get(&direct); EACH]);
    let busy = client.spawn(&Script { connections: vec![busy; BUSY] })?;
    stage.label_rest(&direct);
    let sent = gets(&stage.lab.client("client-2")?, front, &genuine, GENUINE)?;
    stage.sent_on(&genuine, &sent);
    let sent = answered(busy.finish()?, BUSY * EACH)?;
    stage.sent_on(&direct, &sent);
    held.release("idle")?;
    held.finish()?;
    stage.settle()?;
    stage.exits(&[1, 3])
}
