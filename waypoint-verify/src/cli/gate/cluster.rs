//! The gate of a cluster: asks the verifier that judges, from the gate's own start, for the policy's current generation.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Serialize;

use crate::cli::common::Format;
use crate::judge::PolicyVerdict;
use crate::model::NamespacedName;
use crate::policy::WaypointPolicy;
use crate::verifier::report::PolicyReport;
use crate::verifier::window::Said;
use crate::web::Web;

/// Between two questions, and between two lines of progress.
const ASK: Duration = Duration::from_millis(500);
const PROGRESS: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, ClapArgs)]
pub struct Access {
    /// Namespace of policies that are named without one.
    #[arg(long, short = 'n', value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one otherwise.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Where the verifier answers: https://HOST:PORT, as of `kubectl port-forward`.
    #[arg(long, value_name = "URL")]
    verifier_url: Option<String>,
    /// Certificates to trust at the verifier, in PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A token of somebody who may list WaypointPolicies.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What the gate found, of one policy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    r#type: &'static str,
    policy: String,
    generation: i64,
    pub verdict: PolicyVerdict,
    since: Said,
    provisional: u64,
    covered: bool,
    /// Why the verdict is not True, where the counts do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Access {
    /// `namespace/name`, or a name in `--namespace`.
    pub fn name(&self, text: &str) -> NamespacedName {
        let (namespace, name) = text.split_once('/').unwrap_or((&self.namespace, text));
        NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    async fn client(&self) -> anyhow::Result<kube::Client> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let read = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
                kube::Config::from_custom_kubeconfig(read, &options).await
            }
            None => kube::Config::from_kubeconfig(&options).await,
        };
        Ok(kube::Client::try_from(config.context("the kubeconfig")?)?)
    }
}

/// Asks until the outcome is clear or the time is over.
pub async fn watch(
    access: &Access,
    name: &NamespacedName,
    min_verified: u64,
    timeout: Duration,
    keep_going: bool,
    output: Format,
) -> anyhow::Result<Found> {
    let policies: Api<WaypointPolicy> = Api::namespaced(access.client().await?, &name.namespace);
    let Some(policy) = policies.get_opt(&name.name).await.context("the API server")? else {
        bail!("there is no WaypointPolicy {name} in the cluster");
    };
    let generation = policy.metadata.generation.unwrap_or_default();
    let Some(url) = &access.verifier_url else {
        bail!(
            "--verifier-url is needed: kubectl -n waypoint-verify port-forward service/waypoint-verify-verifier 8443, \
             then --verifier-url https://localhost:8443"
        );
    };
    let bearer = match &access.token_file {
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| format!("--token-file {}", path.display()))?),
        None => None,
    };
    let web = Web::new(access.ca.as_deref())?;
    let url = format!("{}/v1/policies/{}/{}", url.trim_end_matches('/'), name.namespace, name.name);
    let mut gate = Gate::new(name.to_string(), generation);
    let (start, mut told) = (Instant::now(), Instant::now());
    loop {
        match web.get(&url, bearer.as_deref()).await {
            Ok((status, body)) if status.is_success() => {
                let counted = gate.base.is_some();
                gate.take(serde_json::from_slice(&body).with_context(|| url.clone())?);
                if !counted && gate.base.is_some() {
                    begun(name, generation, output)?;
                }
            }
            Ok((status, body)) => gate.no_answer(format!("{status}: {}", String::from_utf8_lossy(&body).trim())),
            Err(error) => gate.no_answer(format!("{error:#}")),
        }
        let found = gate.found(min_verified);
        let is_clear = found.verdict != PolicyVerdict::Unknown && !keep_going;
        if is_clear || start.elapsed() >= timeout {
            return Ok(found);
        }
        if told.elapsed() >= PROGRESS && output == Format::Text {
            told = Instant::now();
            eprintln!("{found}");
        }
        tokio::time::sleep(ASK).await;
    }
}

/// Says from when on requests count.
fn begun(name: &NamespacedName, generation: i64, output: Format) -> anyhow::Result<()> {
    match output {
        Format::Text => eprintln!("{name}: generation {generation}, counting from here"),
        Format::Json => {
            let ready = serde_json::json!({"type": "ready", "policy": name.to_string(), "generation": generation});
            println!("{ready}");
        }
    }
    std::io::stdout().flush().context("writing to standard output")
}

/// Counts from the gate's start, whatever the verifier counts from. Pure.
#[derive(Debug)]
struct Gate {
    policy: String,
    generation: i64,
    base: Option<PolicyReport>,
    now: Option<PolicyReport>,
    trouble: Option<String>,
    /// Another verifier took over: what happened meanwhile it may not have seen.
    replaced: bool,
}

impl Gate {
    fn new(policy: String, generation: i64) -> Self {
        Self { policy, generation, base: None, now: None, trouble: None, replaced: false }
    }

    fn take(&mut self, report: PolicyReport) {
        self.trouble = None;
        if report.generation != self.generation {
            self.trouble = Some(format!(
                "the verifier knows generation {} of the policy, and {} is wanted",
                report.generation, self.generation
            ));
            return;
        }
        match &self.base {
            None => self.base = Some(report.clone()),
            Some(base) => self.replaced |= (base.verifier, &base.uid) != (report.verifier, &report.uid),
        }
        self.now = Some(report);
    }

    fn no_answer(&mut self, why: String) {
        self.trouble = Some(why);
    }

    fn found(&self, min_verified: u64) -> Found {
        let (since, provisional, covered) = match (&self.base, &self.now) {
            (Some(base), Some(now)) if !self.replaced => (now.total.since(&base.total), now.provisional, now.covered),
            // What a new verifier says is true, but it is not all.
            (_, Some(now)) => (now.total.clone(), now.provisional, false),
            _ => (Said::default(), 0, false),
        };
        let mut why = self.trouble.clone();
        if self.replaced {
            why = Some("another verifier has taken over meanwhile: run the gate again".to_owned());
        }
        let covered = covered && why.is_none();
        Found {
            r#type: "gate",
            policy: self.policy.clone(),
            generation: self.generation,
            verdict: since.verdict(min_verified, provisional, covered),
            since,
            provisional,
            covered,
            why,
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { policy, verdict, since, .. } = self;
        write!(f, "{policy}: {verdict:?}: requests {}, verified {}", since.requests, since.verified)?;
        for (kind, count) in &since.bypassed {
            write!(f, ", bypassed {kind} {count}")?;
        }
        for (reason, count) in &since.unverified {
            write!(f, ", unverified {reason} {count}")?;
        }
        let more = [("forced", since.forced), ("provisional", self.provisional), ("lost", since.lost)];
        for (name, count) in more.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {name} {count}")?;
        }
        if !self.covered {
            write!(f, ", not covered")?;
        }
        match &self.why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
