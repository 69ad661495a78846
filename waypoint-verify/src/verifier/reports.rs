//! A Report (openreports.io) of each policy, beside its status, where the cluster knows such objects.
//!
//! It says what the status says that was written last: at once when another rule is broken or none is any more, now and then when only
//! counts change.

mod outcome;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};

use crate::model::NamespacedName;
use crate::policy::WaypointPolicyStatus;
use crate::report::openreports::{GROUP, KIND, PLURAL, VERSION, object};
use crate::report::outcome::{Finding, PolicyOutcome};

const MANAGER: &str = "waypoint-verify-verifier";
/// Between two looks what is due: each makes all that a Report says.
const LEAST: Duration = Duration::from_secs(1);
/// Between two looks for the definition, and how old counts may be.
const MINUTE: Duration = Duration::from_secs(60);

/// What was written of one policy.
#[derive(Debug)]
struct Written {
    outcome: PolicyOutcome,
    version: Option<String>,
    at: Instant,
}

#[derive(Debug, Default)]
pub struct Reports {
    /// Whether the cluster knows Reports. `None`: nobody has looked.
    is_known: Option<bool>,
    looked: Option<Instant>,
    /// When it was last looked what is due.
    passed: Option<Instant>,
    /// What could not be written then.
    failed: Vec<String>,
    written: BTreeMap<NamespacedName, Written>,
}

impl Reports {
    /// Writes those that are due; returns what could not be written. Each policy with its UID and the status that it has.
    pub async fn write<'a>(
        &mut self,
        client: &Client,
        policies: impl Iterator<Item = (&'a NamespacedName, &'a str, &'a WaypointPolicyStatus)>,
        declared: impl Fn(&NamespacedName) -> Vec<Finding>,
        may_write: impl Fn() -> bool,
    ) -> Vec<String> {
        if !self.look(client).await {
            self.written.clear();
            self.failed.clear();
            return Vec::new();
        }
        if self.passed.is_some_and(|passed| passed.elapsed() < LEAST) {
            return self.failed.clone();
        }
        self.passed = Some(Instant::now());
        let policies: Vec<_> = policies.collect();
        self.written.retain(|name, _| policies.iter().any(|(other, ..)| *other == name));
        let mut failed = Vec::new();
        for (name, uid, status) in policies {
            let outcome = outcome::of_status(name, uid, status, declared(name));
            let written = self.written.get(name);
            if !is_due(written, &outcome) || !may_write() {
                continue;
            }
            let mut report = object(&outcome, &[], Timestamp::now());
            if let Some(version) = written.and_then(|written| written.version.as_deref()) {
                // What another verifier has written since is not overwritten unseen.
                report["metadata"]["resourceVersion"] = version.into();
            }
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &name.namespace, &resource());
            let known_as = report["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            match api.patch(&known_as, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&report)).await {
                Ok(object) => {
                    let version = object.metadata.resource_version;
                    self.written.insert(name.clone(), Written { outcome, version, at: Instant::now() });
                }
                // Somebody else wrote it, or it is gone: the next time, as it is then. Or the definition is gone.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    self.written.remove(name);
                    self.is_known = self.is_known.filter(|_| status.code == 409);
                }
                Err(error) => failed.push(format!("writing Report {}/{known_as}: {error}", name.namespace)),
            }
        }
        self.failed.clone_from(&failed);
        failed
    }

    /// Whether there are Reports; asked for when nobody has looked yet, and now and then where there were none.
    async fn look(&mut self, client: &Client) -> bool {
        let is_time = self.looked.is_none_or(|looked| looked.elapsed() >= MINUTE);
        if self.is_known == Some(true) || !is_time {
            return self.is_known == Some(true);
        }
        self.looked = Some(Instant::now());
        let is_known = match client.list_api_group_resources(&format!("{GROUP}/{VERSION}")).await {
            Ok(kinds) => kinds.resources.iter().any(|kind| kind.name == PLURAL && kind.namespaced),
            Err(kube::Error::Api(status)) if status.code == 404 => false,
            Err(error) => {
                tracing::warn!("whether there are {PLURAL}.{GROUP} cannot be asked: {error}");
                return false;
            }
        };
        if self.is_known != Some(is_known) {
            let told =
                if is_known { "Reports are written" } else { "no Reports are written: its definition is missing" };
            tracing::info!("{PLURAL}.{GROUP}/{VERSION}: {told}");
        }
        self.is_known = Some(is_known);
        is_known
    }
}

fn resource() -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: KIND.to_owned(),
        plural: PLURAL.to_owned(),
    }
}

fn is_due(written: Option<&Written>, new: &PolicyOutcome) -> bool {
    fn told(outcome: &PolicyOutcome) -> impl Iterator<Item = &str> {
        outcome.findings.iter().map(|finding| &*finding.rule.id)
    }
    let Some(Written { outcome: old, at, .. }) = written else { return true };
    let is_news = (&old.uid, old.verdict) != (&new.uid, new.verdict) || !told(old).eq(told(new));
    is_news || (at.elapsed() >= MINUTE && old != new)
}

#[cfg(test)]
mod tests;
