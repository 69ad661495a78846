//! Where the verifier cannot see, it does not pass.

use super::Play;
use crate::client::{Connection, Request, Script, Step};
use crate::demo::counts::{Count, Expected};
use crate::demo::scenario::Stage;
use crate::demo::scenarios::compliant::all_answered;

pub fn late(stage: &mut Stage) -> Play {
    const CONNECTIONS: usize = 4;
    let to = stage.lab().gateway("hello-gateway")?;
    let steps = vec![
        Step::Request(Request::get("/before")),
        Step::Wait("attached".to_owned()),
        Step::Request(Request::get("/after")),
    ];
    let script = Script { connections: vec![Connection { to, from: None, steps }; CONNECTIONS] };
    let mut held = stage.lab().client("client-1")?.spawn(&script)?;
    held.wait_until_held("attached", CONNECTIONS)?;
    stage.observe(1, 1, |_| {
        held.release("attached")?;
        all_answered(held.finish()?, 2 * CONNECTIONS)
    })?;
    Ok(Expected::exit(3).unverified("predatesAgent", Count::AtLeast(1)).unverified("noDeparture", Count::Any))
}

pub fn small_ring(stage: &mut Stage) -> Play {
    const CLIENTS: usize = 4;
    const EACH: usize = 200;
    let ended = stage.observe_with(1, 1, &["--ring-size", "4096"], |lab| {
        let script = Script::keep_alive(lab.gateway("hello-gateway")?, vec![Request::get("/"); EACH]);
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            clients.push(lab.client(&format!("client-{}", client + 1))?.spawn(&script)?);
        }
        clients.into_iter().try_for_each(|client| all_answered(client.finish()?, EACH))
    })?;
    let lost = ended.summary["counters"]["lostRecords"].as_u64().unwrap_or(0);
    let requests = ended.counts.verified + ended.counts.unverified.values().sum::<u64>();
    stage.check("the loss is counted", lost > 0);
    stage.check("nothing is verified twice", requests <= (CLIENTS * EACH) as u64);
    let any =
        ["gap", "lost", "noDeparture", "evicted", "unacknowledged", "notCovered", "bound", "ambiguous", "overdrawn"];
    let expected = Expected::exit(3).verified(Count::AtMost((CLIENTS * EACH) as u64));
    Ok(any.into_iter().fold(expected, |expected, reason| expected.unverified(reason, Count::Any)))
}

pub fn idle(stage: &mut Stage) -> Play {
    stage.observe(1, 0, |_| Ok(()))?;
    Ok(Expected::exit(3))
}
