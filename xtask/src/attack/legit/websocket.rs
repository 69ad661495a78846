//! WebSocket clients by their own library: messages of all sizes, pings, a close; four at once.
//!
//! Verified: the handshake is the request, and what follows belongs to it. Nothing in it is looked at.

use anyhow::Result;

use super::{PYTHON, all_verified};
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};

pub const ATTACK: Attack = Attack {
    name: "legit-websocket",
    source: "clients E14",
    about: "WebSocket clients: handshakes, messages, pings, closes",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    all_verified(stage, &[("echo", 4)]);
    let client = stage.lab.client("client-3")?;
    super::play(stage, &client, PYTHON, &["-c", include_str!("websocket_client.py")], ATTACK.name)
}
