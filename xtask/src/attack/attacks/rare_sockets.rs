//! E19, E20. A process exec'd into the backend listens in rarer forms (MPTCP, Fast Open, DEFER_ACCEPT), and a client speaks them: data that
//! arrives in a SYN, under the listener's socket, or over subflows.
//!
//! Bypassed(DirectConnection) each time: the dialling socket is a client's.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::serve::Serve;
use crate::tools::sockets::{Kind, Sockets, Step};
use crate::tools::{run, start};

pub const ATTACK: Attack = Attack {
    name: "rare-sockets",
    source: "E19 E20",
    about: "MPTCP, Fast Open and DEFER_ACCEPT: data in a SYN, data before accept, subflows",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let backend = stage.lab.pod("hello-backend-1")?;
    let inside = stage.lab.container("hello-backend-1", "caddy")?;
    let client = stage.lab.client("client-1")?;
    let at = |port| Serve::new(SocketAddr::new(backend.ip(), port));
    let rows = [
        ("mptcp", Serve { mptcp: true, ..at(9001) }, Kind::Mptcp),
        ("mptcp-listener", Serve { mptcp: true, ..at(9004) }, Kind::Plain),
        ("fast-open", Serve { fast_open: Some(16), ..at(9002) }, Kind::FastOpen),
        ("defer-accept", Serve { defer_accept: Some(5), ..at(9003) }, Kind::Plain),
    ];
    for (name, serve, kind) in rows {
        let path = stage.bypass(name, [("Bypassed(DirectConnection)", Count::Exactly(2))]);
        let mut server = start(&inside, &serve)?;
        server.wait_until_held("ready")?;
        let request = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").into_bytes();
        // The second connection of Fast Open has the cookie that the first one got.
        for _ in 0..2 {
            let steps = [Step::Connect, Step::Send(request.clone()), Step::Answer("received 3".to_owned())];
            let report = run(&client, &Sockets::new(serve.at, kind, steps)).with_context(|| name.to_owned())?;
            if let Some(local) = report.local {
                stage.sent_from(&path, local);
            }
        }
        server.kill()?;
    }
    stage.settle()?;
    stage.exits(&[1])
}
