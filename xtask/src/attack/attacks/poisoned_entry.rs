//! E13, J. A client keeps a connection open whose octets Envoy takes though a strict reader does not (bare LF), so that it could have
//! caused anything that its pod's address allows: to blind the verifier for as long as it likes, or for all.
//!
//! While the connection lives, genuine requests from the *same* pod are Unverified(malformed); those of other pods are Verified all the
//! time. Soon after it is closed, the pod's own are Verified again.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};
use crate::demo::Count;
use crate::lab::patience;

const EACH: usize = 4;

pub const ATTACK: Attack = Attack {
    name: "poisoned-entry",
    source: "E13 J",
    about: "one client keeps a poisoned connection open, to cast doubt on everything",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let front = stage.lab.gateway("hello-gateway")?;
    let (client, other) = (stage.lab.client("client-1")?, stage.lab.client("client-3")?);
    let poison = stage.legitimate("poison", [("Unverified(malformed)", 1)]);
    let steps = vec![
        // A name with a space before the colon would be refused; this is not.
        Step::Raw { pieces: vec![format!("GET {poison} HTTP/1.1\nHost: hello.example\nX-A: b\n\n")], answers: 1 },
        Step::Wait("poisoned".to_owned()),
        Step::Close,
        Step::Wait("closed".to_owned()),
    ];
    let mut held = client.spawn(&Script { connections: vec![Connection { to: front, from: None, steps }] })?;
    held.wait_until_held("poisoned", 1)?;
    let same = stage.legitimate("same-pod", [("Unverified(malformed)", EACH as u64)]);
    let others = stage.legitimate("other-pod", [("Verified", EACH as u64)]);
    gets(&client, front, &same, EACH)?;
    gets(&other, front, &others, EACH)?;
    held.release("poisoned")?;
    held.wait_until_held("closed", 1)?;
    let healed = stage.legitimate("healed", [("Verified", Count::AtLeast(1)), ("Unverified(malformed)", Count::Any)]);
    let mut sent = 0;
    patience::wait("the doubt to end", || {
        // A pace, so that few requests fall into the doubt.
        std::thread::sleep(std::time::Duration::from_millis(400));
        gets(&client, front, &healed, 1)?;
        sent += 1;
        stage.judged(&healed, sent)?;
        Ok(stage.has(&healed, "Verified").then_some(()))
    })?;
    held.release("closed")?;
    held.finish()?;
    stage.settle()?;
    stage.exits(&[3])
}
