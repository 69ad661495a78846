//! Which verifier pod is asked. Pure.

use k8s_openapi::api::core::v1::Pod;

use super::Error;

/// A verifier's pod, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    name: String,
    phase: String,
    ready: bool,
    /// It was told to end.
    ending: bool,
}

impl Candidate {
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let mut conditions = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            phase: status.and_then(|status| status.phase.clone()).unwrap_or_else(|| "Unknown".to_owned()),
            ready: conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            ending: pod.metadata.deletion_timestamp.is_some(),
        }
    }

    fn runs(&self) -> bool {
        self.phase == "Running"
    }

    fn is_ready(&self) -> bool {
        self.runs() && self.ready && !self.ending
    }

    fn shown(&self) -> String {
        let ending = if self.ending { ", ending" } else { "" };
        let ready = if self.ready { "" } else { ", not ready" };
        format!("{} ({}{ready}{ending})", self.name, self.phase)
    }
}

/// Any that is ready; all know who judges. After one that has failed, the next one.
pub fn choose<'a>(namespace: &str, pods: &'a [Candidate], failed: Option<&str>) -> Result<&'a str, Error> {
    if pods.is_empty() {
        return Err(Error::NoPod { namespace: namespace.to_owned() });
    }
    let mut ready: Vec<&str> = pods.iter().filter(|pod| pod.is_ready()).map(|pod| pod.name.as_str()).collect();
    ready.sort_unstable();
    let next = ready.iter().find(|pod| failed.is_some_and(|failed| **pod > failed)).or(ready.first());
    next.copied().ok_or_else(|| {
        let pods: Vec<_> = pods.iter().map(Candidate::shown).collect();
        Error::NoneReady { namespace: namespace.to_owned(), pods: pods.join(", ") }
    })
}

/// The pod that judges by the word of another one. It may judge without being ready: where it cannot do all that it should.
pub fn owner<'a>(namespace: &str, pods: &'a [Candidate], by: &str, owner: &str) -> Result<&'a str, Error> {
    let found = pods.iter().find(|pod| pod.name == owner && pod.runs());
    found.map(|pod| pod.name.as_str()).ok_or_else(|| Error::OwnerGone {
        namespace: namespace.to_owned(),
        by: by.to_owned(),
        owner: owner.to_owned(),
    })
}

#[cfg(test)]
mod tests;
