//! E16, E3, J. The front door by every address it has, from everywhere: ClusterIP of both families, load balancer and NodePort from
//! outside, a process of the node, a peer on the loopback (whose own address Envoy writes instead of the peer's).
//!
//! Verified: the way is what counts, and the gateway is known by the address that was entered. Of the loopback peer also
//! Unverified(ambiguous).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use crate::attack::label::IN_ALL;
use crate::attack::stage::Stage;
use crate::attack::traffic::answered;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Request, Script};
use crate::demo::Count;

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "front-addresses",
    source: "E3 E16 J",
    about: "the front door by every address it has, from everywhere, loopback peers included",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let lab = &stage.lab;
    let (client, host, outside) = (lab.client("client-5")?, lab.host("node-1")?, lab.outside());
    let spec = lab.plan().gateway("hello-gateway")?;
    let port = spec.listeners[0].port;
    let six: IpAddr = spec.cluster_ip.ipv6.context("not dual-stack")?.into();
    let loopback = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let node_port = SocketAddr::new(lab.plan().node("node-1")?.address.v4(), spec.listeners[0].node_port);
    let front = SocketAddr::new(spec.cluster_ip.v4(), port);
    let rows = [
        ("cluster-ip", client.clone(), front, None),
        ("cluster-ip-ipv6", client, SocketAddr::new(six, port), None),
        ("load-balancer", outside.clone(), SocketAddr::new(spec.load_balancer_ip.v4(), port), None),
        ("node-port", outside, node_port, None),
        ("host-process", host.clone(), front, None),
        ("loopback", host, front, loopback),
    ];
    for (name, place, to, from) in rows {
        // Of a loopback peer x-forwarded-for tells nothing: on its way back through the same Envoy its request looks like itself.
        let path = match from {
            None => stage.legitimate(name, [("Verified", EACH as u64)]),
            Some(_) => stage.legitimate(
                name,
                [
                    ("Verified", Count::Any),
                    ("Unverified(ambiguous)", Count::Any),
                    (IN_ALL, Count::Exactly(EACH as u64)),
                ],
            ),
        };
        let requests = (0..EACH).map(|n| Request::get(&format!("{path}/{n}")));
        let connection = Connection { from, ..Connection::new(to, requests) };
        answered(place.run(&Script { connections: vec![connection] })?, EACH).with_context(|| name.to_owned())?;
    }
    Ok(())
}
