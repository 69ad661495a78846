//! E35, E49. A node without an agent: what is sent from there, through the path and past it, and what arrives there.
//!
//! Whoever could have sent it was not observed: Unverified(notCovered), not Verified and not Bypassed. What arrives on that node is seen by
//! nobody; that the node is not covered is said, and keeps the gate from 0.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::demo::Count;

const EACH: usize = 6;

pub const ATTACK: Attack = Attack {
    name: "uncovered-node",
    source: "E35 E49",
    about: "one of the nodes has no agent",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let root = stage.lab.node_cgroup("node-1");
    stage.observe_below(&root)?;
    let (near, far) = (stage.lab.client("client-1")?, stage.lab.client("client-2")?);
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let doubt = |reason| (reason, Count::Any);
    let through = stage.legitimate(
        "through",
        [doubt("Verified"), ("Unverified(notCovered)", Count::AtLeast(1)), doubt("Unverified(noDeparture)")],
    );
    gets(&near, front, &through, EACH)?;
    gets(&far, front, &through, EACH)?;
    let direct = stage.bypass("from-there", [("Unverified(notCovered)", EACH as u64)]);
    gets(&far, backend, &direct, EACH)?;
    let direct = stage.bypass("from-here", [("Bypassed(DirectConnection)", EACH as u64)]);
    gets(&near, backend, &direct, EACH)?;
    stage.settle()?;
    let named = stage.ready["uncoveredNodes"].to_string().contains("node-2");
    stage.claim("the node is named", named);
    stage.exits(&[1, 3])
}
