//! E4. A client calls the gateway behind the waypoint: its ClusterIP (both families), its load balancer's address and NodePort from
//! outside, with an authority that looks like a mirror's, and with the x-forwarded-for that a waypoint would have written.
//!
//! Bypassed(UpstreamBypass): the entry at hello-upstream was not sent by a waypoint. `-shadow` in an authority makes no mirror.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::send;
use crate::attack::{Attack, Setting};
use crate::client::Request;

const EACH: u64 = 3;

pub const ATTACK: Attack = Attack {
    name: "upstream-itself",
    source: "E4",
    about: "a client calls the gateway behind the waypoint, by every address it has",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let lab = &stage.lab;
    let (client, outside) = (lab.client("client-2")?, lab.outside());
    let upstream = lab.gateway("hello-upstream")?;
    let spec = lab.plan().gateway("hello-upstream")?;
    let six = spec.cluster_ip.ipv6.context("not dual-stack")?;
    let node = lab.plan().node("node-1")?.address.v4();
    let rows = [
        ("cluster-ip", &client, upstream),
        ("cluster-ip-ipv6", &client, SocketAddr::new(six.into(), upstream.port())),
        ("load-balancer", &outside, SocketAddr::new(spec.load_balancer_ip.v4(), upstream.port())),
        ("node-port", &outside, SocketAddr::new(node, spec.listeners[0].node_port)),
        ("like-a-mirror", &client, upstream),
        ("like-the-waypoint", &client, upstream),
    ];
    let rows = rows.map(|(name, place, to)| (name, place.clone(), to));
    for (name, place, to) in rows {
        let path = stage.bypass(name, [("Bypassed(UpstreamBypass)", EACH)]);
        let request = match name {
            "like-a-mirror" => Request::get(&path).host("hello.example-shadow"),
            "like-the-waypoint" => Request::get(&path).header("X-Forwarded-For", "10.244.1.2"),
            _ => Request::get(&path),
        };
        send(&place, to, vec![request; EACH as usize]).with_context(|| name.to_owned())?;
    }
    Ok(())
}
