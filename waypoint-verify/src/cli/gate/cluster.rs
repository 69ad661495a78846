//! The gate of a cluster: asks the verifier that judges, from the gate's own start, for the policy's current generation.

mod asked;
mod canaries;
mod count;
mod forward;
mod outcome;

use std::future::poll_fn;
use std::io::Write as _;
use std::path::PathBuf;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;

use super::probing::Probes;
use crate::cli::common::stopped;
use crate::cli::kube::Kube;
use crate::judge::PolicyVerdict;
use crate::model::NamespacedName;
use crate::policy::{WaypointPolicy, parse_duration};
use crate::report::Stream;
use asked::Asked;
use canaries::Run;
pub use count::Found;
use count::Gate;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, ClapArgs)]
pub struct Access {
    /// Namespace of policies that are named without one.
    #[arg(long, short = 'n', value_name = "NAMESPACE", default_value = "default")]
    pub namespace: String,
    #[command(flatten)]
    pub kube: Kube,
    /// Namespace of the verifiers, which are reached by the API server's port-forward.
    #[arg(long, value_name = "NAMESPACE", default_value = "waypoint-verify")]
    verifier_namespace: String,
    /// Where the verifier answers, if not by the API server's port-forward: https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    verifier_url: Option<String>,
    /// Certificates to trust at the verifier, in PEM; by port-forward those of the ConfigMap waypoint-verify-ca otherwise.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A token of somebody who may list WaypointPolicies in all namespaces; by port-forward that of the kubeconfig's user otherwise.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Also count what was judged so long before the start (`5m`), as far as the policy's window reaches.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<Duration>,
    /// Send a request of one's own through the waypoint, and believe in nothing before it was verified. The policy has to allow
    /// it (`spec.canary`), and manifests/canary has to be there.
    #[arg(long)]
    canary: bool,
    /// With --canary: also send requests past the waypoint, each of which has to be seen as the bypass that it is.
    #[arg(long, requires = "canary")]
    self_attack: bool,
    /// Where the Job of the canaries runs.
    #[arg(long, value_name = "NAMESPACE", default_value = "waypoint-verify-canary")]
    canary_namespace: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write it like 5m or 90s".to_owned())
}

/// What one gate asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub min_verified: u64,
    pub timeout: Duration,
    /// Until the timeout, even if the outcome is clear.
    pub keep_going: bool,
    /// In what form progress is told on standard output.
    pub stream: Option<Stream>,
}

/// What was watched.
#[derive(Debug)]
pub struct Watched {
    pub found: Found,
    /// As it was at the start: what is counted is of that generation.
    pub policy: WaypointPolicy,
    /// From when on requests count, `--since` aside.
    pub began: Timestamp,
}

impl Access {
    /// How long before the start what is attested began; canaries are the gate's own, and nobody's traffic.
    pub fn attested_since(&self, is_attested: bool) -> anyhow::Result<Duration> {
        if is_attested && self.canary {
            bail!("--attest says what was observed of others: it is not for canaries, which the gate sends itself");
        }
        Ok(self.since.unwrap_or_default())
    }

