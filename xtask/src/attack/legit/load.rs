//! Load generators: wrk, and h2load by HTTP/1.1, by HTTP/2 with many streams on each connection, and with gRPC's form of a request.
//!
//! Verified. wrk stops in the middle of requests and does not say how many it sent: the count is a lower bound, and one request of
//! each connection may break off.

use anyhow::{Context, Result, ensure};

use super::some;
use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};

pub const ATTACK: Attack = Attack {
    name: "legit-load",
    source: "clients",
    about: "wrk and h2load: HTTP/1.1, 20 streams on a connection, gRPC's form",
    setting: Setting::Shared,
    play,
};

const EACH: u64 = 400;

fn play(stage: &mut Stage) -> Result<()> {
    let client = stage.lab.client("client-2")?;
    let front = stage.lab.gateway("hello-gateway")?;
    let grpc = ["-m", "20", "-H", ":method: POST", "-H", "content-type: application/grpc", "-H", "te: trailers"];
    let rows: [(&str, &[&str]); 3] = [("h1", &["--h1"]), ("h2", &["-m", "20"]), ("grpc", &grpc)];
    for (name, options) in rows {
        let path = stage.legitimate(name, [("Verified", EACH)]);
        // Different targets, as services have them.
        let urls = stage.lab.state_dir().join(format!("urls-{name}"));
        let lines: String = (0..50).map(|number| format!("http://{front}{path}/{number}\n")).collect();
        std::fs::write(&urls, lines)?;
        let urls = urls.to_str().context("a path that is no text")?;
        let count = EACH.to_string();
        let said =
            client.output("h2load", &[&["-n", &count, "-c", "4", "-t", "1"], options, &["-i", urls]].concat())?;
        let all = format!("{EACH} succeeded, 0 failed, 0 errored, 0 timeout");
        ensure!(said.contains(&all), "h2load says:\n{said}");
    }
    let path = stage.declare(Intent::Legitimate, "wrk", vec![some(50)]);
    let url = format!("http://{front}{path}");
    client.output("wrk", &["-t", "1", "-c", "4", "-d", "1s", &url])?;
    Ok(())
}
