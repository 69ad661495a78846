//! E26. The kubelet's probes, which the policy exempts, and who would like to be taken for the kubelet: another process of the node, a pod
//! in the node's network, and the kubelet itself on another port than the exempted one.
//!
//! The kubelet's own are shown as exempt, whatever their way; everything else is Bypassed(DirectConnection).

use anyhow::{Context, Result};
use serde_json::json;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "exempt",
    source: "E26",
    about: "the kubelet's probes, and who would like to be taken for the kubelet",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.lab.edit_policy(|policy| {
        policy["spec"]["exempt"] = json!([{"from": {"kubelet": {}}, "ports": [8084], "reason": "liveness probes"}]);
    })?;
    stage.observe(&[])?;
    let kubelet = stage.lab.service_of_node("node-1", "kubelet")?;
    let host = stage.lab.host("node-1")?;
    let pod = stage.lab.client("client-1")?.in_network_of(&host);
    let to = stage.lab.pod("hello-backend-1")?;
    let second = std::net::SocketAddr::new(to.ip(), 8085);
    let probes = stage.legitimate("probes", [("Exempt Bypassed(DirectConnection)", EACH as u64)]);
    gets(&kubelet, to, &probes, EACH)?;
    for (name, place, to) in [("process", host, to), ("pod", pod, to), ("other-port", kubelet, second)] {
        let path = stage.bypass(name, [("Bypassed(DirectConnection)", EACH as u64)]);
        gets(&place, to, &path, EACH).with_context(|| name.to_owned())?;
    }
    stage.settle()?;
    stage.exits(&[1])
}
