//! Honest traffic.

use anyhow::{Result, ensure};

use super::{Play, traceparent};
use crate::client::{Body, Request, Script};
use crate::demo::counts::Expected;
use crate::demo::scenario::Stage;

pub fn compliant(stage: &mut Stage) -> Play {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 25;
    stage.observe(CLIENTS * EACH, 200, |lab| {
        let to = lab.gateway("hello-gateway")?;
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            // Half of the clients send one and the same request all the time; half of the others' carry no trace.
            let requests = (0..EACH).map(|n| {
                let number = client * EACH + n;
                match client % 4 {
                    0 => Request::get("/same"),
                    1 => Request::get("/same").header("traceparent", &traceparent(number)),
                    2 => Request::get(&format!("/unique/{number}")),
                    _ => Request::get(&format!("/unique/{number}")).header("traceparent", &traceparent(number)),
                }
            });
            let place = lab.client(&format!("client-{}", client + 1))?;
            clients.push(place.spawn(&Script::keep_alive(to, requests))?);
        }
        all_answered(clients.into_iter().map(crate::client::Held::finish).collect::<Result<Vec<_>>>()?.concat(), 200)
    })?;
    Ok(Expected::exit(0).verified(CLIENTS * EACH))
}

pub fn big_upload(stage: &mut Stage) -> Play {
    const OCTETS: u64 = 1 << 30;
    let ended = stage.observe(1, 1, |lab| {
        let upload = Request::new("POST", "/upload").body(Body::Zeros(OCTETS));
        let outcomes = lab.client("client-1")?.run(&Script::keep_alive(lab.gateway("hello-gateway")?, [upload]))?;
        all_answered(outcomes, 1)
    })?;
    let crossed = ended.summary["ringOctets"].as_u64().unwrap_or(u64::MAX);
    stage.check("what crosses the ring is under 1 % of the body", crossed < OCTETS / 100);
    Ok(Expected::exit(0).verified(1))
}

pub fn big_download(stage: &mut Stage) -> Play {
    const OCTETS: u64 = 1 << 30;
    let crossed = download(stage, "length", OCTETS)?;
    stage.check("what crosses the ring is under 1 % of the body", crossed < OCTETS / 100);
    Ok(Expected::exit(0).verified(2))
}

pub fn chunked_download(stage: &mut Stage) -> Play {
    // Within what Envoy's share of the ring leaves for it at two sockets while others read it too. A larger one may outrun the
    // reader; its verdict then stays provisional until the connection closes (docs/soundness.md).
    download(stage, "chunked", 1 << 20)?;
    Ok(Expected::exit(0).verified(2))
}

/// Octets that crossed the ring. The small answer is final only if the end of the large one was found.
fn download(stage: &mut Stage, framing: &str, octets: u64) -> Result<u64> {
    let ended = stage.observe(2, 2, |lab| {
        let requests = [Request::get(&format!("/download/{framing}/{octets}")), Request::get("/after")];
        let outcomes = lab.client("client-1")?.run(&Script::keep_alive(lab.gateway("hello-gateway")?, requests))?;
        ensure!(outcomes.first().is_some_and(|o| o.body_bytes == octets), "not all of it came: {outcomes:?}");
        all_answered(outcomes, 2)
    })?;
    Ok(ended.summary["ringOctets"].as_u64().unwrap_or(u64::MAX))
}

/// Traffic that did not flow proves nothing.
pub fn all_answered(outcomes: Vec<crate::client::Outcome>, count: usize) -> Result<()> {
    crate::client::answered(outcomes, count).map(drop)
}
