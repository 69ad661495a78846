//! The verifier sees nothing of the cluster for two minutes, and a pod changes meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::trial::{CONVERGED, Counts, PARTS, Trial, covered};
use crate::trickle::Trickle;
use xtask::demo::cluster::Stage;
use xtask::lab::patience;
use xtask::lab::relay::Relay;

/// A Lease is good for 10 seconds.
const GIVEN_UP: Duration = Duration::from_secs(15);

/// One of the two waypoint pods, by name.
fn waypoint(stage: &Stage) -> Result<String> {
    let pods = &stage.lab.plan().pods;
    let one = pods.iter().find(|pod| pod.name.starts_with("hello-waypoint"));
    Ok(one.context("a waypoint pod")?.name.clone())
}

/// Whether the Service selects this pod, and its EndpointSlices (`all`: with every pod) have it.
fn is_waypoint(stage: &Stage, pod: &str, is: bool, all: &[EndpointSlice]) -> Result<()> {
    let (client, how) = (stage.experiment.server.client(), PatchParams::default());
    let label = if is { "hello-waypoint" } else { "something-else" };
    let patch = Patch::Merge(json!({"metadata": {"labels": {"app": label}}}));
    client.run(client.api::<Pod>("hello").patch(pod, &how, &patch))?;
    for slice in all {
        let its = |one: &&Endpoint| one.target_ref.as_ref().and_then(|target| target.name.as_deref()) == Some(pod);
        let endpoints: Vec<_> = slice.endpoints.iter().filter(|one| is || !its(one)).collect();
        let patch = Patch::Merge(json!({"endpoints": endpoints}));
        let name = slice.metadata.name.as_deref().context("a slice without a name")?;
        client.run(client.api::<EndpointSlice>("hello").patch(name, &how, &patch))?;
    }
    Ok(())
}

fn slices(stage: &Stage) -> Result<Vec<EndpointSlice>> {
    let client = stage.experiment.server.client();
    let of_service = ListParams::default().labels("kubernetes.io/service-name=hello-waypoint");
    let found = client.run(client.api::<EndpointSlice>("hello").list(&of_service))?.items;
    ensure!(!found.is_empty(), "no EndpointSlice of hello-waypoint");
    Ok(found)
}

/// Its verifier reaches the API server by way of this relay, from now on.
fn behind_a_relay(stage: &mut Stage) -> Result<Relay> {
    let url = stage.experiment.server.url();
    let address: SocketAddr = url.trim_start_matches("https://").parse()?;
    let relay = Relay::start(address)?;
    let kubeconfig = stage.installation.kubeconfig().to_owned();
    let text = std::fs::read_to_string(&kubeconfig)?;
    std::fs::write(&kubeconfig, text.replace(&url, &format!("https://127.0.0.1:{}", relay.port)))?;
    stage.installation.kill_verifier(1)?;
    stage.installation.restart_verifier(1)?;
    Ok(relay)
}

/// One pod of two is no waypoint any more. What goes through it is not Verified, though the verifier hears of that later; what goes
/// past is Bypassed, also of the time in which nobody judged.
pub fn watch_list_is_stale_for_minutes(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    let relay = behind_a_relay(stage)?;
    let (pod, slices) = (waypoint(stage)?, slices(stage)?);
    let mut trial = Trial::begin(stage, trickle, "watch list stale for 2 minutes")?;
    relay.close();
    patience::wait_for(GIVEN_UP, "the verifier to judge no more", || {
        let metrics = trial.stage.installation.metrics()?;
        Ok((!metrics.contains("waypoint_verify_requests_total{")).then_some(()))
    })?;
    is_waypoint(trial.stage, &pod, false, &slices)?;
    let changed_at = trickle.sent();
    let meanwhile = PARTS.iter().try_for_each(|part| {
        std::thread::sleep(*part);
        trial.go_past()
    });
    let (until, during) = (trickle.sent(), trial.past);
    relay.open();
    meanwhile?;
    let mut last = Counts::default();
    let seen = patience::wait_for(CONVERGED, "all that went past to be Bypassed", || {
        last = Counts::of(trial.stage)?;
        Ok((last.covered && last.bypassed.get("DirectConnection").copied().unwrap_or_default() >= during).then_some(()))
    });
    seen.with_context(|| format!("{last:?}"))?;
    let settled = patience::wait("the counts to be written once more", || {
        let now = Counts::of(trial.stage)?;
        Ok((now.verified > last.verified || now.past() > last.past()).then_some(now))
    })?;
    eprintln!(
        "watch list stale: {during} went past; the trickle had sent {} before the pod was changed, {} after that: {}",
        changed_at - trial.sent,
        until - changed_at,
        settled.shown["counts"]
    );
    // Envoy divides requests evenly; of those after the change half went through the other pod.
    let before = changed_at - trial.sent;
    let most = before + (trickle.sent() - changed_at) * 3 / 4;
    ensure!(settled.verified <= most, "more than {most} are Verified: {settled:?}");
    let unverified = settled.shown["counts"]["unverified"].as_object().into_iter().flatten();
    let unverified: u64 = unverified.filter_map(|(_, count)| count.as_u64()).sum();
    let other = unverified + settled.past() - during;
    ensure!(
        other >= (until - changed_at) / 4,
        "what went through the pod that is no waypoint is not told: {settled:?}"
    );

    is_waypoint(trial.stage, &pod, true, &slices)?;
    covered(trial.stage)?;
    // Anew: of what went through that pod some is Bypassed, and rightly so.
    let mut again = Trial::begin(stage, trickle, "watch list current again")?;
    again.go_past()?;
    again.end_with_all(false).map(drop)
}