    /// `namespace/name`, or a name in `--namespace`.
    pub fn name(&self, text: &str) -> NamespacedName {
        let (namespace, name) = text.split_once('/').unwrap_or((&self.namespace, text));
        NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// Asks until the outcome is clear, the time is over, or a signal comes. `probes` are sent once the verifier counts.
pub async fn watch(
    access: &Access,
    name: &NamespacedName,
    wanted: Wanted,
    mut probes: Option<&mut Probes>,
) -> anyhow::Result<Watched> {
    let config = access.kube.config().await?;
    let client = kube::Client::try_from(config.clone())?;
    let policies: Api<WaypointPolicy> = Api::namespaced(client.clone(), &name.namespace);
    let Some(policy) = policies.get_opt(&name.name).await.context("the API server")? else {
        bail!("there is no WaypointPolicy {name} in the cluster");
    };
    if access.canary && policy.spec.canary.is_none() {
        bail!("WaypointPolicy {name} allows no canaries: set spec.canary");
    }
    let generation = policy.metadata.generation.unwrap_or_default();
    let mut asked = Asked::new(access, &config, &client, name).await?;
    let mut gate = Gate::new(name.clone(), generation, access.canary);
    let (start, mut told) = (Instant::now(), Instant::now());
    let (mut run, mut may_see, mut began) = (None, false, Timestamp::now());
    let mut stop = std::pin::pin!(stopped());
    // Signals are heard from here on: one that comes before the first pause tells the gate to decide, too.
    let mut is_stopped = poll_fn(|context| Poll::Ready(stop.as_mut().poll(context).is_ready())).await;
    let found = loop {
        let counted = gate.counts();
        // Before the counts: what was judged by now is in these.
        let (mut is_probed, mut unseen) = (true, None);
        if let Some(probes) = probes.as_deref_mut() {
            match asked.verdicts().await {
                Ok(judged) => {
                    take(probes, name, &judged);
                    may_see = true;
                }
                // Nobody gives rights while a gate waits for them; nothing was sent yet.
                Err(error) if !may_see && asked::is_refused(&error) => {
                    let cure = "--probe-witnesses: bind the ClusterRole waypoint-verify-audit to the gate's user";
                    return Err(error.context(cure));
                }
                Err(error) => unseen = Some(format!("verdicts of what was sent: {error:#}")),
            }
            is_probed = may_see && counted && probes.is_over();
        }
        let since = access.since.filter(|_| !counted);
        match asked.policy(since).await {
            Ok(report) => gate.take(report),
            // Nobody gives rights while a gate waits for them. Whoever takes them away while it counts does not end it.
            Err(error) if !counted && forward::is_forbidden(&error) => return Err(error),
            Err(error) => gate.no_answer(format!("{error:#}")),
        }
        unseen.into_iter().for_each(|why| gate.no_answer(why));
        if !counted && gate.counts() {
            began = Timestamp::now();
            begun(name, generation, wanted.stream)?;
            if access.canary {
                run = Some(Run::start(&client, &access.canary_namespace, name, access.self_attack).await?);
            }
        }
        if let Some(run) = &run {
            match asked.canaries(&run.id).await {
                Ok(told) => gate.take_canaries(told),
                Err(error) => gate.no_answer(format!("{error:#}")),
            }
            if let Some(failure) = run.failure().await {
                gate.no_answer(failure);
            }
        }
        let found = gate.found(wanted.min_verified);
        let is_clear = is_probed && found.verdict != PolicyVerdict::Unknown && !wanted.keep_going;
        if is_clear || is_stopped || start.elapsed() >= wanted.timeout {
            break found;
        }
        if told.elapsed() >= PROGRESS && wanted.stream != Some(Stream::Json) {
            told = Instant::now();
            eprintln!("{found}");
        }
        let pause = asked.pause().min(wanted.timeout.saturating_sub(start.elapsed()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Once more: what was judged until now counts.
            () = &mut stop => is_stopped = true,
        }
    };
    if let Some(run) = run {
        run.end().await;
    }
    Ok(Watched { found, policy, began })
}

fn take(probes: &mut Probes, policy: &NamespacedName, judged: &[asked::Judged]) {
    for one in judged {
        if let Some(explanation) = &one.explanation {
            probes.judged(policy, &explanation.request, &one.verdict);
        }
    }
}

/// Says from when on requests count.
fn begun(name: &NamespacedName, generation: i64, stream: Option<Stream>) -> anyhow::Result<()> {
    match stream {
        None | Some(Stream::Text) => eprintln!("{name}: generation {generation}, counting from here"),
        Some(Stream::Json) => {
            let ready = serde_json::json!({"type": "ready", "policy": name.to_string(), "generation": generation});
            println!("{ready}");
        }
    }
    std::io::stdout().flush().context("writing to standard output")
}
