//! Which of several verifiers judges the policies of a partition: the one that holds its Lease. The others stand by, and admit agents.
//!
//! - [`board`] decides what to do about each Lease (pure).
//!
//! Clocks of verifiers are not compared: a standby counts from when it itself saw the Lease change last. The holder stops
//! being one, by its own clock and without asking anybody, before a standby can take over.

mod board;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::partition::Partitions;
use board::{Seen, Turn};

/// After so long without a change a standby takes over.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long is none any more.
const VALID: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(2);
/// In front of a partition's number: the name of its Lease.
const NAME: &str = "waypoint-verify-verifier-";
/// Into how many partitions the holder divides the policies.
const PARTITIONS: &str = "waypoint-verify.dev/partitions";
/// Who would like to have it.
const WANTED_BY: &str = "waypoint-verify.dev/wanted-by";

/// What is known of a Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holding {
    /// It could not be read or taken.
    #[default]
    Unknown,
    Nobody,
    Other(String),
    /// It is ours until then, whatever happens meanwhile.
    Ours(Instant),
}

impl Holding {
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(until) if Instant::now() < *until)
    }
}

/// Tries to get and keep a fair share of the partitions' Leases, until they are given back.
pub fn hold(client: &Client, namespace: &str, partitions: Partitions, identity: &str) -> Hold {
    let (told, holdings) = partitions.all().map(|_| watch::channel(Holding::Unknown)).unzip();
    let leases = Leases {
        api: Api::namespaced(client.clone(), namespace),
        partitions,
        identity: identity.to_owned(),
        seen: BTreeMap::new(),
    };
    let task = tokio::spawn(leases.clone().run(told));
    Hold { holdings, task, leases }
}

/// A hold on Leases, or the hope for some.
#[derive(Debug)]
pub struct Hold {
    /// Of each partition.
    pub holdings: Vec<watch::Receiver<Holding>>,
    task: JoinHandle<()>,
    leases: Leases,
}

