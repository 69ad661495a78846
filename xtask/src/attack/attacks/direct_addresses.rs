//! E1, E2, E3, E16. A client calls the backend by every address that leads to it: the pod's own (both families, IPv4 in IPv6 too), its
//! second port, its Service and a second Service, a NodePort from outside and from a pod of the other node.
//!
//! Bypassed(DirectConnection) in every case: the sending socket belongs to no gateway, whatever the address was. A NodePort's
//! source address is the node's (SNAT) and changes nothing. Requests of the path at the same time stay Verified.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "direct-addresses",
    source: "E1 E2 E3 E16",
    about: "a client calls the backend itself, by every address that leads to it",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let lab = &stage.lab;
    let pod = lab.pod("hello-backend-1")?;
    let service = lab.service("hello-backend")?;
    let six =
        |name: &str| -> Result<IpAddr> { Ok(lab.plan().pod(name)?.address.ipv6.context("not dual-stack")?.into()) };
    let service_six: IpAddr = {
        let spec = lab.plan().topology.services.iter().find(|service| service.name == "hello-backend");
        spec.and_then(|spec| spec.cluster_ip.ipv6).context("not dual-stack")?.into()
    };
    let mapped = match pod.ip() {
        IpAddr::V4(ip) => IpAddr::V6(ip.to_ipv6_mapped()),
        other => other,
    };
    let (client, other, outside) = (lab.client("client-1")?, lab.client("client-2")?, lab.outside());
    let rows = [
        ("pod", &client, pod),
        ("pod-of-other-node", &other, pod),
        ("pod-ipv6", &client, SocketAddr::new(six("hello-backend-2")?, pod.port())),
        ("pod-mapped", &client, SocketAddr::new(mapped, pod.port())),
        ("second-port", &client, SocketAddr::new(pod.ip(), 8085)),
        ("service", &client, service),
        ("service-ipv6", &client, SocketAddr::new(service_six, service.port())),
        ("second-service", &client, lab.service("hello-backend-nodeport")?),
        ("node-port-outside", &outside, lab.node_port("node-1", "hello-backend-nodeport")?),
        ("node-port-inside", &other, lab.node_port("node-1", "hello-backend-nodeport")?),
    ];
    let rows = rows.map(|(name, place, to)| (name, place.clone(), to));
    let front = stage.lab.gateway("hello-gateway")?;
    let path = stage.legitimate("beside", [("Verified", EACH as u64)]);
    gets(&client, front, &path, EACH)?;
    for (name, place, to) in rows {
        let path = stage.bypass(name, [("Bypassed(DirectConnection)", EACH as u64)]);
        gets(&place, to, &path, EACH).with_context(|| name.to_owned())?;
    }
    Ok(())
}
