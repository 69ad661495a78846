//! All agents are replaced while connections live on that were opened before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::trial::{CONVERGED, covered};
use crate::trickle::Trickle;
use xtask::client::{Connection, Held, Request, Script, Step};
use xtask::cluster::Installation;
use xtask::cluster::installation::{condition, set_window};
use xtask::demo::cluster::{POLICY, Stage};
use xtask::lab::patience;

/// Of the policy in this test.
const WINDOW: Duration = Duration::from_secs(20);
/// How much later than that a count can leave it, and be written.
const LATER: Duration = Duration::from_secs(15);

/// The condition `Verified`: status, reason and message.
fn verified(stage: &Stage) -> Result<[String; 3]> {
    let status = stage.status()?;
    let found = condition(&status, "Verified").context("no condition Verified")?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Ok([text("status"), text("reason"), text("message")])
}

fn is_true(stage: &Stage) -> Result<()> {
    patience::wait_for(WINDOW + LATER, "Verified to be True", || Ok((verified(stage)?[0] == "True").then_some(())))
        .with_context(|| format!("{:?}", stage.status()))
}

fn wait_for_node(installation: &Installation, node: &str, covered: bool) -> Result<()> {
    patience::wait_for(CONVERGED, &format!("{node} to be covered: {covered}"), || {
        let shown = format!(r#"waypoint_verify_node_covered{{node="{node}"}} {}"#, u8::from(covered));
        Ok(installation.metrics()?.contains(&shown).then_some(()))
    })
}

/// Opens a connection, and sends a request over it as often as it is told to.
fn hold(stage: &Stage, client: &str, to: std::net::SocketAddr, target: &str) -> Result<Held> {
    let request = || Step::Request(Request::get(target));
    let steps = vec![Step::Connect, Step::Wait("once".into()), request(), Step::Wait("end".into())];
    let script = Script { connections: vec![Connection { to, from: None, steps }] };
    let mut held = stage.lab.client(client)?.spawn(&script)?;
    held.wait_until_held("once", 1)?;
    Ok(held)
}

fn once(held: &mut Held) -> Result<()> {
    held.release("once")?;
    let outcomes = held.outcomes(1)?;
    ensure!(outcomes[0].status == 200, "{outcomes:?}");
    Ok(())
}

/// What the proxies keep open between each other and to the backends ends.
fn close_pools(stage: &Stage) -> Result<()> {
    let plan = stage.lab.plan();
    let pods = plan.pods.iter().filter(|pod| pod.namespace == "hello");
    for place in pods
        .map(|pod| stage.lab.container(&pod.name, "caddy"))
        .chain([stage.lab.host("node-1"), stage.lab.host("node-2")])
    {
        place?.output("ss", &["--kill", "--tcp", "--no-header", "state", "established"])?;
    }
    Ok(())
}

/// While a connection into a target is older than its agent, what comes over it is not seen: nothing is said to be Verified, also when
/// all that was counted has left the window.
pub fn agents_are_replaced(stage: &mut Stage) -> Result<()> {
    set_window(&stage.experiment.server, POLICY, &format!("{}s", WINDOW.as_secs()))?;
    let trickle = Trickle::start(stage, "client-8")?;
    is_true(stage).context("before")?;
    let backend =
        stage.lab.plan().pods.iter().find(|pod| pod.name.starts_with("hello-backend")).context("a backend")?;
    let backend = backend.name.clone();
    let mut compliant = hold(stage, "client-7", stage.lab.gateway("hello-gateway")?, "/compliant")?;
    let mut past = hold(stage, "client-5", stage.lab.pod(&backend)?, "/past")?;

    let start = Instant::now();
    for node in ["node-1", "node-2"] {
        let Stage { experiment, lab, installation, .. } = stage;
        let begun = |installation: &Installation| -> Result<usize> {
            Ok(installation.agent_log(node)?.matches("observing").count())
        };
        let before = begun(installation)?;
        installation.kill_agent(node);
        // As long as it takes until it is known to be away.
        wait_for_node(installation, node, false)?;
        installation.start_agent(&experiment.server, lab, node)?;
        patience::wait(&format!("the agent of {node} to observe"), || {
            Ok((begun(installation)? > before).then_some(()))
        })?;
        wait_for_node(installation, node, true)?;
    }
    covered(stage)?;
    eprintln!("roll-out: all agents are replaced and Covered is True after {:.1?}", start.elapsed());
    let named = patience::wait_for(CONVERGED, "the condition to name the connections", || {
        let [status, reason, message] = verified(stage)?;
        ensure!(status == "Unknown", "{status} {reason}: {message}");
        let owner = format!("pod hello/{backend} from ");
        Ok((message.starts_with("waits for ") && message.contains(&owner)).then_some(format!("{reason}: {message}")))
    })?;
    eprintln!("roll-out: {named}");

    // Longer than a window, and a request goes past that nobody can see.
    let watched = Instant::now();
    once(&mut past)?;
    once(&mut compliant)?;
    let mut last = [String::new(), String::new(), String::new()];
    while watched.elapsed() < WINDOW + LATER {
        last = verified(stage)?;
        ensure!(last[0] == "Unknown", "{last:?} after {:.0?}", watched.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(last[2].starts_with("waits for "), "{last:?}");
    eprintln!("roll-out: after more than a window: {}: {}", last[1], last[2]);

    trickle.end()?;
    for mut held in [compliant, past] {
        held.release("end")?;
        held.finish()?;
    }
    close_pools(stage)?;
    let closed = Instant::now();
    let trickle = Trickle::start(stage, "client-8")?;
    is_true(stage).context("after all old connections were closed")?;
    eprintln!(
        "roll-out: Verified is True {:.1?} after the old connections were closed, {:.1?} after the first agent was replaced; window {WINDOW:?}",
        closed.elapsed(),
        start.elapsed()
    );
    trickle.end()
}
