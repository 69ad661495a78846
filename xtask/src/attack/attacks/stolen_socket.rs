//! E29. Somebody in the node takes the waypoint's *own* connection to the gateway behind it (pidfd_getfd, which needs ptrace's rights) and
//! writes a request onto it: the socket was created by the waypoint's process, so that who created it says nothing.
//!
//! Bypassed(WaypointOrigin): nothing that entered the waypoint can have caused it. (In a crowd of identical genuine requests it would be
//! counted: see `made-up`.)

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::tools::run;
use crate::tools::sockets::{Kind, Sockets, Step};

pub const ATTACK: Attack = Attack {
    name: "stolen-socket",
    source: "E29",
    about: "a request is written onto the waypoint's own connection",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let (front, upstream) = (stage.lab.gateway("hello-gateway")?, stage.lab.gateway("hello-upstream")?);
    let genuine = stage.legitimate("genuine", [("Verified", 4)]);
    // So that both waypoints have a connection that is idle.
    gets(&stage.lab.client("client-1")?, front, &genuine, 4)?;
    stage.settle_label(&genuine)?;
    let process = stage.lab.caddy_pid("hello-waypoint-1", "caddy").context("the waypoint runs")?;
    let path = stage.bypass("stolen", [("Bypassed(WaypointOrigin)", 1)]);
    let ingress = stage.lab.plan().node("node-1")?.ingress.v4();
    let request = format!("GET {path} HTTP/1.1\r\nHost: hello.example\r\nX-Forwarded-For: {ingress}\r\n\r\n");
    // The answer goes to whoever reads first.
    let steps = [Step::Steal { process, peer: upstream }, Step::Send(request.into_bytes())];
    run(&stage.lab.host("node-1")?, &Sockets::new(upstream, Kind::Plain, steps))?;
    stage.settle()?;
    stage.exits(&[1])
}
