//! Python's http.client, and what a script with a bare socket does: keep-alive, chunks, slow bodies, half-closed and reset connections.
//!
//! Verified, what breaks off too: it came the demanded way. A client that half-closes is gone for Envoy, which may have passed its
//! request on by then or not.

use anyhow::Result;

use super::{PYTHON, all_verified};
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::Count;

pub const ATTACK: Attack = Attack {
    name: "legit-python",
    source: "clients",
    about: "http.client: keep-alive, chunks, slow bodies; uploads and downloads that break off",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let rows = [
        ("keep-alive", 10),
        ("methods", 6),
        ("bodies", 6),
        ("slow", 1),
        ("odd", 4),
        ("reset-download", 2),
        ("aborted-upload", 2),
    ];
    all_verified(stage, &rows);
    stage.legitimate("half-closed", [("Verified", Count::AtMost(1))]);
    let client = stage.lab.client("client-6")?;
    super::play(stage, &client, PYTHON, &["-c", include_str!("client.py")], ATTACK.name)
}
