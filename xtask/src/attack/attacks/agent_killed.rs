//! E35. The agent is killed while requests are under way, is gone for a while, and is started again: at each seam there are connections
//! in use, through the path and straight to the backend.
//!
//! What the first one said stands; nothing across the seam is Verified by luck: what goes on over old connections is
//! Unverified(predatesAgent). A direct connection that is opened while nobody looks is used when somebody does again: not Verified either.
//! New ones are judged as ever.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::{answered, gets};
use crate::attack::{Attack, Setting};
use crate::client::{Connection, Request, Script, Step};
use crate::demo::Count;

const EACH: usize = 3;

pub const ATTACK: Attack = Attack {
    name: "agent-killed",
    source: "E35",
    about: "the agent is killed in the middle of connections and started again",
    setting: Setting::Own,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let (front, backend) = (stage.lab.gateway("hello-gateway")?, stage.lab.pod("hello-backend-1")?);
    let doubt = |reason| (reason, Count::Any);
    let through = stage.legitimate("first", [("Verified", EACH as u64)]);
    let direct = stage.bypass("first", [("Bypassed(DirectConnection)", EACH as u64)]);
    let dark = stage.refused("dark");
    let through_again =
        stage.legitimate("again", [("Unverified(predatesAgent)", Count::AtLeast(1)), doubt("Unverified(noDeparture)")]);
    let direct_again = stage.bypass("again", [("Unverified(predatesAgent)", Count::AtLeast(1))]);
    let connection = |to, paths: [&str; 3]| {
        let [first, second, third] = paths.map(|path| Step::Request(Request::get(path)));
        let wait = |label: &str| Step::Wait(label.to_owned());
        Connection { to, from: None, steps: vec![first, wait("killed"), second, wait("restarted"), third] }
    };
    stage.observe(&[])?;
    let connections = [
        vec![connection(front, [&through, &dark, &through_again]); EACH],
        vec![connection(backend, [&direct, &dark, &direct_again]); EACH],
    ];
    let mut held = stage.lab.client("client-1")?.spawn(&Script { connections: connections.concat() })?;
    held.wait_until_held("killed", 2 * EACH)?;
    // Those labels that are complete: the first ones.
    stage.settle_label(&through)?;
    stage.settle_label(&direct)?;
    stage.kill()?;
    held.release("killed")?;
    held.wait_until_held("restarted", 2 * EACH)?;
    stage.observe(&[])?;
    held.release("restarted")?;
    for outcome in answered(held.finish()?, 6 * EACH)? {
        let label = if outcome.connection < EACH { &through_again } else { &direct_again };
        stage.reached_from(label, &outcome);
    }
    let new = stage.bypass("new", [("Bypassed(DirectConnection)", EACH as u64)]);
    gets(&stage.lab.client("client-2")?, backend, &new, EACH)?;
    stage.settle()?;
    stage.exits(&[1])
}
