//! J. A client chooses its x-request-id (which Envoy keeps of a client inside the cluster) and has its request retried: four departures from
//! one entry, that nothing shows to be attempts of one request; to make the verifier cry wolf.
//!
//! Unverified(overdrawn), and not False by count: it was the gateway before the waypoint that sent more than entered it, which is no proof
//! that anything was made up behind it.

use anyhow::{Result, ensure};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::client::{Request, Script};

const REQUESTS: usize = 3;
const ATTEMPTS: usize = 4;

pub const ATTACK: Attack = Attack {
    name: "chosen-request-id",
    source: "J E39",
    about: "retries of a request whose client chose its x-request-id",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let path = stage.legitimate("retried", [("Unverified(overdrawn)", (REQUESTS * ATTEMPTS) as u64)]);
    let request = |n: usize| {
        Request::get(&format!("{path}/{n}?status=503"))
            .header("x-request-id", &format!("3f2504e0-4f89-41d3-9a0c-{n:012}"))
            .header("x-envoy-retry-on", "5xx")
            .header("x-envoy-max-retries", "3")
    };
    let script = Script::keep_alive(stage.lab.gateway("hello-gateway")?, (0..REQUESTS).map(request));
    let outcomes = stage.lab.client("client-1")?.run(&script)?;
    ensure!(outcomes.iter().all(|outcome| outcome.status == 503), "not answered with 503: {outcomes:?}");
    stage.settle()?;
    stage.exits(&[3])
}
