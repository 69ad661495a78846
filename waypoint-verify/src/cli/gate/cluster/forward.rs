//! The way to the verifier by the API server's port-forward: to the pod that judges, whichever of them was found first.

mod authority;
mod bearer;
mod connector;
mod pods;

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Response, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use rustls::RootCertStore;
use thiserror::Error;

use super::Access;
use crate::verifier::api::OWNER;
use crate::web::Web;
use bearer::Bearer;
pub use bearer::token_of;
use connector::Connector;
use pods::Candidate;

/// As manifests/install calls them: the Service is in the verifiers' certificate, the label on their pods.
const SERVICE: &str = "waypoint-verify-verifier";
const LABEL: &str = "app.kubernetes.io/name=waypoint-verify-verifier";
/// Where verifiers listen.
const PORT: u16 = 8443;
/// What the gate's user has to have in the verifiers' namespace.
const ROLE: &str = "waypoint-verify-gate";

/// For one question, with all that it needs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Verifiers that are asked for one answer. One knows who judges; while that changes, the second may be wrong, too.
const HOPS: usize = 3;

/// Why there is no way to the verifier.
#[derive(Clone, Debug, Error)]
pub enum Error {
    #[error(
        "{said}: bind the Role {ROLE} in namespace {namespace} to who you are there (docs/operations.md, \"The gate in a pipeline\")"
    )]
    Forbidden { namespace: String, said: String },
    #[error("the API server does not list the verifier's pods in namespace {namespace}: {said}")]
    Unlisted { namespace: String, said: String },
    #[error(
        "no verifier pod in namespace {namespace} (label {LABEL}): is waypoint-verify installed there? Otherwise --verifier-namespace"
    )]
    NoPod { namespace: String },
    #[error(
        "no verifier pod in namespace {namespace} is ready: {pods}. See kubectl -n {namespace} describe pods, and their log"
    )]
    NoneReady { namespace: String, pods: String },
    #[error("pod {namespace}/{by} says that {owner} judges, and no verifier pod of this name runs")]
    OwnerGone { namespace: String, by: String, owner: String },
    #[error("the port-forward to pod {namespace}/{pod}: {said}")]
    NotForwarded { namespace: String, pod: String, said: String },
}

impl Error {
    /// What the API server says, once: the error would show it three times.
    fn of(error: kube::Error, namespace: &str, other: impl FnOnce(String) -> Self) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                Self::Forbidden { namespace: namespace.to_owned(), said: status.message.clone() }
            }
            kube::Error::Api(status) => other(format!("{} ({})", status.message.trim(), status.code)),
            error => other(format!("{:#}", anyhow::Error::from(error))),
        }
    }
}

/// Whether waiting does not help: somebody has to give a right first.
pub fn is_forbidden(error: &anyhow::Error) -> bool {
    matches!(error.chain().find_map(ours), Some(Error::Forbidden { .. }))
}

/// What this module says of it, wherever the client of HTTP and TLS have put it. An `io::Error` does not name what it holds as its source.
fn ours<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    cause.downcast_ref().or_else(|| ours(cause.downcast_ref::<std::io::Error>()?.get_ref()?))
}

/// One policy's way to the verifier.
pub struct Forwarded {
    pods: Api<Pod>,
    namespace: String,
    roots: RootCertStore,
    bearer: Bearer,
    /// The pod that answered last, and the connection to it.
    open: Option<(String, Web<Connector>)>,
    /// The pod that failed last: another one is tried first.
    failed: Option<String>,
}

impl std::fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarded").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Forwarded {
    /// Whatever is needed beside the verifier itself: an authority for its certificate, and a token.
    pub async fn new(access: &Access, config: &kube::Config, client: &kube::Client) -> anyhow::Result<Self> {
        let namespace = access.verifier_namespace.clone();
        Ok(Self {
            pods: Api::namespaced(client.clone(), &namespace),
            roots: authority::roots(access.ca.as_deref(), config, client, &namespace).await?,
            bearer: Bearer::new(access.token_file.as_deref(), config)?,
            namespace,
            open: None,
            failed: None,
        })
    }

    /// What the verifier that judges answers, or, while nobody does, one of the others.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Response<Bytes>> {
        let answer = tokio::time::timeout(PATIENCE, self.ask(path)).await;
        let answer = answer.context("no answer in time").and_then(std::convert::identity);
        if answer.is_err() {
            // What is left of a connection is not worth another try.
            self.failed = self.open.take().map(|(pod, _)| pod);
        }
        answer
    }

    async fn ask(&mut self, path: &str) -> anyhow::Result<Response<Bytes>> {
        let url = format!("https://{SERVICE}.{}.svc:{PORT}{path}", self.namespace);
        let bearer = self.bearer.value().await?;
        let mut hops = 0;
        loop {
            let (pod, web) = self.connection().await?;
            let answer = web.get(&url, Some(&bearer)).await.map_err(|error| match error.chain().find_map(ours) {
                // It names the pod, and that it was asked over HTTP is of no interest.
                Some(error) => error.clone().into(),
                None => error.context(format!("pod {pod}")),
            })?;
            hops += 1;
            match owner(&answer).filter(|owner| *owner != pod) {
                Some(owner) if hops < HOPS => {
                    let (by, owner) = (pod.clone(), owner.to_owned());
                    self.open = None;
                    self.go_to(&by, &owner).await?;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// That to the pod of the last answer, or one to any verifier that is ready.
    async fn connection(&mut self) -> Result<&(String, Web<Connector>), anyhow::Error> {
        if self.open.is_none() {
            let candidates = self.candidates().await?;
            let pod = pods::choose(&self.namespace, &candidates, self.failed.as_deref())?;
            self.connect(pod.to_owned())?;
        }
        self.open.as_ref().context("just opened")
    }

    /// To the pod that this one names, if it is a verifier's: no other pod may be named.
    async fn go_to(&mut self, by: &str, owner: &str) -> anyhow::Result<()> {
        let candidates = self.candidates().await?;
        self.connect(pods::owner(&self.namespace, &candidates, by, owner)?.to_owned())
    }

    /// Makes no connection yet: the first question does.
    fn connect(&mut self, pod: String) -> anyhow::Result<()> {
        let connector = Connector::new(self.pods.clone(), &self.namespace, &pod);
        self.open = Some((pod, Web::over(connector, self.roots.clone())?));
        Ok(())
    }

    async fn candidates(&self) -> Result<Vec<Candidate>, Error> {
        let listed = self.pods.list(&ListParams::default().labels(LABEL)).await;
        let listed = listed.map_err(|error| {
            Error::of(error, &self.namespace, |said| Error::Unlisted { namespace: self.namespace.clone(), said })
        })?;
        Ok(listed.items.iter().map(Candidate::of).collect())
    }
}

/// Who judges, if this one does not.
fn owner(answer: &Response<Bytes>) -> Option<&str> {
    let owner = answer.headers().get(OWNER).filter(|_| answer.status() == StatusCode::SERVICE_UNAVAILABLE)?;
    owner.to_str().ok().filter(|owner| !owner.is_empty())
}

#[cfg(test)]
mod tests;
