//! E27, E31. Senders with a node's own address, which the gateway's Envoy has too: a process of the node, a pod with hostNetwork, and both
//! with the node's ingress address as their source, which is what a backend sees of every genuine request.
//!
//! Bypassed(DirectConnection): an address, however well chosen, is no evidence.

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::answered;
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Request, Script};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "host-network",
    source: "E27 E31",
    about: "senders in the node's network, also with the source address that genuine requests have",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let lab = &stage.lab;
    let host = lab.host("node-1")?;
    let pod = lab.client("client-1")?.in_network_of(&host);
    let ingress = lab.plan().node("node-1")?.ingress.v4();
    let to = lab.pod("hello-backend-1")?;
    let rows = [
        ("process", host.clone(), None),
        ("process-ingress", host, Some(ingress)),
        ("pod", pod.clone(), None),
        ("pod-ingress", pod, Some(ingress)),
    ];
    for (name, place, from) in rows {
        let path = stage.bypass(name, [("Bypassed(DirectConnection)", EACH as u64)]);
        let connection = Connection { from, ..Connection::new(to, vec![Request::get(&path); EACH]) };
        answered(place.run(&Script { connections: vec![connection] })?, EACH).with_context(|| name.to_owned())?;
    }
    Ok(())
}
