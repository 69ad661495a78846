//! E35, E43. The agent comes late: connections through the path, and one straight to the backend, were opened before its probes were
//! attached, and go on being used.
//!
//! Nobody saw who dialled them: Unverified(predatesAgent), the genuine ones too, and never Verified. What is opened afterwards is
//! judged: a direct connection is Bypassed(DirectConnection).

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::{answered, gets};
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Request, Script, Step};
use crate::demo::Count;

const EACH: usize = 4;

pub const ATTACK: Attack = Attack {
    name: "agent-late",
    source: "E35 E43",
    about: "connections that are older than the agent, through the path and past it",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let doubt = |reason| (reason, Count::Any);
    let genuine =
        stage.legitimate("old", [("Unverified(predatesAgent)", Count::AtLeast(1)), doubt("Unverified(noDeparture)")]);
    let direct = stage.bypass("old", [("Unverified(predatesAgent)", Count::AtLeast(1))]);
    let before = stage.refused("before");
    let old = |to, path: &str| {
        let steps = [Request::get(&before), Request::get(path)].map(Step::Request);
        let [first, second] = steps;
        Connection { to, from: None, steps: vec![first, Step::Wait("attached".to_owned()), second] }
    };
    let connections = [vec![old(front, &genuine); EACH], vec![old(backend, &direct); 1]].concat();
    let mut held = stage.lab.client("client-1")?.spawn(&Script { connections })?;
    held.wait_until_held("attached", EACH + 1)?;
    stage.observe(&[])?;
    held.release("attached")?;
    let outcomes = answered(held.finish()?, 2 * (EACH + 1))?;
    // They are shown as connections: by Envoy's end of it, and by the client's.
    for outcome in &outcomes {
        let label = if outcome.connection < EACH { &genuine } else { &direct };
        stage.reached_from(label, outcome);
    }
    let new = stage.bypass("new", [("Bypassed(DirectConnection)", EACH as u64)]);
    gets(&stage.lab.client("client-2")?, backend, &new, EACH)?;
    stage.settle()?;
    stage.exits(&[1])
}
