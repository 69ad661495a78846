//! E46. Somebody in the backend's pod holds a packet socket: a TCP of his own in user space could take requests past every hook, and answer
//! them; requests that the kernel's TCP takes go on beside it.
//!
//! The socket is found and named (a scan comes at the start and every ten seconds), and what may have come that way is one
//! Unverified(notCovered) of the pod, which keeps a gate from 0. What the kernel's TCP took is judged as ever: Verified.

use std::net::SocketAddr;

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::packets::Packets;
use crate::tools::start;

const REQUESTS: usize = 20;

pub const ATTACK: Attack = Attack {
    name: "packet-socket",
    source: "E46",
    about: "a packet socket in the backend's pod, where a TCP of one's own could take requests",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let mut holder = start(&stage.lab.container("hello-backend-1", "sidecar")?, &Packets {})?;
    holder.wait_until_held("held")?;
    stage.observe(&[])?;
    // Told of the pod, not of a connection.
    let pod = stage.bypass("pod", [("Unverified(notCovered)", Count::AtLeast(1))]);
    stage.sent_from(&pod, SocketAddr::from(([0, 0, 0, 0], 0)));
    let path = stage.legitimate("beside", [("Verified", REQUESTS as u64)]);
    gets(&stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?, &path, REQUESTS)?;
    stage.settle()?;
    holder.release("held")?;
    holder.finish()?;
    stage.exits(&[3])?;
    let named =
        stage.summaries.last().is_some_and(|summary| summary["findings"].to_string().contains("user-space TCP"));
    stage.claim("the socket is named", named);
    Ok(())
}
