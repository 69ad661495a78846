//! E23, E24. Who shares the backend's pod calls it: a sidecar by localhost and by the pod's address, a process that was exec'd into the
//! backend's own container.
//!
//! Bypassed(DirectConnection): the loopback is observed like any other device, and neither the pod nor the container permits anything.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "same-pod",
    source: "E23 E24 E42",
    about: "a sidecar of the backend, and a process exec'd into its container, call it by localhost and by its address",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let pod = stage.lab.pod("hello-backend-1")?;
    let four: SocketAddr = ([127, 0, 0, 1], pod.port()).into();
    let six: SocketAddr = ([0, 0, 0, 0, 0, 0, 0, 1], pod.port()).into();
    for container in ["sidecar", "caddy"] {
        let place = stage.lab.container("hello-backend-1", container)?;
        for (how, to) in [("localhost", four), ("localhost-ipv6", six), ("address", pod)] {
            let path = stage.bypass(&format!("{container}-{how}"), [("Bypassed(DirectConnection)", EACH as u64)]);
            gets(&place, to, &path, EACH).with_context(|| path.clone())?;
        }
    }
    Ok(())
}
