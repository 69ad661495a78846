//! E40, M. What the waypoint's container makes up by itself: requests that look exactly like a client's genuine ones at the same time.
//! First by the proxy's own process (its health check, with a client's path, host and x-forwarded-for), then by another process in the
//! same container. Only the backend's own log tells them apart.
//!
//! More left the waypoint than entered it. A made-up request is Bypassed(WaypointOrigin) where nothing that entered can have caused it;
//! where a genuine one can have, the whole class is Unverified(overdrawn), genuine ones included, and the policy is False by count. The
//! other process is told by who created its socket: Bypassed(WaypointOrigin), or Unverified(ambiguous) where its request and a genuine
//! one are in flight at hello-upstream together.

use anyhow::Result;

use crate::attack::label::IN_ALL;
use crate::attack::stage::Stage;
use crate::attack::traffic::{answered, send};
use crate::attack::{Attack, Setting};
use crate::client::{Request, Script};
use crate::demo::Count;
use crate::lab::Variant;

const CLIENTS: usize = 4;
const EACH: usize = 60;
const OTHER: usize = 10;

pub const ATTACK: Attack = Attack {
    name: "made-up",
    source: "E40 M",
    about: "the waypoint's process, and another in its container, send copies of genuine requests",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.told_by_backends();
    stage.lab.recreate("hello-waypoint-1", "caddy")?;
    stage.observe(&[])?;
    let doubt = |reason| (reason, Count::Any);
    let genuine = stage.legitimate(
        "genuine",
        [
            ("Verified", Count::Any),
            doubt("Unverified(overdrawn)"),
            doubt("Unverified(ambiguous)"),
            (IN_ALL, Count::Exactly((CLIENTS * EACH) as u64)),
        ],
    );
    // What the variant writes as its agent.
    let made_up = stage.bypass(
        "health",
        [
            ("Bypassed(WaypointOrigin)", Count::AtLeast(1)),
            doubt("Unverified(overdrawn)"),
            doubt("Unverified(ambiguous)"),
        ],
    );
    let other = stage.bypass(
        "process",
        [
            doubt("Bypassed(WaypointOrigin)"),
            doubt("Unverified(ambiguous)"),
            doubt("Unverified(overdrawn)"),
            (IN_ALL, Count::Exactly(OTHER as u64)),
        ],
    );
    stage.claim("the health check is labelled", made_up == crate::lab::caddy::HEALTH_AGENT);
    stage.lab.start("hello-waypoint-1", "caddy", Variant::HealthCheckLikeAClient)?;
    let request = |agent: &str| Request::get("/healthz").header("User-Agent", agent);
    let front = stage.lab.gateway("hello-gateway")?;
    let script = Script::keep_alive(front, vec![request(&genuine); EACH]);
    let mut clients = Vec::new();
    for client in 1..=CLIENTS {
        clients.push(stage.lab.client(&format!("client-{client}"))?.spawn(&script)?);
    }
    let inside = stage.lab.container("hello-waypoint-2", "caddy")?;
    let forged = request(&other).header("X-Forwarded-For", &stage.lab.plan().node("node-2")?.ingress.v4().to_string());
    send(&inside, stage.lab.gateway("hello-upstream")?, vec![forged; OTHER])?;
    for client in clients {
        answered(client.finish()?, EACH)?;
    }
    // The health check goes on: it must not while what is left is read.
    stage.lab.recreate("hello-waypoint-1", "caddy")?;
    stage.settle()?;
    stage.exits(&[1])
}
