//! E9. What a CiliumLocalRedirectPolicy of the attacker's would do: packets to a waypoint's address are sent to a pod of his, which passes
//! requests on to the gateway behind, as a waypoint would. The gateway before it believes that it talks to the waypoint.
//!
//! Bypassed(UpstreamBypass): the socket at the other end belongs to another pod. What takes the other waypoint stays Verified.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;
use crate::demo::Count;
use crate::lab::process::listens;
use crate::lab::{Place, patience};

const REQUESTS: usize = 20;
const PORT: u16 = 9000;

pub const ATTACK: Attack = Attack {
    name: "imposter",
    source: "E9",
    about: "packets to a waypoint are redirected to a pod that plays waypoint",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let imposter = stage.lab.client("client-7")?;
    let upstream = stage.lab.gateway("hello-upstream")?;
    let waypoint = stage.lab.pod("hello-waypoint-1")?;
    let at = stage.lab.plan().pod("client-7")?.ip();
    let mut proxy = imposter.command("caddy")?;
    let dir = stage.lab.state_dir().to_owned();
    proxy.args(["reverse-proxy", "--from", &format!(":{PORT}"), "--to", &upstream.to_string()]);
    // It ends with the lab's cgroup at the latest.
    proxy.env("HOME", &dir).env("XDG_CONFIG_HOME", &dir).env("XDG_DATA_HOME", &dir);
    let mut proxy = crate::lab::process::Process::start("imposter", proxy, &dir)?;
    let process = proxy.pid();
    proxy.ready("listening", || listens(process, PORT))?;
    for node in ["node-1", "node-2"] {
        redirect(&stage.lab.host(node)?, &format!("ip daddr {} tcp dport {}", waypoint.ip(), waypoint.port()), at)?;
    }
    stage.observe(&[])?;
    let genuine = stage.legitimate("other-waypoint", [("Verified", Count::AtLeast(1))]);
    let bypass = stage.bypass("imposter", [("Bypassed(UpstreamBypass)", Count::AtLeast(1))]);
    let paths: Vec<_> = (0..REQUESTS).map(|n| format!("/either/{n}")).collect();
    let requests = paths.iter().map(|path| Request::get(path)).collect();
    let outcomes = send(&stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?, requests)?;
    for (path, outcome) in paths.iter().zip(&outcomes) {
        let last = outcome.header("x-lab-forwarded-for").and_then(|hops| hops.rsplit(',').next()).unwrap_or_default();
        stage.was(path, if last.trim() == at.to_string() { &bypass } else { &genuine });
    }
    stage.settle()?;
    stage.exits(&[1])
}

/// A rule of its own in front of the node's: where connections begin.
fn redirect(node: &Place, what: &str, to: std::net::IpAddr) -> Result<()> {
    for chain in ["prerouting", "output"] {
        let rule = format!("insert rule ip waypoint_lab {chain} {what} dnat to {to}:{PORT}");
        node.output("nft", &[&rule]).with_context(|| rule.clone())?;
    }
    patience::wait("the rule", || Ok(node.output("nft", &["list ruleset"])?.contains(&to.to_string()).then_some(())))
}
