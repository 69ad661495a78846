//! The whole path: client, Envoy, Caddy, Envoy, backend; every request of it followed.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::Protocol;
use super::table::{Table, median};
use super::{Extent, proc};
use crate::demo::Verifier;
use crate::lab::{Lab, Topology, Variant};

/// Each interval is a lab's first: pools of the proxies that are older than the probes could not be followed.
const WARM: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Observed {
    cpu_per_100k: Vec<f64>,
    p99_ms: f64,
    requests: u64,
    verified: u64,
}

pub fn measure(extent: Extent, table: &mut Table) -> Result<()> {
    [Protocol::Http1, Protocol::Http2, Protocol::Grpc].iter().try_for_each(|protocol| by(*protocol, extent, table))
}

fn by(protocol: Protocol, extent: Extent, table: &mut Table) -> Result<()> {
    let mut observed = Observed::default();
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    let rounds = extent.rounds.min(5);
    for round in 0..rounds {
        let (with, alone) = if round % 2 == 0 {
            let with = interval(protocol, extent, Some(&mut observed))?;
            (with, interval(protocol, extent, None)?)
        } else {
            let alone = interval(protocol, extent, None)?;
            (interval(protocol, extent, Some(&mut observed))?, alone)
        };
        ratios.push(with / alone);
        rates.push(with);
        eprintln!("bench: {}path, round {} of {rounds}", protocol.prefix(), round + 1);
    }
    let Observed { cpu_per_100k, p99_ms, requests, verified } = observed;
    let named = |what: &str| format!("{}whole path: {what}", protocol.prefix());
    let value = format!("{:.3} ({:.0} requests/s, 7 sockets followed for each)", median(&ratios), median(&rates));
    table.fact(&named("rate with `run` attached / unobserved"), value);
    table.fact(&named("verified"), format!("{verified} of {requests} requests"));
    table.fact(&named("CPU of the program per 100,000 requests"), format!("{:.2} s", median(&cpu_per_100k)));
    table.fact(&named("arrival to verdict, p99 of the worst interval"), format!("{p99_ms:.1} ms"));
    Ok(())
}

fn interval(protocol: Protocol, extent: Extent, observed: Option<&mut Observed>) -> Result<f64> {
    let mut lab = Lab::up(&Topology::standard())?;
    if protocol != Protocol::Http1 {
        for pod in ["hello-waypoint-1", "hello-waypoint-2"] {
            lab.restart(pod, "caddy", Variant::H2c)?;
        }
    }
    let (client, to) = (lab.client("client-1")?, lab.gateway("hello-gateway")?);
    let verifier = observed.as_ref().map(|_| Verifier::run(&lab, &["--quiet"])).transpose()?;
    let warm = protocol.run(&client, to, WARM)?;
    let cpu = || verifier.as_ref().map_or(Ok(Duration::ZERO), |verifier| proc::cpu(verifier.pid()));
    let start = cpu()?;
    let seen = protocol.run(&client, to, extent.interval)?;
    let used = cpu()? - start;
    if let (Some(observed), Some(verifier)) = (observed, verifier) {
        let ended = verifier.end()?;
        let answered = warm.requests + seen.requests;
        // The client ends with requests on the way that it never counts.
        ensure!(
            (answered..=answered + 2 * protocol.in_flight()).contains(&ended.counts.requests),
            "{:?}, the client counted {answered}; {}",
            ended.counts,
            ended.summary
        );
        if ended.counts.verified != ended.counts.requests {
            eprintln!("bench: path: {:?}", ended.counts);
        }
        observed.cpu_per_100k.push(used.as_secs_f64() * 1e5 / seen.requests as f64);
        observed.p99_ms =
            observed.p99_ms.max(ended.summary["timeToVerdict"]["p99Ms"].as_f64().unwrap_or(f64::INFINITY));
        observed.requests += ended.counts.requests;
        observed.verified += ended.counts.verified;
    }
    lab.down()?;
    Ok(seen.per_second)
}
