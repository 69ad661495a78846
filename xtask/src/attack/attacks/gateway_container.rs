//! E24, E47. A process that was exec'd into the gateway's own container, whose socket has everything that a permitted last hop has but the
//! process: it calls the backend, the waypoint, and the gateway behind it.
//!
//! No request that entered can have caused what it sends: Bypassed(UnknownSender) to the backend, and wherever it stands in for the
//! gateway before the waypoint. To hello-upstream it is no waypoint: Bypassed(UpstreamBypass).

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "gateway-container",
    source: "E24 E47",
    about: "a process exec'd into the gateway's container calls the backend, the waypoint, the gateway behind",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let inside = stage.lab.container("cilium-envoy-node-1", "cilium-envoy")?;
    let rows = [
        ("backend", stage.lab.pod("hello-backend-1")?, "Bypassed(UnknownSender)"),
        ("waypoint", stage.lab.pod("hello-waypoint-1")?, "Bypassed(UnknownSender)"),
        ("upstream", stage.lab.gateway("hello-upstream")?, "Bypassed(UpstreamBypass)"),
    ];
    for (name, to, expected) in rows {
        let path = stage.bypass(name, [(expected, EACH as u64)]);
        let request = Request::get(&path).header("X-Forwarded-For", "10.244.1.12");
        send(&inside, to, vec![request; EACH]).with_context(|| name.to_owned())?;
    }
    Ok(())
}