impl Hold {
    /// So that a standby need not wait. Nothing may be written after it.
    pub async fn give_back(self) {
        self.task.abort();
        // Aborted in the middle of a renewal: its answer does not matter any more.
        let _ = self.task.await;
        let given_back = async {
            let ours = |lease: &Lease| holder(lease) == Some(&self.leases.identity);
            for lease in self.leases.list().await?.into_values().filter(ours) {
                self.leases.give_back(lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        if let Err(error) = in_time(given_back).await {
            tracing::warn!("Leases {NAME}*: {error}");
        }
    }
}

/// The version of a Lease, and since when nothing of it has changed; the same of nobody's holding it.
#[derive(Clone, Debug)]
struct Known {
    version: String,
    since: Instant,
    free_since: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Leases {
    api: Api<Lease>,
    partitions: Partitions,
    identity: String,
    seen: BTreeMap<u16, Known>,
}

impl Leases {
    async fn run(mut self, told: Vec<watch::Sender<Holding>>) {
        while told.iter().any(|told| !told.is_closed()) {
            if let Err(error) = self.round(&told).await {
                tracing::warn!("Leases {NAME}*: {error}");
            }
            tokio::time::sleep(RENEW).await;
        }
    }

    async fn round(&mut self, told: &[watch::Sender<Holding>]) -> Result<(), String> {
        let mut leases = in_time(self.list()).await?;
        let seen: BTreeMap<u16, Seen> = leases.iter().map(|(at, lease)| (*at, self.look(*at, lease))).collect();
        let turns = board::turns(&self.identity, self.partitions.count(), &seen);
        let mut failed = None;
        for ((partition, turn), told) in self.partitions.all().zip(turns).zip(told) {
            let lease = leases.remove(&partition);
            let other = || match seen.get(&partition).and_then(|seen| seen.holder.clone()) {
                Some(holder) => Holding::Other(holder),
                None => Holding::Nobody,
            };
            // From before the request: when it was renewed is not later than that.
            let until = Instant::now() + VALID;
            let done = match (turn, lease) {
                (Turn::Wait, _) => Ok(other()),
                (Turn::Ask, Some(lease)) => in_time(self.ask(lease)).await.map(|()| other()),
                (Turn::GiveBack, Some(lease)) => {
                    // First of all nobody may judge any more who thinks that it is ours.
                    told.send_replace(Holding::Nobody);
                    in_time(self.give_back(lease)).await.map(|()| Holding::Nobody)
                }
                (_, lease) => in_time(self.take(partition, lease)).await.map(|()| Holding::Ours(until)),
            };
            match done {
                Ok(holding) => drop(told.send_replace(holding)),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn list(&self) -> kube::Result<BTreeMap<u16, Lease>> {
        let all = self.api.list(&ListParams::default()).await?;
        let of = |lease: Lease| Some((lease.name_any().strip_prefix(NAME)?.parse().ok()?, lease));
        Ok(all.into_iter().filter_map(of).collect())
    }

    /// What a Lease says by now, by our own clock.
    fn look(&mut self, partition: u16, lease: &Lease) -> Seen {
        let (version, now) = (lease.resource_version().unwrap_or_default(), Instant::now());
        let known = self.seen.entry(partition).or_insert_with(|| Known {
            version: version.clone(),
            since: now,
            free_since: None,
        });
        if known.version != version {
            (known.version, known.since) = (version, now);
        }
        // What a namesake of ours holds that we do not renew is as good as anybody's.
        let is_ours = |holder: &str| holder == self.identity && partition < self.partitions.count();
        let holder = holder(lease).filter(|holder| is_ours(holder) || known.since.elapsed() <= DURATION);
        known.free_since = if holder.is_some() { None } else { known.free_since.or(Some(now)) };
        let annotation = |name: &str| lease.annotations().get(name).cloned();
        Seen {
            holder: holder.cloned(),
            partitions: annotation(PARTITIONS).and_then(|count| count.parse().ok()).unwrap_or(1),
            wanted_by: annotation(WANTED_BY),
            free_for: known.free_since.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }

    /// With the version that was read: of two that try, one fails.
    async fn replace(&self, lease: &Lease) -> kube::Result<()> {
        self.api.replace(&lease.name_any(), &PostParams::default(), lease).await.map(drop)
    }

    async fn ask(&self, mut lease: Lease) -> kube::Result<()> {
        lease.annotations_mut().insert(WANTED_BY.to_owned(), self.identity.clone());
        self.replace(&lease).await
    }

    async fn give_back(&self, mut lease: Lease) -> kube::Result<()> {
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
        }
        self.replace(&lease).await
    }

    async fn take(&self, partition: u16, before: Option<Lease>) -> kube::Result<()> {
        let is_there = before.is_some();
        let now = MicroTime(Timestamp::now());
        let (mut metadata, spec) = match before {
            Some(lease) => (lease.metadata, lease.spec.unwrap_or_default()),
            None => {
                (ObjectMeta { name: Some(format!("{NAME}{partition}")), ..ObjectMeta::default() }, LeaseSpec::default())
            }
        };
        let is_new = spec.holder_identity.as_deref() != Some(self.identity.as_str());
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(PARTITIONS.to_owned(), self.partitions.count().to_string());
        // Whoever asked in vain may ask again, of another one too.
        annotations.remove(WANTED_BY);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(is_new)),
            acquire_time: if is_new { Some(now.clone()) } else { spec.acquire_time },
            renew_time: Some(now),
            ..spec
        };
        let lease = Lease { metadata, spec: Some(spec) };
        if is_there {
            return self.replace(&lease).await;
        }
        self.api.create(&PostParams::default(), &lease).await.map(drop)
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

async fn in_time<T>(asked: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(RENEW, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err("another verifier was quicker".to_owned()),
        Ok(Err(kube::Error::Api(status))) => Err(status.message),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the API server does not answer".to_owned()),
    }
}
