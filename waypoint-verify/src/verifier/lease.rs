//! Which of several verifiers judges: the one that holds the Lease. The others stand by, and admit agents.
//!
//! Clocks of verifiers are not compared: a standby counts from when it itself saw the Lease change last. The holder stops
//! being one, by its own clock and without asking anybody, before a standby can take over.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// After so long without a change a standby takes over.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long is none any more.
const VALID: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(2);

/// What is known of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holding {
    /// Somebody else holds it, or nobody.
    #[default]
    Unknown,
    Other(String),
    /// It is ours until then, whatever happens meanwhile.
    Ours(Instant),
}

impl Holding {
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(until) if Instant::now() < *until)
    }
}

/// Tries to get and keep it, until it is given back.
pub fn hold(client: &Client, namespace: &str, name: &str, identity: &str) -> Hold {
    let (told, holding) = watch::channel(Holding::Unknown);
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let holder = Holder { api: api.clone(), name: name.to_owned(), identity: identity.to_owned(), seen: None };
    let task = tokio::spawn(holder.run(told));
    Hold { holding, task, api, name: name.to_owned(), identity: identity.to_owned() }
}

/// A hold on the Lease, or the hope for one.
#[derive(Debug)]
pub struct Hold {
    pub holding: watch::Receiver<Holding>,
    task: JoinHandle<()>,
    api: Api<Lease>,
    name: String,
    identity: String,
}

impl Hold {
    /// So that a standby need not wait. Nothing may be written after it.
    pub async fn give_back(self) {
        self.task.abort();
        // Aborted in the middle of a renewal: its answer does not matter any more.
        let _ = self.task.await;
        let given_back = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let is_ours = lease.spec.as_ref().is_some_and(|spec| spec.holder_identity.as_ref() == Some(&self.identity));
            if let (true, Some(spec)) = (is_ours, &mut lease.spec) {
                spec.holder_identity = Some(String::new());
                self.api.replace(&self.name, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(RENEW, given_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("Lease {}: {error}", self.name),
            Err(_) => tracing::warn!("Lease {}: the API server does not answer", self.name),
        }
    }
}

struct Holder {
    api: Api<Lease>,
    name: String,
    identity: String,
    /// The version that was seen last, and since when.
    seen: Option<(String, Instant)>,
}

impl Holder {
    async fn run(mut self, told: watch::Sender<Holding>) {
        while !told.is_closed() {
            match tokio::time::timeout(RENEW, self.once()).await {
                Ok(Ok(holding)) => drop(told.send_replace(holding)),
                Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                    tracing::info!("another verifier was quicker")
                }
                Ok(Err(error)) => tracing::warn!("Lease {}: {error}", self.name),
                Err(_) => tracing::warn!("Lease {}: the API server does not answer", self.name),
            }
            tokio::time::sleep(RENEW).await;
        }
    }

    async fn once(&mut self) -> kube::Result<Holding> {
        // From before the request: when it was renewed is not later than that.
        let until = Instant::now() + VALID;
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            self.api.create(&PostParams::default(), &self.ours(None)).await?;
            return Ok(Holding::Ours(until));
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        if holder != self.identity && !holder.is_empty() && !self.is_abandoned(&lease) {
            return Ok(Holding::Other(holder));
        }
        // With the version that was read: of two that try, one fails.
        self.api.replace(&self.name, &PostParams::default(), &self.ours(Some(lease))).await?;
        Ok(Holding::Ours(until))
    }

    fn is_abandoned(&mut self, lease: &Lease) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => since.elapsed() > DURATION,
            _ => {
                self.seen = Some((version, Instant::now()));
                false
            }
        }
    }

    fn ours(&self, before: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let (metadata, spec) = match before {
            Some(lease) => (lease.metadata, lease.spec.unwrap_or_default()),
            None => (ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() }, LeaseSpec::default()),
        };
        let is_new = spec.holder_identity.as_deref() != Some(self.identity.as_str());
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(is_new)),
            acquire_time: if is_new { Some(now.clone()) } else { spec.acquire_time },
            renew_time: Some(now),
            ..spec
        };
        Lease { metadata, spec: Some(spec) }
    }
}
