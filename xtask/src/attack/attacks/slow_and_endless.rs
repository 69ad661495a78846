//! E37. Heads that never end: slow ones that are held open at the front door and at the backend, and ones with more fields and octets
//! than anybody keeps; genuine requests go on beside them, from the same pod and from another.
//!
//! What is not a whole head causes nothing: genuine requests stay Verified. Of what is sent straight to the backend, the connection is a
//! bypass as soon as its head is too large to keep: Bypassed(DirectConnection).

use anyhow::{Result, ensure};

use crate::attack::stage::Stage;
use crate::attack::traffic::{SILENCE, gets};
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};
use crate::demo::Count;

const HELD: usize = 20;
const EACH: usize = 5;

pub const ATTACK: Attack = Attack {
    name: "slow-and-endless",
    source: "E37",
    about: "heads that never end, held open or endless, beside genuine requests",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let (client, other) = (stage.lab.client("client-1")?, stage.lab.client("client-2")?);
    let slow = stage.refused("slow");
    let half = |to| Connection {
        to,
        from: None,
        steps: vec![
            Step::Octets(format!("GET {slow} HTTP/1.1\r\nHost: hello.example\r\nX-Sl").into_bytes()),
            Step::Wait("held".to_owned()),
            Step::Close,
        ],
    };
    let connections = [vec![half(front); HELD], vec![half(backend); HELD]].concat();
    let mut held = client.spawn(&Script { connections })?;
    held.wait_until_held("held", 2 * HELD)?;
    for (name, place) in [("same-pod", &client), ("other-pod", &other)] {
        let path = stage.legitimate(name, [("Verified", EACH as u64)]);
        gets(place, front, &path, EACH)?;
    }

    let long = stage.bypass("endless", [("Bypassed(DirectConnection)", Count::Exactly(2))]);
    let many = format!("GET {long} HTTP/1.1\r\nHost: h\r\n{}\r\n", "X-A: b\r\n".repeat(1000));
    let large = format!("GET {long} HTTP/1.1\r\nHost: h\r\nX-A: {}\r\n\r\n", "a".repeat(100_000));
    let endless = |octets: &str| Connection {
        to: backend,
        from: None,
        steps: vec![Step::Octets(octets.as_bytes().to_vec()), Step::Drain { silence_ms: SILENCE }],
    };
    let outcomes = other.run(&Script { connections: vec![endless(&many), endless(&large)] })?;
    ensure!(outcomes.iter().all(|outcome| outcome.body.contains("200 OK")), "not answered: {outcomes:?}");
    stage.sent_on(&long, &outcomes);

    stage.settle()?;
    held.release("held")?;
    held.finish()?;
    stage.exits(&[1])
}
