//! A Go service's client: net/http with its pool of connections, contexts that end, retries and streamed bodies.
//!
//! Verified: a request whose answer nobody waits for any more has still come the demanded way.

use anyhow::{Context, Result};

use super::all_verified;
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::setup;

pub const ATTACK: Attack = Attack {
    name: "legit-go",
    source: "clients",
    about: "net/http: pools, cancelled and timed-out requests, retries, streamed bodies",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let rows = [("pooled", 40), ("post", 8), ("cancelled", 3), ("late", 3), ("retried", 3), ("slow", 1), ("alone", 5)];
    all_verified(stage, &rows);
    let client = stage.lab.client("client-7")?;
    let binary = setup::go_client()?;
    let front = format!("http://{}", stage.lab.gateway("hello-gateway")?);
    let program = binary.to_str().context("a path that is no text")?;
    client.output(program, &[&front, &format!("/legit/{}", ATTACK.name)])?;
    Ok(())
}
