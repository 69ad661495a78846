//! E13. Every known way to make two parsers disagree on where a request ends: through the front door, straight to the waypoint, and
//! straight to the backend.
//!
//! Through the front door most are refused by Envoy, and nothing arrives. What Envoy reads as RFC 9112 does is Verified, as many requests
//! as there are. What Envoy takes though a strict reader would not (bare LF, folds, spaces) leaves its entry a suspect: Unverified.
//! An inner request never counts as one unless Envoy made it one. Straight to the waypoint or the backend: whatever is made of the
//! octets, the sender is known, and so it is a bypass; nothing of it is Verified.

mod payloads;

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::attack::label::Intent;
use crate::attack::stage::Stage;
use crate::attack::traffic::SILENCE;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};
use crate::demo::Count;
use crate::lab::Place;
use payloads::{ALL, Front};

pub const ATTACK: Attack = Attack {
    name: "smuggling",
    source: "E13",
    about: "octets that two parsers read in two ways, to the front door, the waypoint and the backend",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    front(stage)?;
    straight(stage, "waypoint", stage.lab.pod("hello-waypoint-1")?, "Bypassed(UpstreamBypass)")?;
    straight(stage, "backend", stage.lab.pod("hello-backend-1")?, "Bypassed(DirectConnection)")?;
    stage.settle()?;
    stage.exits(&[1])
}

fn of(kind: fn(Front) -> bool) -> impl Iterator<Item = (&'static str, Front, &'static str)> {
    ALL.iter().copied().filter(move |(_, front, _)| kind(*front))
}

fn is_clear(front: Front) -> bool {
    matches!(front, Front::Clear(_))
}

fn is_doubtful(front: Front) -> bool {
    matches!(front, Front::Doubtful(..))
}

fn is_refused(front: Front) -> bool {
    matches!(front, Front::Refused | Front::RefusedLate)
}

/// What is clear first; then what is doubtful, each from an address of its own: a suspect entry casts doubt on all that its peer sends;
/// what is refused comes last.
fn front(stage: &mut Stage) -> Result<()> {
    let plan = stage.lab.plan();
    let clients: Vec<_> = plan.pods_of("client").map(|pod| pod.name.clone()).collect();
    let gateway = plan.gateway("hello-gateway")?.cluster_ip;
    let first = stage.lab.client(&clients[0])?;
    let to = SocketAddr::new(gateway.v4(), 80);
    at_once(stage, &first, &of(is_clear).map(|payload| (payload, to)).collect::<Vec<_>>())?;
    let mut doubtful = of(is_doubtful);
    for client in &clients[1..] {
        let some = gateway.iter().zip(&mut doubtful).map(|(ip, payload)| (payload, SocketAddr::new(ip, 80)));
        let place = stage.lab.client(client)?;
        at_once(stage, &place, &some.collect::<Vec<_>>())?;
    }
    ensure!(doubtful.next().is_none(), "more doubtful payloads than peers");
    at_once(stage, &first, &of(is_refused).map(|payload| (payload, to)).collect::<Vec<_>>())
}

/// Each on a connection of its own.
fn at_once(
    stage: &mut Stage,
    place: &Place,
    payloads: &[((&'static str, Front, &'static str), SocketAddr)],
) -> Result<()> {
    let mut connections = Vec::new();
    for ((name, front, template), to) in payloads {
        let expected = match front {
            Front::Refused => Vec::new(),
            Front::RefusedLate => vec![("Unverified(malformed)", Count::AtMost(1))],
            Front::Clear(count) => vec![("Verified", Count::Exactly(*count))],
            Front::Doubtful(count, what) => vec![(*what, Count::Exactly(*count))],
        };
        let label = stage.declare(Intent::Legitimate, name, expected);
        connections.push(connection(*to, template, &label));
    }
    for outcome in place.run(&Script { connections })? {
        let (name, front, _) = payloads[outcome.connection].0;
        let taken = outcome.body.contains("HTTP/1.1 200");
        stage.claim(&format!("{name}: taken {taken}"), taken != is_refused(front));
    }
    Ok(())
}

/// Past the front door, each on a connection of its own: what is clear for itself, what is not after it, from another peer.
fn straight(stage: &mut Stage, name: &str, to: SocketAddr, expected: &'static str) -> Result<()> {
    let clear = stage.bypass(&format!("{name}-clear"), [(expected, Count::AtLeast(8))]);
    let doubt = |reason| (reason, Count::Any);
    let other = stage.bypass(
        &format!("{name}-doubtful"),
        [doubt(expected), doubt("Unverified(malformed)"), doubt("Unverified(ambiguous)"), doubt("Unverified(opaque)")],
    );
    for (client, label, kinds) in
        [("client-1", clear, is_clear as fn(Front) -> bool), ("client-2", other, |front| !is_clear(front))]
    {
        let connections = of(kinds).map(|(_, _, template)| connection(to, template, &label)).collect();
        let outcomes = stage.lab.client(client)?.run(&Script { connections })?;
        stage.sent_on(&label, &outcomes);
    }
    Ok(())
}

fn connection(to: SocketAddr, template: &str, label: &str) -> Connection {
    let steps = vec![Step::Octets(payloads::octets(template, label)), Step::Drain { silence_ms: SILENCE }];
    Connection { to, from: None, steps }
}
