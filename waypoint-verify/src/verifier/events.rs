//! Events of policies: each change of a condition once, and not more of them than people read.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::status::shortened;
use crate::model::NamespacedName;
use crate::policy::{GROUP, KIND};

const CONTROLLER: &str = "waypoint-verify.dev/verifier";
/// For so long the same is not said again of one policy.
const AGAIN: Duration = Duration::from_secs(300);
/// So many of one policy within `WITHIN`.
const MOST: usize = 10;
const WITHIN: Duration = Duration::from_secs(600);
/// Events that wait for the API server.
const PENDING: usize = 64;
/// Octets of a note: the API server refuses more.
const NOTE: usize = 1024;

/// A policy, as an Event refers to it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub name: &'a NamespacedName,
    pub uid: &'a str,
}

/// What was said, and when. Pure but for the time that it is given.
#[derive(Debug, Default)]
struct Limiter {
    /// By UID of the policy, what was said: the condition's type, status and reason.
    said: BTreeMap<String, Vec<(Instant, [String; 3])>>,
}

impl Limiter {
    fn allows(&mut self, uid: &str, what: [String; 3], now: Instant) -> bool {
        self.said.retain(|_, said| {
            said.retain(|(at, _)| now.duration_since(*at) < WITHIN);
            !said.is_empty()
        });
        let said = self.said.entry(uid.to_owned()).or_default();
        let is_again = said.iter().any(|(at, known)| *known == what && now.duration_since(*at) < AGAIN);
        if is_again || said.len() >= MOST {
            return false;
        }
        said.push((now, what));
        true
    }
}

#[derive(Debug)]
pub struct Events {
    /// Which of the verifiers says it.
    instance: String,
    limiter: Limiter,
    pending: VecDeque<Event>,
    /// Changes of conditions of which there is no Event.
    pub suppressed: u64,
}

impl Events {
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned(), limiter: Limiter::default(), pending: VecDeque::new(), suppressed: 0 }
    }

    /// The policy's status was written. `old`: what was there before; what is no news makes no Event.
    pub fn changed(&mut self, of: Subject<'_>, old: &[Condition], new: &[Condition]) {
        for condition in new {
            let known = old.iter().find(|known| known.type_ == condition.type_);
            let is_news = match known {
                Some(known) => (&known.status, &known.reason) != (&condition.status, &condition.reason),
                None => condition.status == "False",
            };
            if !is_news {
                continue;
            }
            let what = [condition.type_.clone(), condition.status.clone(), condition.reason.clone()];
            if !self.limiter.allows(of.uid, what, Instant::now()) || self.pending.len() >= PENDING {
                self.suppressed += 1;
                continue;
            }
            self.pending.push_back(event(of, condition, &self.instance, Timestamp::now()));
        }
    }

    /// Hands them to the API server; what it does not take stays for the next time, and comes back as an error.
    pub async fn publish(&mut self, client: &Client) -> Option<String> {
        while let Some(event) = self.pending.front() {
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
            match api.create(&PostParams::default(), event).await {
                Ok(_) => {}
                // Its namespace is gone, or the server will never take it: it must not keep back those behind it.
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404 | 422) => {
                    tracing::warn!("an Event in namespace {namespace} is not taken: {}", status.message);
                    self.suppressed += 1;
                }
                Err(error) => return Some(format!("writing Events in namespace {namespace}: {error}")),
            }
            self.pending.pop_front();
        }
        None
    }
}

fn event(of: Subject<'_>, condition: &Condition, instance: &str, now: Timestamp) -> Event {
    let Condition { type_, status, reason, message, .. } = condition;
    let note = shortened(format!("{type_} is {status}: {message}"), NOTE);
    Event {
        metadata: ObjectMeta {
            namespace: Some(of.name.namespace.clone()),
            generate_name: Some(format!("{}-", of.name.name)),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        action: Some("Judge".to_owned()),
        reason: Some(reason.clone()),
        note: Some(note),
        type_: Some(if status == "False" { "Warning" } else { "Normal" }.to_owned()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(format!("{GROUP}/v1alpha1")),
            kind: Some(KIND.to_owned()),
            namespace: Some(of.name.namespace.clone()),
            name: Some(of.name.name.clone()),
            uid: Some(of.uid.to_owned()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests;
