//! Canaries of a gate: a Job of the CronJob of manifests/canary, and what the verifier says of what it sent.

use anyhow::Context as _;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, PropagationPolicy};

use crate::engine::random_key;
use crate::model::NamespacedName;

/// The template, which never runs by itself.
const TEMPLATE: &str = "waypoint-verify-canary";

#[derive(Debug)]
pub struct Run {
    /// Tells its canaries from those of others.
    pub id: String,
    job: String,
    jobs: Api<Job>,
}

impl Run {
    /// As `kubectl create job --from=cronjob/waypoint-verify-canary` does, with arguments more.
    pub async fn start(
        client: &Client,
        namespace: &str,
        policy: &NamespacedName,
        self_attack: bool,
    ) -> anyhow::Result<Self> {
        let id = format!("{:016x}", u64::from_ne_bytes(random_key()?));
        let templates: Api<CronJob> = Api::namespaced(client.clone(), namespace);
        let template = templates.get(TEMPLATE).await;
        let template = template.with_context(|| {
            format!("CronJob {namespace}/{TEMPLATE} (kubectl apply -k manifests/canary, or --canary-namespace)")
        })?;
        let template = template.spec.map(|spec| spec.job_template).unwrap_or_default();
        let mut spec = template.spec.with_context(|| format!("CronJob {namespace}/{TEMPLATE} has no Job"))?;
        let containers = spec.template.spec.iter_mut().flat_map(|pod| &mut pod.containers);
        let container = containers.into_iter().next();
        let container = container.with_context(|| format!("CronJob {namespace}/{TEMPLATE} has no container"))?;
        let arguments = container.args.get_or_insert_default();
        arguments.extend([format!("--policy={policy}"), format!("--run={id}")]);
        arguments.extend(self_attack.then(|| "--self-attack".to_owned()));
        let labels = template.metadata.and_then(|metadata| metadata.labels);
        let metadata = ObjectMeta { generate_name: Some(format!("{TEMPLATE}-")), labels, ..ObjectMeta::default() };
        let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
        let made = jobs.create(&PostParams::default(), &Job { metadata, spec: Some(spec), status: None }).await;
        let made = made.with_context(|| format!("a Job in namespace {namespace}"))?;
        Ok(Self { id, job: made.metadata.name.unwrap_or_default(), jobs })
    }

    /// Why its Job has failed, if it has.
    pub async fn failure(&self) -> Option<String> {
        let status = self.jobs.get_opt(&self.job).await.ok()??.status?;
        let failed =
            status.conditions.into_iter().flatten().find(|one| one.type_ == "Failed" && one.status == "True")?;
        Some(format!("Job {} has failed: {}; see its log", self.job, failed.message.unwrap_or_default()))
    }

    /// A Job that has failed stays, for its log; it is removed when its time is over.
    pub async fn end(self) {
        if self.failure().await.is_some() {
            return;
        }
        let how = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
        if let Err(error) = self.jobs.delete(&self.job, &how).await {
            tracing::warn!("Job {} cannot be deleted: {error}", self.job);
        }
    }
}
