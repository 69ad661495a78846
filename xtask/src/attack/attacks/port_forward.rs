//! E25. What `kubectl port-forward` does: a process of the node enters the pod's network namespace and connects to localhost there.
//!
//! Bypassed(DirectConnection): a socket belongs to the cgroup in which it was created, whatever network it is in.

use std::net::SocketAddr;

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "port-forward",
    source: "E25",
    about: "a process of the node, in the pod's network namespace, calls localhost",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let place = stage.lab.host("node-1")?.in_network_of(&stage.lab.container("hello-backend-1", "caddy")?);
    let to: SocketAddr = ([127, 0, 0, 1], stage.lab.pod("hello-backend-1")?.port()).into();
    let path = stage.bypass("localhost", [("Bypassed(DirectConnection)", EACH as u64)]);
    gets(&place, to, &path, EACH)?;
    let named = stage.verdicts().iter().all(|verdict| {
        let owner = verdict["explanation"]["sender"]["owner"].as_str().unwrap_or_default();
        owner.starts_with("host process")
    });
    stage.claim("the node's process is named", named);
    Ok(())
}
