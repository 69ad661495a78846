//! E4. A client calls the waypoint itself (its pod, its Service), though the policy demands that requests enter by hello-gateway.
//!
//! Bypassed(UpstreamBypass): it did pass the waypoint, but nobody permitted sent it there.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "waypoint-itself",
    source: "E4",
    about: "a client calls the waypoint itself, past the gateway where requests must enter",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let client = stage.lab.client("client-3")?;
    for (name, to) in [("pod", stage.lab.pod("hello-waypoint-1")?), ("service", stage.lab.service("hello-waypoint")?)] {
        let path = stage.bypass(name, [("Bypassed(UpstreamBypass)", EACH as u64)]);
        gets(&client, to, &path, EACH)?;
    }
    Ok(())
}
