//! An agent that misbehaves, with the real credentials of its node.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use waypoint_verify::agent::FromVerifier;
use waypoint_verify::bus::batch::Batch;
use waypoint_verify::bus::control::Part;
use waypoint_verify::bus::keys::Signer;
use waypoint_verify::bus::nats::{Address, AgentBus, VerifierBus};
use waypoint_verify::bus::subject::Names;
use waypoint_verify::bus::{MAX_MESSAGE, Message};

use crate::trial::{CONVERGED, PAST, Trial, uncovered};
use crate::trickle::Trickle;
use xtask::cluster::Installation;
use xtask::cluster::installation::token;
use xtask::demo::cluster::Stage;
use xtask::lab::patience;

/// Its stream holds so many octets in this test; by default 256 MiB.
const STREAM: usize = 8 << 20;
/// Messages of nearly a MiB: more than the stream holds.
const FLOOD: usize = 12;
/// A verifier that is paused for longer than this has lost its Lease.
const PAUSED: Duration = Duration::from_secs(8);

fn address(stage: &Stage) -> Address {
    let nats = &stage.installation.nats;
    Address { url: nats.url(), ca: Some(nats.ca()) }
}

/// Whoever has taken over this node.
fn as_agent(stage: &Stage, node: &str) -> Result<AgentBus> {
    let server = &stage.experiment.server;
    let file = server.dir().join("another-agent.token");
    fs::write(&file, token(server, node)?)?;
    let credentials = FromVerifier::new(&stage.installation.url(), &stage.installation.nats.ca(), file)?;
    let address = address(stage);
    let connecting = AgentBus::connect(&address, Names::new("lab"), node, Arc::new(credentials));
    Ok(server.client().run(connecting)?)
}

/// Of a node's stream: the number of its oldest message, and its octets.
fn stream(stage: &Stage, node: &str) -> Result<(u64, u64)> {
    let shown: Value = serde_json::from_str(&stage.installation.nats.monitor("/jsz?accounts=true&streams=true")?)?;
    let accounts = shown["account_details"].as_array().context("NATS has no accounts")?;
    let streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
    let mut named = streams.filter(|stream| stream["name"] == format!("WV-lab-{node}"));
    let state = &named.next().with_context(|| format!("no stream of {node}"))?["state"];
    Ok((state["first_seq"].as_u64().unwrap_or_default(), state["bytes"].as_u64().unwrap_or_default()))
}

/// What does not fit pushes out what was there: of this node, and of no other.
pub fn agent_floods_its_stream(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    stage.installation.kill_verifier(1)?;
    stage.installation.verifier(1)?.set_arguments([format!("--stream-size={STREAM}")]);
    stage.installation.restart_verifier(1)?;
    let mut trial = Trial::begin(stage, trickle, "a flooded stream")?;
    let (bus, client) = (as_agent(trial.stage, "node-2")?, trial.stage.experiment.server.client().clone());
    let (other, own) = (stream(trial.stage, "node-1")?, stream(trial.stage, "node-2")?);
    // It reads nothing meanwhile: what is pushed out now was not read.
    trial.stage.installation.verifier(1)?.pause()?;
    let paused = Instant::now();
    trial.go_past()?;
    let garbage = [&Batch::VERSION.to_le_bytes()[..], &vec![7; MAX_MESSAGE - 1024]].concat();
    let flooded = (0..FLOOD).try_for_each(|_| client.run(bus.publish(garbage.clone())));
    let (other_now, own_now) = (stream(trial.stage, "node-1")?, stream(trial.stage, "node-2")?);
    trial.stage.installation.verifier(1)?.go_on()?;
    flooded?;
    ensure!(paused.elapsed() < PAUSED, "the flood took {:?}", paused.elapsed());
    ensure!(own_now.0 > own.0 && own_now.1 <= STREAM as u64, "nothing was pushed out: {own:?}, {own_now:?}");
    ensure!(other_now.0 == other.0, "something of another node was pushed out: {other:?}, {other_now:?}");
    let after = trial.end(false)?;
    let lost = after.shown["counts"]["lost"].as_u64().unwrap_or_default();
    ensure!(lost > 0, "what was pushed out is no gap: {after:?}");
    ensure!(after.past() >= 2 * PAST, "those from before and after are not Bypassed: {after:?}");
    stage.installation.kill_verifier(1)?;
    stage.installation.verifier(1)?.set_arguments([]);
    stage.installation.restart_verifier(1)
}

/// So long the first tick of a verifier that goes on waits for a node without an agent.
const FIRST_TICK: Duration = Duration::from_secs(30);

/// Neither an older nor a newer form is read: who writes it is not covered, and whoever reads it says so.
pub fn agent_is_of_another_schema(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "an agent of another schema")?;
    trial.stage.installation.kill_agent("node-2");
    let (bus, client) = (as_agent(trial.stage, "node-2")?, trial.stage.experiment.server.client().clone());
    let sample = Batch { node: "node-2".into(), epoch: 1, sequence: 0, evidence: Vec::new(), answer: None }.encode()?;
    for (version, word) in [(Batch::VERSION - 1, "older"), (Batch::VERSION + 1, "newer")] {
        let message = [&version.to_le_bytes()[..], &sample[2..]].concat();
        client.run(bus.publish(message))?;
        patience::wait("the verifier to refuse what it cannot read", || {
            let said = format!("a message of node node-2 schema version {version} is {word} than this program's");
            Ok(trial.stage.installation.verifier(1)?.log()?.contains(&said).then_some(()))
        })?;
    }
    trial.go_past()?;
    uncovered(trial.stage)?;

    // The other way round: what the verifier wrote is of another schema to the agent, which ends.
    let signer = Signer::new(&fs::read_to_string(trial.stage.installation.nats.keys().join("account.seed"))?)?;
    let address = address(trial.stage);
    let writer = VerifierBus::connect(&address, Names::new("lab"), Arc::new(signer));
    let newer = [&(Part::VERSION + 1).to_le_bytes()[..], &Part::default().encode()?[2..]].concat();
    client.run(async { writer.await?.write_part("node-2", newer).await })?;
    let Stage { experiment, lab, installation, .. } = &mut *trial.stage;
    installation.start_agent(&experiment.server, lab, "node-2")?;
    let ended = |installation: &Installation| -> Result<usize> {
        Ok(installation.agent_log("node-2")?.matches("the watch list of this node: schema version").count())
    };
    patience::wait("the agent to end", || Ok((ended(installation)? > 0).then_some(())))?;

    // Another verifier writes what it knows, and agents that are started again go on.
    installation.kill_verifier(1)?;
    installation.start_verifier(1)?;
    let mut known = 0;
    patience::wait_for(CONVERGED + FIRST_TICK, "an agent that can read its watch list", || {
        if ended(installation)? > known {
            known = ended(installation)?;
            installation.kill_agent("node-2");
            installation.start_agent(&experiment.server, lab, "node-2")?;
        }
        Ok(installation.metrics()?.contains(r#"waypoint_verify_node_covered{node="node-2"} 1"#).then_some(()))
    })?;
    let after = trial.end(true)?;
    ensure!(after.past() >= 2 * PAST, "those from before and after are not Bypassed: {after:?}");
    Ok(())
}
