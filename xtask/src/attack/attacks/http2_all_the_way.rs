//! E8, E50. The same HTTP/2 through a waypoint that speaks it to its upstream too: entries and departures in streams, which the proxies
//! number anew.
//!
//! Verified: linking needs no version.

use anyhow::{Context, Result, ensure};

use super::http2::ROWS;
use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::lab::Variant;
use crate::tools::h2_raw::{H2Raw, Step};
use crate::tools::run;

const PLAIN: usize = 4;

pub const ATTACK: Attack = Attack {
    name: "http2-all-the-way",
    source: "E8 E50",
    about: "the same through a waypoint that speaks HTTP/2 to its upstream",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    for pod in ["hello-waypoint-1", "hello-waypoint-2"] {
        stage.lab.restart(pod, "caddy", Variant::H2c)?;
    }
    stage.observe(&[])?;
    let (client, front) = (stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?);
    for (name, row) in ROWS {
        let path = stage.legitimate(name, [("Verified", row("").1.len() as u64)]);
        let (steps, streams) = row(&path);
        let script = H2Raw::new(front, steps.into_iter().chain([Step::Answered(streams.clone())]));
        let report = run(&client, &script).with_context(|| (*name).to_owned())?;
        ensure!(streams.iter().all(|stream| report.streams[stream].status == 200), "{name}: {report:?}");
    }
    // HTTP/1.1 at the front door becomes HTTP/2 behind the waypoint.
    let path = stage.legitimate("from-http1", [("Verified", PLAIN as u64)]);
    gets(&client, front, &path, PLAIN)?;
    stage.settle()?;
    stage.exits(&[0])
}
