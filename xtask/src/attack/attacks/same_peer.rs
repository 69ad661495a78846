//! J. A sidecar shares the waypoint's address, so that x-forwarded-for cannot tell them apart at the gateway behind; each of its requests
//! is in flight together with an identical genuine one.
//!
//! None of the sidecar's is Verified: what both can have caused is Unverified(ambiguous). Genuine ones that took the other waypoint, whose
//! address the sidecar has not, stay Verified.

use anyhow::Result;

use crate::attack::label::IN_ALL;
use crate::attack::stage::Stage;
use crate::attack::traffic::{answered, in_flight};
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Held, Script, Step};
use crate::demo::Count;

const EACH: usize = 8;

pub const ATTACK: Attack = Attack {
    name: "same-peer",
    source: "J",
    about: "a sidecar with the waypoint's address, identical requests in flight",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.told_by_backends();
    stage.observe(&[])?;
    let genuine = stage.legitimate(
        "genuine",
        [
            ("Verified", Count::AtLeast(1)),
            ("Unverified(ambiguous)", Count::AtLeast(1)),
            (IN_ALL, Count::Exactly(2 + EACH as u64)),
        ],
    );
    let forged = stage.bypass("sidecar", [("Unverified(ambiguous)", EACH as u64)]);
    let ingress = stage.lab.plan().node("node-1")?.ingress.v4();
    // Both halves of a request: its exchange stays open in between.
    let half = |to, agent: &str| Connection {
        to,
        from: None,
        steps: vec![
            Step::Octets(
                format!(
                    "POST /upload/same HTTP/1.1\r\nHost: hello.example\r\nX-Forwarded-For: {ingress}\r\n\
                     User-Agent: {agent}\r\nContent-Length: 5\r\n\r\nab"
                )
                .into_bytes(),
            ),
            Step::Wait("sent".to_owned()),
            Step::Raw { pieces: vec!["cde".to_owned()], answers: 1 },
        ],
    };
    let (front, upstream) = (stage.lab.gateway("hello-gateway")?, stage.lab.gateway("hello-upstream")?);
    let client = stage.lab.client("client-1")?;
    let sidecar = stage.lab.container("hello-waypoint-1", "sidecar")?;
    let mut held: Vec<(Held, usize)> = Vec::new();
    // A genuine one of each waypoint is in flight before anything else is sent, and until the end.
    for (place, to, label, count) in
        [(&client, front, &genuine, 2), (&sidecar, upstream, &forged, EACH), (&client, front, &genuine, EACH)]
    {
        let mut some = place.spawn(&Script { connections: vec![half(to, label); count] })?;
        some.wait_until_held("sent", count)?;
        held.push((some, count));
        in_flight(&stage.lab, held.iter().map(|(_, n)| n).sum())?;
    }
    for (some, _) in &mut held {
        some.release("sent")?;
    }
    for (some, count) in held {
        answered(some.finish()?, count)?;
    }
    stage.settle()?;
    stage.exits(&[3])
}
