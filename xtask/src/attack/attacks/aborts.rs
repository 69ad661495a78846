//! J. Clients that break off: they send a request and reset or close the connection at once, or in the middle of a body, or while the
//! answer comes; to leave departures without an entry that lives, so that the verifier cries wolf.
//!
//! Whatever arrives is Verified, or Unverified(unacknowledged) where the backend did not take all of it; never Bypassed.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Script, Step};
use crate::demo::Count;

const EACH: usize = 20;

pub const ATTACK: Attack = Attack {
    name: "aborts",
    source: "J",
    about: "clients break off at every point of a request",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let front = stage.lab.gateway("hello-gateway")?;
    let client = stage.lab.client("client-1")?;
    let head = |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\nHost: hello.example\r\n{more}\r\n");
    let rows = [
        ("after-head", head("{}", "Content-Length: 0\r\n")),
        ("in-body", head("{}?sink=1", "Content-Length: 100000\r\n") + &"x".repeat(5000)),
        ("in-chunk", head("{}?sink=1", "Transfer-Encoding: chunked\r\n") + "400\r\nxxxx"),
        ("in-answer", head("/download/length/5000000?{}", "Content-Length: 0\r\n")),
    ];
    for (name, text) in rows {
        let path = stage.legitimate(
            name,
            [("Verified", Count::Any), ("Unverified(unacknowledged)", Count::Any), ("Unverified(gap)", Count::Any)],
        );
        let text = text.replace("{}", &path);
        if name == "in-answer" {
            stage.was(&format!("/download/length/5000000?{path}"), &path);
        }
        let connection =
            Connection { to: front, from: None, steps: vec![Step::Octets(text.into_bytes()), Step::Close, Step::Meet] };
        client.run(&Script { connections: vec![connection; EACH] })?;
    }
    let after = stage.legitimate("after", [("Verified", EACH as u64)]);
    gets(&client, front, &after, EACH)?;
    stage.settle()?;
    stage.exits(&[0, 3])
}
