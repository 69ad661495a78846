//! E14. Protocols that take over a connection, with a request hidden behind: a WebSocket, h2c by upgrade, CONNECT, an upgrade that is
//! declined, one that nobody knows; by the front door, to the waypoint and to the backend.
//!
//! A WebSocket's handshake is judged and what follows belongs to it, whatever it looks like: Verified by the front door. After an upgrade
//! to h2c each stream is a request. What comes after a declined upgrade are requests again. Envoy passes on no h2c and no CONNECT.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Outcome, Script, Step};
use crate::demo::Count;
use crate::lab::Place;
use crate::tools::h2_raw::{H2Raw, Headers, Step as Frames};
use crate::tools::run;

pub const ATTACK: Attack = Attack {
    name: "switches",
    source: "E14",
    about: "WebSocket, h2c by upgrade, CONNECT and declined upgrades, with a request hidden behind",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let client = stage.lab.client("client-1")?;
    let (front, upstream) = (stage.lab.gateway("hello-gateway")?, stage.lab.gateway("hello-upstream")?);
    let (waypoint, backend) = (stage.lab.pod("hello-waypoint-1")?, stage.lab.pod("hello-backend-1")?);
    let hidden = stage.refused("hidden");

    let socket = stage.legitimate("socket", [("Verified", 1)]);
    web_socket(&client, front, &socket, &hidden)?;
    let socket = stage.bypass("socket-upstream", [("Bypassed(UpstreamBypass)", 1)]);
    web_socket(&client, upstream, &socket, &hidden)?;
    let socket = stage.bypass("socket-direct", [("Bypassed(DirectConnection)", Count::AtLeast(1))]);
    let outcome = web_socket(&client, backend, &socket, &hidden)?;
    stage.sent_on(&socket, &[outcome]);

    // Declined: the backend's plain page answers 200.
    let declined = stage.legitimate("declined", [("Verified", 3)]);
    let request = |more: &str| format!("GET {declined} HTTP/1.1\r\nHost: hello.example\r\n{more}\r\n");
    let upgrade = request("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    let pieces = |text: String| Step::Raw { pieces: vec![text], answers: 1 };
    let steps = vec![pieces(upgrade), pieces(request("")), pieces(request(""))];
    let outcomes = client.run(&Script { connections: vec![Connection { to: front, from: None, steps }] })?;
    ensure!(outcomes.iter().all(|outcome| outcome.status == 200), "an upgrade that is declined: {outcomes:?}");
    // What comes right behind an upgrade, before anybody could answer, Envoy would pass on as it is; declined, it closes. Whether those
    // octets were requests nobody can say: a doubt, which lives as long as the connection, from pods of their own.
    let early =
        [("early", ""), ("early-length", "Content-Length: 0\r\n"), ("early-version", "Sec-WebSocket-Version: 1\r\n")];
    for ((name, more), pod) in early.into_iter().zip(["client-4", "client-5", "client-6"]) {
        let path = stage.legitimate(name, [("Unverified(opaque)", 1)]);
        let plain = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: hello.example\r\n");
        let upgrade = format!("{}Connection: Upgrade\r\nUpgrade: websocket\r\n{more}\r\n", plain(&path));
        say(&stage.lab.client(pod)?, front, &format!("{upgrade}{}\r\n", plain(&hidden)))?;
    }
    let unknown = stage.refused("unknown");
    say(&client, front, &format!("GET {unknown} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"))?;

    // h2c: Envoy answers as if it had not been asked, the other two switch.
    let asked = stage.legitimate("h2c", [("Verified", 1)]);
    let head = "Host: hello.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    say(&client, front, &format!("GET {asked} HTTP/1.1\r\n{head}\r\n"))?;
    for (name, to, expected) in
        [("h2c-waypoint", waypoint, "Bypassed(UpstreamBypass)"), ("h2c-direct", backend, "Bypassed(DirectConnection)")]
    {
        let path = stage.bypass(name, [(expected, 2)]);
        let second = Headers::request(3, "GET", &path);
        let script = H2Raw::new(to, [Frames::Answered(vec![1]), Frames::Headers(second), Frames::Answered(vec![3])]);
        run(&client, &script.start(H2Raw::upgrade(&path))).with_context(|| name.to_owned())?;
    }

    // Envoy and the waypoint answer CONNECT with 404, and the waypoint reads on; Caddy's file server says 200 and reads on.
    let connect = format!(
        "CONNECT hello.example:80 HTTP/1.1\r\nHost: hello.example:80\r\n\r\nGET {hidden} HTTP/1.1\r\nHost: h\r\n\r\n"
    );
    say(&client, front, &connect)?;
    let direct = stage.bypass("connect-direct", [("Bypassed(DirectConnection)", Count::AtLeast(1))]);
    let outcome = say(&client, backend, &connect.replace(&hidden, &direct))?;
    stage.sent_on(&direct, &[outcome]);
    stage.settle()?;
    stage.exits(&[1])
}

/// Shakes hands, sends a whole request over the socket, and closes.
fn web_socket(client: &Place, to: SocketAddr, path: &str, hidden: &str) -> Result<Outcome> {
    let upgrade = format!(
        "GET {path}?sink=1 HTTP/1.1\r\nHost: hello.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    let request = format!("GET {hidden} HTTP/1.1\r\nHost: hello.example\r\n\r\n");
    let steps = vec![
        Step::Raw { pieces: vec![upgrade], answers: 1 },
        Step::Octets(request.into_bytes()),
        Step::Drain { silence_ms: crate::attack::traffic::SILENCE },
    ];
    let outcomes = client.run(&Script { connections: vec![Connection { to, from: None, steps }] })?;
    ensure!(outcomes.first().is_some_and(|outcome| outcome.status == 101), "no socket: {outcomes:?}");
    let echoed = outcomes.into_iter().next_back().context("no outcome")?;
    ensure!(echoed.body.contains(hidden), "not given back: {echoed:?}");
    Ok(echoed)
}

fn say(client: &Place, to: SocketAddr, text: &str) -> Result<Outcome> {
    let steps =
        vec![Step::Octets(text.as_bytes().to_vec()), Step::Drain { silence_ms: crate::attack::traffic::SILENCE }];
    let outcomes = client.run(&Script { connections: vec![Connection { to, from: None, steps }] })?;
    outcomes.into_iter().next_back().context("no outcome")
}
