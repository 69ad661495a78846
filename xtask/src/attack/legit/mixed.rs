//! Many requests of every kind at once, in HTTP/1.1, HTTP/2 and gRPC's form, one in a hundred bypassing by each way: straight to the
//! backend, by a route of another Gateway, by the gateway behind the waypoint, by a process in the waypoint's container.
//!
//! Exact counts: every legitimate request Verified, every bypassing one Bypassed by its kind, nothing Unverified, nothing lost.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::past;
use crate::lab::Place;

pub const SHORT: Attack = Attack {
    name: "mixed-20k",
    source: "load",
    about: "20,000 requests, h1, h2 and gRPC at once, 1 % bypassing by each kind: exact counts",
    setting: Setting::Own,
    play: |stage| play(stage, SHORT.name, 20_000),
};

pub const LONG: Attack = Attack {
    name: "mixed-million",
    source: "load",
    about: "1,000,000 requests, the same mixture: exact counts",
    setting: Setting::Long,
    play: |stage| play(stage, LONG.name, 1_000_000),
};

/// Options of h2load, and their share of a hundred.
const PROTOCOLS: [(&str, &[&str], u64); 3] = [("h1", &["--h1"], 34), ("h2", &["-m", "10"], 33), ("grpc", GRPC, 33)];
/// Without a message: where a server answers before it has read one, HTTP/2 resets the stream, and nobody counts alike.
const GRPC: &[&str] =
    &["-m", "10", "-H", ":method: POST", "-H", "content-type: application/grpc", "-H", "te: trailers"];
/// Different targets of each load.
const TARGETS: u64 = 500;

const KINDS: [&str; 4] = ["DirectConnection", "RouteBypass", "UpstreamBypass", "WaypointOrigin"];

fn play(stage: &mut Stage, attack: &str, total: u64) -> Result<()> {
    stage.lab.apply(past::OTHER_GATEWAY)?;
    stage.observe_quietly(&["--timeout", "7200"])?;

    let lab = &stage.lab;
    let dir = lab.state_dir().to_owned();
    let (client, other) = (lab.client("client-1")?, lab.client("client-2")?);
    let in_waypoint = lab.container("hello-waypoint-1", "caddy")?;
    let rows: [(&str, Place, SocketAddr); 5] = [
        ("through", client, lab.gateway("hello-gateway")?),
        (KINDS[0], other.clone(), lab.service("hello-backend")?),
        (KINDS[1], other.clone(), lab.gateway("other-gateway")?),
        (KINDS[2], other, lab.gateway("hello-upstream")?),
        (KINDS[3], in_waypoint, lab.gateway("hello-upstream")?),
    ];
    let mut orders = Vec::new();
    let mut labels = Vec::new();
    for (name, place, to) in rows {
        let percent = if name == "through" { 100 - KINDS.len() as u64 } else { 1 };
        let share = total / 100 * percent;
        let path = match KINDS.iter().find(|kind| **kind == name) {
            None => stage.legitimate(name, [("Verified", share)]),
            Some(kind) => stage.bypass(name, [(bypassed(kind), share)]),
        };
        let mut left = share;
        for (at, (protocol, options, percent)) in PROTOCOLS.iter().enumerate() {
            let count = if at + 1 == PROTOCOLS.len() { left } else { share * percent / 100 };
            left -= count;
            let connections = if name == "through" { 4 } else { 1 };
            let order = Order { to, path: format!("{path}/{protocol}"), options, count, connections, dir: &dir };
            orders.push((place.clone(), order));
        }
        labels.push((name, path));
    }
    // Nothing is started before everything is known.
    let loads: Vec<Load> = orders.iter().map(|(place, order)| Load::start(place, order)).collect::<Result<_>>()?;
    loads.into_iter().try_for_each(Load::finish)?;
    stage.exits(&[1])?;
    account(stage, attack, &labels)
}

/// What the summary says, under the labels that it must be of.
fn account(stage: &mut Stage, attack: &str, labels: &[(&str, String)]) -> Result<()> {
    let summary = stage.summaries.last().context("no summary")?.clone();
    let policy = &summary["policies"][0];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let by_name = |value: &Value| -> Vec<(String, u64)> {
        value.as_object().into_iter().flatten().map(|(name, count)| (name.clone(), number(count))).collect()
    };
    for (name, path) in labels {
        let fates = if *name == "through" {
            let unverified =
                by_name(&policy["unverified"]).into_iter().map(|(why, n)| (format!("Unverified({why})"), n));
            let strange = by_name(&policy["bypassed"]).into_iter().filter(|(kind, _)| !KINDS.contains(&kind.as_str()));
            let strange = strange.map(|(kind, count)| (format!("Bypassed({kind})"), count));
            let verified = number(&policy["verified"]) + number(&policy["provisional"]);
            [("Verified".to_owned(), verified)].into_iter().chain(unverified).chain(strange).collect()
        } else {
            vec![(format!("Bypassed({name})"), number(&policy["bypassed"][*name]))]
        };
        stage.counted(path, fates);
    }
    stage.claim("no record was lost", number(&summary["counters"]["lostRecords"]) == 0);
    stage.claim("no message was forgotten", number(&summary["evicted"]) == 0);
    println!("{attack}: {policy}");
    Ok(())
}

fn bypassed(kind: &str) -> &'static str {
    match kind {
        "DirectConnection" => "Bypassed(DirectConnection)",
        "RouteBypass" => "Bypassed(RouteBypass)",
        "UpstreamBypass" => "Bypassed(UpstreamBypass)",
        _ => "Bypassed(WaypointOrigin)",
    }
}

/// An h2load that is at work.
struct Load {
    child: Child,
    count: u64,
}

/// What one h2load is to send.
struct Order<'a> {
    to: SocketAddr,
    /// The beginning of its targets.
    path: String,
    options: &'a [&'a str],
    count: u64,
    connections: u64,
    /// Folder for its files.
    dir: &'a Path,
}

impl Load {
    fn start(place: &Place, order: &Order<'_>) -> Result<Self> {
        // Different targets, as services have them: identical requests in flight are candidates of one another.
        let urls = order.dir.join(format!("urls{}", order.path.replace('/', "-")));
        let lines = (0..TARGETS).map(|number| format!("http://{}{}/{number}\n", order.to, order.path));
        std::fs::write(&urls, lines.collect::<String>())?;
        let mut command = place.command("h2load")?;
        command.args([
            "-t",
            "1",
            "-n",
            &order.count.to_string(),
            "-c",
            &order.connections.min(order.count).to_string(),
        ]);
        command.args(order.options).arg("-i").arg(urls);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("h2load")?;
        Ok(Self { child, count: order.count })
    }

    fn finish(self) -> Result<()> {
        let output = self.child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let all = format!("{} succeeded, 0 failed, 0 errored, 0 timeout", self.count);
        ensure!(said.contains(&all) && said.contains(&format!("{} 2xx", self.count)), "h2load says:\n{said}");
        Ok(())
    }
}
