//! Policies divided among two verifiers, each of which judges its own; one of them is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use waypoint_verify::verifier::partition::Partitions;

use crate::trial::{CONVERGED, PAST, Trial};
use crate::trickle::Trickle;
use xtask::cluster::installation::{self, NAMESPACE, policies, policy_status};
use xtask::demo::cluster::Stage;
use xtask::lab::patience;

const HELLO: &str = "hello";
const FIRST: &str = "hello-through-waypoint";
/// Of the same target, in the other partition.
const SECOND: &str = "hello-again";
/// After it a standby takes over; some seconds more, because it has a partition already.
const TAKEN_OVER: Duration = Duration::from_secs(35);
/// How long those that divide differently are watched: longer than it takes to get a Lease.
const WATCHED: Duration = Duration::from_secs(8);

fn partitions() -> Partitions {
    Partitions::new(2).expect("two are possible")
}

/// Who holds the Lease of a partition; empty: nobody.
fn holder(stage: &Stage, partition: u16) -> Result<String> {
    Ok(installation::holder(&stage.experiment.server, NAMESPACE, partition)?.unwrap_or_default())
}

/// Its UID decides where a policy belongs.
fn second_policy(stage: &Stage) -> Result<u16> {
    let server = &stage.experiment.server;
    let all = policies(server, HELLO)?;
    let first = server.client().run(all.get(FIRST))?;
    let of = |uid: Option<&String>| Ok::<_, anyhow::Error>(partitions().of(uid.context("it has no UID")?));
    let own = of(first.metadata.uid.as_ref())?;
    let mut second = first.clone();
    second.metadata = serde_json::from_value(json!({"name": SECOND, "namespace": HELLO}))?;
    second.data = json!({"spec": first.data["spec"]});
    for _ in 0..64 {
        let made = server.client().run(all.create(&PostParams::default(), &second))?;
        if of(made.metadata.uid.as_ref())? != own {
            return Ok(own);
        }
        server.client().run(all.delete(SECOND, &DeleteParams::default()))?;
    }
    anyhow::bail!("no UID of 64 is of the other partition")
}

fn past(status: &Value) -> u64 {
    let bypassed = status["counts"]["bypassed"].as_object();
    bypassed.map_or(0, |kinds| kinds.values().filter_map(Value::as_u64).sum())
}

/// Both policies have counted what went past, and neither anything else.
fn both_count(trial: &Trial<'_>, when: &str, first: u64, second: u64) -> Result<()> {
    let mut last = (0, 0);
    let found = patience::wait_for(CONVERGED, "both policies to count what went past", || {
        let status = |name| policy_status(&trial.stage.experiment.server, HELLO, name);
        last = (past(&status(FIRST)?), past(&status(SECOND)?));
        Ok((last == (first, second)).then_some(()))
    });
    found.with_context(|| format!("{when}: {last:?}, not {:?}", (first, second)))
}

/// Two verifiers become ones that divide policies among each other; then the one with the first policy is killed.
pub fn policies_are_divided(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let own = second_policy(stage)?;
    let divided = || [format!("--partitions={}", partitions())];
    // The first verifier is one of the new kind, while the second one still judges everything.
    stage.installation.kill_verifier(1)?;
    stage.installation.verifier(1)?.set_arguments(divided());
    stage.installation.restart_verifier(1)?;
    let start = Instant::now();
    while start.elapsed() < WATCHED {
        let (first, second) = (holder(stage, 0)?, holder(stage, 1)?);
        ensure!((first.as_str(), second.as_str()) == ("verifier-2", ""), "{first} and {second} judge");
        std::thread::sleep(Duration::from_millis(200));
    }
    stage.installation.kill_verifier(2)?;
    stage.installation.verifier(2)?.set_arguments(divided());
    stage.installation.restart_verifier(2)?;
    shared(stage).context("after both were restarted")?;

    let mut trial = Trial::begin(stage, trickle, "policies are divided")?;
    both_count(&trial, "before", PAST, PAST)?;
    // Whoever does not judge a policy says who does.
    let owner = holder(trial.stage, own)?;
    let (killed, other) = if owner == "verifier-1" { (1, 2) } else { (2, 1) };
    let token = trial.stage.token()?;
    let path = format!("/v1/policies/{HELLO}/{FIRST}");
    // It reads the Leases every two seconds.
    let mut last = None;
    let named = patience::wait_for(CONVERGED, "the other verifier to name the one that judges", || {
        let (code, text) = last.insert(trial.stage.installation.ask_one(other, &path, &token)?);
        Ok((*code == 503 && text.contains(&format!("{owner} judges"))).then_some(()))
    });
    named.with_context(|| format!("{last:?}"))?;
    let answer = trial.stage.installation.ask_one(killed, &path, &token)?;
    ensure!(answer.0 == 200, "{answer:?}");

    trial.stage.installation.kill_verifier(killed)?;
    trial.go_past()?;
    let heir = format!("verifier-{other}");
    patience::wait_for(TAKEN_OVER, "the other verifier to take over", || {
        Ok((holder(trial.stage, 0)? == heir && holder(trial.stage, 1)? == heir).then_some(()))
    })?;
    both_count(&trial, "after one was killed", 2 * PAST, 2 * PAST)?;
    trial.stage.installation.restart_verifier(killed)?;
    shared(trial.stage).context("after it is there again")?;
    trial.go_past()?;
    both_count(&trial, "at the end", 3 * PAST, 3 * PAST)?;
    let server = &trial.stage.experiment.server;
    server.client().run(policies(server, HELLO)?.delete(SECOND, &DeleteParams::default()))?;
    Ok(())
}

/// Waits until each of the two verifiers holds one Lease.
fn shared(stage: &Stage) -> Result<()> {
    let mut last = (String::new(), String::new());
    let found = patience::wait_for(CONVERGED, "each verifier to judge one partition", || {
        last = (holder(stage, 0)?, holder(stage, 1)?);
        let names = [last.0.as_str(), last.1.as_str()];
        Ok((names == ["verifier-1", "verifier-2"] || names == ["verifier-2", "verifier-1"]).then_some(()))
    });
    found.with_context(|| format!("{last:?} hold them"))
}
