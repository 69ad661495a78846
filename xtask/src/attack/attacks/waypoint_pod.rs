//! E24, E40. Others in the waypoint's pod: a process exec'd into the waypoint's container and a sidecar, each calling the backend and the
//! gateway behind the waypoint, with the x-forwarded-for that the waypoint would write.
//!
//! To the backend: Bypassed(DirectConnection). To hello-upstream from the container itself: Bypassed(WaypointOrigin), because the
//! process that dialled is not the one that serves the container's listening sockets; from the sidecar, which is another owner behind
//! the same address: Bypassed(UpstreamBypass).

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;

const EACH: u64 = 4;

pub const ATTACK: Attack = Attack {
    name: "waypoint-pod",
    source: "E24 E40",
    about: "an exec'd process and a sidecar in the waypoint's pod call the backend and the gateway behind it",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let (backend, upstream) = (stage.lab.pod("hello-backend-1")?, stage.lab.gateway("hello-upstream")?);
    let ingress = stage.lab.plan().node("node-1")?.ingress.v4().to_string();
    let rows = [
        ("exec-backend", "caddy", backend, "Bypassed(DirectConnection)"),
        ("exec-upstream", "caddy", upstream, "Bypassed(WaypointOrigin)"),
        ("sidecar-backend", "sidecar", backend, "Bypassed(DirectConnection)"),
        ("sidecar-upstream", "sidecar", upstream, "Bypassed(UpstreamBypass)"),
    ];
    for (name, container, to, expected) in rows {
        let place = stage.lab.container("hello-waypoint-1", container)?;
        let path = stage.bypass(name, [(expected, EACH)]);
        let request = Request::get(&path).header("X-Forwarded-For", &ingress);
        send(&place, to, vec![request; EACH as usize]).with_context(|| name.to_owned())?;
    }
    Ok(())
}
