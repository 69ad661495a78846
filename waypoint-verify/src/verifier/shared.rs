//! What is said of each partition, for whoever asks, and the way to those that judge.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::Options;
use super::api::Refusal;
use super::cluster::Clusters;
use super::declarations::Declarations;
use super::questions::Question;
use super::report::Report;
use crate::bus::keys::Signer;
use crate::bus::subject::Names;
use crate::model::NamespacedName;

/// How long a question may wait.
const ANSWER: Duration = Duration::from_secs(5);

/// What everything that answers has at hand.
#[derive(Clone)]
pub struct Shared {
    pub client: kube::Client,
    pub signer: Arc<Signer>,
    pub names: Names,
    /// `system:serviceaccount:NAMESPACE:NAME` of the agents.
    pub agents: Arc<str>,
    clusters: Clusters,
    declared: watch::Receiver<Arc<Declarations>>,
    partitions: Arc<[Partition]>,
}

/// What is said of a partition, and who can be asked.
#[derive(Debug)]
pub struct Partition {
    report: RwLock<Arc<Report>>,
    questions: mpsc::Sender<Question>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("agents", &self.agents).finish_non_exhaustive()
    }
}

impl Shared {
    /// `questions`: to each partition.
    pub fn new(
        client: kube::Client,
        signer: Arc<Signer>,
        options: &Options,
        clusters: Clusters,
        declared: watch::Receiver<Arc<Declarations>>,
        questions: Vec<mpsc::Sender<Question>>,
    ) -> Self {
        let unknown = || RwLock::new(Arc::new(Report::standing_by(None, Vec::new())));
        let partitions = questions.into_iter().map(|questions| Partition { report: unknown(), questions }).collect();
        let (names, agents) = (options.names.clone(), options.agents.as_str().into());
        Self { client, signer, names, agents, clusters, declared, partitions }
    }

    /// The partition of a policy, if this verifier judges it.
    pub fn judged(&self, policy: &NamespacedName) -> Result<&Partition, Refusal> {
        let at = match &*self.clusters.borrow() {
            Some(cluster) => cluster.partitions.get(policy).copied().ok_or_else(|| Refusal::no_policy(policy))?,
            None => return Err(Refusal::unavailable("the policies are not listed yet")),
        };
        let partition = self.partitions.get(usize::from(at)).ok_or_else(|| Refusal::no_policy(policy))?;
        if_judged(&partition.report()).map(|()| partition)
    }

    /// Of all partitions that this verifier judges, if any.
    pub fn of_all(&self) -> Result<Arc<Report>, Refusal> {
        let report = self.report();
        if_judged(&report).map(|()| report)
    }

    /// Puts a question to the one that judges this policy. No answer in time: what to say instead.
    pub async fn ask<T>(
        &self,
        policy: &NamespacedName,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Refusal> {
        let partition = self.judged(policy)?;
        let (answer, answered) = oneshot::channel();
        let asked = async {
            partition.questions.send(question(answer)).await.ok()?;
            answered.await.ok()
        };
        let answer = tokio::time::timeout(ANSWER, asked).await.ok().flatten();
        answer.ok_or_else(|| Refusal::unavailable("the verifier that judges does not answer"))
    }

    /// What the objects declare, as it was read last.
    pub fn declared(&self) -> Arc<Declarations> {
        Arc::clone(&self.declared.borrow())
    }

    /// Of each partition.
    pub fn reports(&self) -> Vec<Arc<Report>> {
        self.partitions.iter().map(Partition::report).collect()
    }

    /// What all partitions together come to.
    pub fn report(&self) -> Arc<Report> {
        match &self.reports()[..] {
            [one] => Arc::clone(one),
            all => Arc::new(Report::of_all(all.iter().map(Arc::as_ref))),
        }
    }

    /// From now on everybody who asks of this partition is answered from this.
    pub fn publish(&self, partition: u16, report: Report) {
        if let Some(partition) = self.partitions.get(usize::from(partition)) {
            *partition.report.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(report);
        }
    }
}

fn if_judged(report: &Report) -> Result<(), Refusal> {
    report.stands_by_for.as_ref().map_or(Ok(()), |owner| Err(Refusal::stands_by(owner)))
}

impl Partition {
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report.read().unwrap_or_else(PoisonError::into_inner))
    }
}
