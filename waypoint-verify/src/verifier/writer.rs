//! Writes policies' status, Events of what changed in it, and Reports of it: at once when a condition changes, now and then when only counts do.
//!
//! Only the holder of the Lease writes, and only over what it has read: a verifier that was paused in between changes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::events::{Events, Subject};
use super::reports::Reports;
use crate::model::NamespacedName;
use crate::policy::{GROUP, KIND, WaypointPolicy, WaypointPolicyStatus};
use crate::report::outcome::Finding;

/// Between two writes of one policy.
const LEAST: Duration = Duration::from_secs(1);
/// How old counts may be that people read.
const COUNTS: Duration = Duration::from_secs(5);
const MANAGER: &str = "waypoint-verify-verifier";

/// Of one policy.
#[derive(Debug)]
struct Written {
    uid: String,
    status: Option<WaypointPolicyStatus>,
    /// The version of the object that this is the status of: what another verifier wrote since is not overwritten unseen.
    version: Option<String>,
    at: Option<Instant>,
}

/// What was written of each policy.
#[derive(Debug)]
pub struct Writer {
    written: BTreeMap<NamespacedName, Written>,
    pub events: Events,
    reports: Reports,
}

impl Writer {
    /// `identity`: which of the verifiers this is.
    pub fn new(identity: &str) -> Self {
        Self { written: BTreeMap::new(), events: Events::new(identity), reports: Reports::default() }
    }

    /// Makes the status of each policy from the one that is there, and writes what is due; `declared`: what its Report says of what objects
    /// declare. Returns what could not be written.
    pub async fn write<'a>(
        &mut self,
        client: &Client,
        policies: impl Iterator<Item = (&'a NamespacedName, &'a str)>,
        may_write: impl Fn() -> bool,
        status: impl Fn(&NamespacedName, Option<&WaypointPolicyStatus>) -> Option<WaypointPolicyStatus>,
        declared: impl Fn(&NamespacedName) -> Vec<Finding>,
    ) -> Vec<String> {
        let mut failed = Vec::new();
        let policies: Vec<_> = policies.collect();
        self.written.retain(|name, _| policies.iter().any(|(other, _)| *other == name));
        for (name, uid) in policies {
            let api: Api<WaypointPolicy> = Api::namespaced(client.clone(), &name.namespace);
            let known = self.written.get(name).is_some_and(|written| written.uid == uid);
            if !known {
                // Another verifier may have written before: what has not changed since keeps its time.
                match api.get_opt(&name.name).await {
                    Ok(Some(policy)) if policy.metadata.uid.as_deref() == Some(uid) => {
                        let version = policy.metadata.resource_version;
                        let written = Written { uid: uid.to_owned(), status: policy.status, version, at: None };
                        self.written.insert(name.clone(), written);
                    }
                    Ok(_) => continue,
                    Err(error) => {
                        failed.push(format!("reading WaypointPolicy {name}: {error}"));
                        continue;
                    }
                }
            }
            let Some(written) = self.written.get_mut(name) else { continue };
            let Some(new) = status(name, written.status.as_ref()) else { continue };
            if !is_due(written, &new) || !may_write() {
                continue;
            }
            written.at = Some(Instant::now());
            let metadata = json!({"resourceVersion": written.version});
            let patch =
                json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": KIND, "metadata": metadata, "status": new});
            match api.patch_status(&name.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await {
                Ok(policy) => {
                    let old = written.status.as_ref().map_or(&[][..], |status| &status.conditions);
                    self.events.changed(Subject { name, uid }, old, &new.conditions);
                    (written.status, written.version) = (Some(new), policy.metadata.resource_version);
                }
                // It is gone, or was changed: it is read anew at the next tick.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    self.written.remove(name);
                }
                Err(error) => failed.push(format!("writing the status of WaypointPolicy {name}: {error}")),
            }
        }
        failed.extend(self.events.publish(client).await);
        // What the status says that is there.
        let there = self.written.iter();
        let there = there.filter_map(|(name, written)| Some((name, written.uid.as_str(), written.status.as_ref()?)));
        failed.extend(self.reports.write(client, there, declared, may_write).await);
        failed
    }
}

fn is_due(written: &Written, new: &WaypointPolicyStatus) -> bool {
    let Some(at) = written.at else { return written.status.as_ref() != Some(new) };
    let Some(old) = &written.status else { return at.elapsed() >= LEAST };
    let conditions = |status: &WaypointPolicyStatus| -> Vec<(String, String, String)> {
        let all = status.conditions.iter();
        all.map(|one| (one.type_.clone(), one.status.clone(), one.reason.clone())).collect()
    };
    let changed = conditions(old) != conditions(new) || old.observed_generation != new.observed_generation;
    let wait = if changed { LEAST } else { COUNTS };
    old != new && at.elapsed() >= wait
}
