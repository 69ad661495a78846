//! J. Clients that break off: they send a request and reset or close the connection at once, or in the middle of a body, or while the
//! answer comes; to leave departures without an entry that lives, so that the verifier cries wolf.
//!
//! Whatever arrives is Verified, or Unverified(unacknowledged) where the backend did not take all of it; never Bypassed.

use anyhow::Result;

use crate::attack::label::IN_ALL;
use crate::attack::stage::Stage;
use crate::attack::traffic::{gets, in_flight};
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
        ("at-once", head("{}", "Content-Length: 0\r\n")),
        ("in-body", head("{}?sink=1", "Content-Length: 100000\r\n") + &"x".repeat(5000)),
        ("in-chunk", head("{}?sink=1", "Transfer-Encoding: chunked\r\n") + "400\r\nxxxx"),
        ("in-answer", head("/download/length/100000000", "Content-Length: 0\r\n")),
    ];
    for (name, text) in rows {
        let held = name != "at-once";
        // What is broken off at once may not even have reached the waypoint.
        let count = if held { Count::Exactly(EACH as u64) } else { Count::AtMost(EACH as u64) };
        let path = stage
            .legitimate(name, [("Verified", Count::Any), ("Unverified(unacknowledged)", Count::Any), (IN_ALL, count)]);
        let text = text.replace("{}", &path);
        if name == "in-answer" {
            stage.was("/download/length/100000000", &path);
        }
        let mut steps = vec![Step::Octets(text.into_bytes())];
        if held {
            steps.push(Step::Wait("sent".to_owned()));
        }
        steps.push(Step::Close);
        let mut running =
            client.spawn(&Script { connections: vec![Connection { to: front, from: None, steps }; EACH] })?;
        if held {
            running.wait_until_held("sent", EACH)?;
            in_flight(&stage.lab, EACH)?;
            running.release("sent")?;
        }
        running.finish()?;
    }
    let after = stage.legitimate("after", [("Verified", EACH as u64)]);
    gets(&client, front, &after, EACH)?;
    stage.settle()?;
    stage.exits(&[0, 3])
}
