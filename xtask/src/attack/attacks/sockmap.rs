//! E22. Someone with CAP_BPF redirects what a client writes straight into the backend's socket (sk_msg): no packet, and the kernel's own
//! count of octets stays 0.
//!
//! The connection itself is seen: it was dialled by a client. Whoever may load such a program is beyond the model, so the word Verified
//! is what must not be had; a request before the redirection is Bypassed(DirectConnection) as ever.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::tools::sockmap::Sockmap;
use crate::tools::start;

pub const ATTACK: Attack = Attack {
    name: "sockmap",
    source: "E22",
    about: "an sk_msg program hands a client's octets straight to the backend's socket",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let path = stage.bypass("seen", [("Bypassed(DirectConnection)", Count::AtLeast(1))]);
    let hidden = stage.bypass("hidden", [("Bypassed(DirectConnection)", Count::Any)]);
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
    let script = Sockmap {
        to: stage.lab.pod("hello-backend-1")?,
        server: stage.lab.caddy_pid("hello-backend-1", "caddy").context("the backend runs")?,
        before: request(&path),
        hidden: request(&hidden),
        answer: format!("X-Lab-Uri: {hidden}"),
    };
    let mut sockmap = start(&stage.lab.client("client-1")?, &script)?;
    for label in ["redirected", "answered"] {
        sockmap.wait_until_held(label)?;
        sockmap.release(label)?;
    }
    let report = sockmap.finish()?;
    if let Some(local) = report.local {
        stage.sent_from(&path, local);
    }
    stage.settle()?;
    stage.exits(&[1])
}
