//! E17, E18. UDP, a QUIC handshake's first packet, and another protocol of IP into the backend, beside genuine requests.
//!
//! It is counted and named. A connection of QUIC could carry requests: Unverified(opaque). What is genuine stays Verified.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::datagrams::{Datagrams, Over, Receive};
use crate::tools::{run, start};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "not-tcp",
    source: "E17 E18",
    about: "UDP, QUIC and raw IP into the backend, beside genuine requests",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let client = stage.lab.client("client-1")?;
    let backend = stage.lab.pod("hello-backend-1")?;
    let quic = stage.bypass("quic", [("Unverified(opaque)", Count::AtLeast(1))]);
    stage.label_rest(&quic);
    let path = stage.legitimate("beside", [("Verified", EACH as u64)]);
    // To a port where nobody listens no socket receives anything, and so nothing is counted.
    let mut receiver = start(&stage.lab.container("hello-backend-1", "caddy")?, &Receive { at: backend })?;
    receiver.wait_until_held("ready")?;
    run(&client, &Datagrams::udp(backend, "x", EACH))?;
    run(&client, &Datagrams::quic(backend, EACH))?;
    run(&client, &Datagrams { over: Over::Ip(253), ..Datagrams::udp(backend, "x", EACH) })?;
    gets(&client, stage.lab.gateway("hello-gateway")?, &path, EACH)?;
    receiver.release("ready")?;
    receiver.finish()?;
    stage.settle()?;
    stage.end()?;
    let counted = stage.summaries.last().and_then(|summary| summary["unread"]["notTcp"].as_u64()).unwrap_or(0);
    stage.claim(&format!("all of it is counted ({counted})"), counted >= 2 * EACH as u64);
    stage.exits(&[3])?;
    Ok(())
}
