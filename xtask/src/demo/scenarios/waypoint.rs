//! Requests that leave the waypoint's pod without having entered the waypoint.

use anyhow::Result;

use super::{Play, through_the_path, traceparent};
use crate::client::{Connection, Held, Request, Script, Step};
use crate::demo::counts::{Count, Expected};
use crate::demo::scenario::Stage;
use crate::demo::scenarios::compliant::all_answered;
use crate::lab::{Lab, Variant, patience};

/// The ingress address of node-1: what the waypoint there sees as its peer, and writes into x-forwarded-for.
const INGRESS: &str = "10.244.1.2";

pub fn origin(stage: &mut Stage) -> Play {
    const ALONE: usize = 5;
    const CROWD: usize = 40;
    let ended = stage.observe(1, 2 * ALONE + CROWD, |lab| {
        let inside = lab.container("hello-waypoint-1", "caddy")?;
        let upstream = lab.gateway("hello-upstream")?;
        let forged = Request::get("/").header("X-Forwarded-For", INGRESS);
        let script = Script::keep_alive(upstream, vec![forged; ALONE]);
        all_answered(inside.run(&script)?, ALONE)?;

        let genuine = (0..CROWD).map(|n| Request::get("/").header("traceparent", &traceparent(n as u64)));
        let genuine = lab.client("client-1")?.spawn(&Script::keep_alive(lab.gateway("hello-gateway")?, genuine))?;
        all_answered(inside.run(&script)?, ALONE)?;
        all_answered(genuine.finish()?, CROWD)
    })?;
    let process = |verdict: &&serde_json::Value| verdict["explanation"]["sender"]["process"].to_string();
    let named = ended.of("bypassed").iter().all(|verdict| process(verdict).contains("xtask"));
    stage.check("the process is named", named);
    Ok(Expected::exit(1).verified(CROWD as u64).bypassed("WaypointOrigin", 2 * ALONE as u64))
}

pub fn fabricates(stage: &mut Stage) -> Play {
    stage.recreate("hello-waypoint-1", "caddy")?;
    stage.observe(1, 3, |lab| lab.start("hello-waypoint-1", "caddy", Variant::HealthCheck))?;
    Ok(Expected::exit(1).bypassed("WaypointOrigin", Count::AtLeast(3)))
}

pub fn fabricates_in_a_crowd(stage: &mut Stage) -> Play {
    stage.recreate("hello-waypoint-1", "caddy")?;
    const CLIENTS: usize = 8;
    const EACH: usize = 150;
    let ended = stage.observe(1, CLIENTS * EACH, |lab| {
        lab.start("hello-waypoint-1", "caddy", Variant::HealthCheckLikeAClient)?;
        let script = through_the_path(lab, EACH, "/healthz")?;
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            clients.push(lab.client(&format!("client-{}", client + 1))?.spawn(&script)?);
        }
        clients.into_iter().try_for_each(|client| all_answered(client.finish()?, EACH))
    })?;
    let genuine = (CLIENTS * EACH) as u64;
    let forced = ended.counts.forced + ended.counts.bypassed.values().sum::<u64>();
    stage.check("the counts force the verdict", forced >= 1);
    Ok(Expected::exit(1)
        .verified(Count::AtMost(genuine))
        .unverified("overdrawn", Count::AtLeast(1))
        // On a busy machine one that nothing explains and a genuine one are in flight at hello-upstream together.
        .unverified("ambiguous", Count::Any)
        .bypassed("WaypointOrigin", Count::Any))
}

pub fn same_peer(stage: &mut Stage) -> Play {
    // Both halves of a request: its exchange stays open in between.
    let head = format!(
        "POST /upload/same HTTP/1.1\r\nHost: hello.example\r\nX-Forwarded-For: {INGRESS}\r\nContent-Length: 5\r\n\r\nab"
    );
    let half = |to| Connection {
        to,
        from: None,
        steps: vec![
            Step::Raw { pieces: vec![head.clone()], answers: 0 },
            Step::Wait("sent".to_owned()),
            Step::Raw { pieces: vec!["cde".to_owned()], answers: 1 },
        ],
    };
    const PRIMERS: usize = 2;
    const EACH: usize = 10;
    stage.observe(1, PRIMERS + 2 * EACH, |lab| {
        let (front, upstream) = (lab.gateway("hello-gateway")?, lab.gateway("hello-upstream")?);
        let client = lab.client("client-1")?;
        let sidecar = lab.container("hello-waypoint-1", "sidecar")?;
        // One genuine request of each waypoint is in flight before anything else is sent, and until the end.
        let mut held: Vec<(Held, usize)> = Vec::new();
        for (place, to, count) in [(&client, front, PRIMERS), (&sidecar, upstream, EACH), (&client, front, EACH)] {
            let mut some = place.spawn(&Script { connections: vec![half(to); count] })?;
            some.wait_until_held("sent", count)?;
            // Arrived, with its entry open.
            in_flight(lab, held.iter().map(|(_, n)| n).sum::<usize>() + count)?;
            held.push((some, count));
        }
        for (some, _) in &mut held {
            some.release("sent")?;
        }
        held.into_iter().try_for_each(|(some, count)| all_answered(some.finish()?, count))
    })?;
    // Half of the client's requests take the other waypoint, whose address the sidecar has not.
    Ok(Expected::exit(3).verified((PRIMERS + EACH / 2) as u64).unverified("ambiguous", (EACH + EACH / 2) as u64))
}

/// Waits until so many requests to the backend are under way, by what the Envoys say.
fn in_flight(lab: &Lab, count: usize) -> Result<()> {
    patience::wait("requests in flight", || {
        let mut active = 0;
        for node in &lab.plan().nodes {
            let stats = lab.envoy(&node.name)?.admin("/stats?filter=hello-backend.*upstream_rq_active")?;
            let values = stats.lines().filter_map(|line| line.rsplit(": ").next()?.parse::<usize>().ok());
            active += values.sum::<usize>();
        }
        Ok((active >= count).then_some(()))
    })
}
