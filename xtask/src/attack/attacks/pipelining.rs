//! E12. Many requests in one segment, and requests cut at every odd place; through the path and straight to the backend.
//!
//! Each request has its own verdict: a message is its offset in the stream, not a segment.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::answered;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};

const EACH: usize = 6;

pub const ATTACK: Attack = Attack {
    name: "pipelining",
    source: "E12",
    about: "many requests in one segment, and in many small ones",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let client = stage.lab.client("client-1")?;
    let (backend, front) = (stage.lab.pod("hello-backend-2")?, stage.lab.gateway("hello-gateway")?);
    let genuine = stage.legitimate("many", [("Verified", 2 * EACH as u64)]);
    let direct = stage.bypass("many", [("Bypassed(DirectConnection)", 2 * EACH as u64)]);
    for (to, path) in [(front, genuine), (backend, direct)] {
        let all = format!("GET {path} HTTP/1.1\r\nHost: hello.example\r\n\r\n").repeat(EACH);
        let cut = all.as_bytes().chunks(7).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
        for pieces in [vec![all], cut] {
            let steps = vec![Step::Raw { pieces, answers: EACH }];
            answered(client.run(&Script { connections: vec![Connection { to, from: None, steps }] })?, EACH)?;
        }
    }
    Ok(())
}
