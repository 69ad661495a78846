//! E33, E34. The waypoint's and the backend's containers are restarted while the verifier runs: the same pods, new containers that the
//! inventory does not know, the same addresses.
//!
//! What is not known is not covered: requests by way of the new waypoint are Unverified(notCovered), never Bypassed; the backend's pod is
//! protected by its UID, so that a direct connection to its new container is Bypassed(DirectConnection) as before.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};
use crate::demo::Count;
use crate::lab::Variant;

const EACH: usize = 4;

pub const ATTACK: Attack = Attack {
    name: "restarts",
    source: "E33 E34",
    about: "waypoint and backend are restarted in their pods while the verifier runs",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    stage.observe(&[])?;
    let (client, front) = (stage.lab.client("client-1")?, stage.lab.gateway("hello-gateway")?);
    let before = stage.legitimate("before", [("Verified", EACH as u64)]);
    gets(&client, front, &before, EACH)?;
    stage.settle_label(&before)?;
    for pod in ["hello-waypoint-1", "hello-waypoint-2"] {
        stage.lab.restart(pod, "caddy", Variant::Plain)?;
    }
    let after = stage.legitimate("after", [("Unverified(notCovered)", Count::Exactly(EACH as u64))]);
    gets(&client, front, &after, EACH)?;
    stage.settle_label(&after)?;
    stage.lab.restart("hello-backend-1", "caddy", Variant::Plain)?;
    let direct = stage.bypass("direct", [("Bypassed(DirectConnection)", EACH as u64)]);
    gets(&client, stage.lab.pod("hello-backend-1")?, &direct, EACH)?;
    stage.settle()?;
    stage.exits(&[1])
}
