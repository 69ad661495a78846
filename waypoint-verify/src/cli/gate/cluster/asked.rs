//! The verifier, and what it is asked about one policy.

use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Access;
use super::forward::{self, Forwarded};
use crate::evidence::RequestLine;
use crate::model::{NamespacedName, Verdict};
use crate::verifier::canary::Told;
use crate::verifier::report::PolicyReport;
use crate::web::Web;

/// Between two questions.
const ASK: Duration = Duration::from_millis(500);
/// The longest pause while there is no way to the verifier.
const PAUSE: Duration = Duration::from_secs(5);

/// What the verifier answers instead.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {told}")]
struct Refused {
    status: StatusCode,
    told: String,
}

/// Whether the verifier knows who asks, and gives nothing.
pub fn is_refused(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|Refused { status, .. }| *status == StatusCode::FORBIDDEN)
}

/// What is read of a verdict.
#[derive(Debug, Deserialize)]
pub struct Judged {
    #[serde(flatten)]
    pub verdict: Verdict,
    pub explanation: Option<Explanation>,
}

#[derive(Debug, Deserialize)]
pub struct Explanation {
    pub request: RequestLine,
}

#[derive(Debug)]
pub struct Asked {
    way: Way,
    path: String,
    /// Questions without any answer, one after the other.
    unanswered: u32,
}

#[derive(Debug)]
enum Way {
    /// Where the user says, who keeps a way open.
    Url {
        web: Box<Web>,
        url: String,
        bearer: Option<String>,
    },
    Forwarded(Box<Forwarded>),
}

impl Asked {
    pub async fn new(
        access: &Access,
        config: &kube::Config,
        client: &kube::Client,
        name: &NamespacedName,
    ) -> anyhow::Result<Self> {
        let way = match &access.verifier_url {
            Some(url) => Way::Url {
                web: Box::new(Web::new(access.ca.as_deref())?),
                url: url.trim_end_matches('/').to_owned(),
                bearer: access.token_file.as_deref().map(forward::token_of).transpose()?,
            },
            None => Way::Forwarded(Box::new(Forwarded::new(access, config, client).await?)),
        };
        Ok(Self { way, path: format!("/v1/policies/{}/{}", name.namespace, name.name), unanswered: 0 })
    }

    /// `since`: as it was so long ago.
    pub async fn policy(&mut self, since: Option<Duration>) -> anyhow::Result<PolicyReport> {
        let query = since.map_or_else(String::new, |since| format!("?since={}", since.as_secs()));
        self.get(&format!("{}{query}", self.path)).await
    }

    /// The newest verdicts, of those that are explained.
    pub async fn verdicts(&mut self) -> anyhow::Result<Vec<Judged>> {
        self.get(&format!("{}/verdicts", self.path)).await
    }

    pub async fn canaries(&mut self, run: &str) -> anyhow::Result<Vec<Told>> {
        self.get(&format!("{}/canaries?run={run}", self.path)).await
    }

    /// How long to wait before the next question. A way that is not there is tried less and less often: each try asks the API server.
    pub fn pause(&self) -> Duration {
        match self.way {
            Way::Url { .. } => ASK,
            Way::Forwarded(_) => pause(self.unanswered),
        }
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        let answer = match &mut self.way {
            Way::Url { web, url, bearer } => web.get(&format!("{url}{path}"), bearer.as_deref()).await,
            Way::Forwarded(forwarded) => forwarded.get(path).await,
        };
        self.unanswered = if answer.is_ok() { 0 } else { self.unanswered + 1 };
        let (head, body) = answer?.into_parts();
        if !head.status.is_success() {
            let told = String::from_utf8_lossy(&body).trim().to_owned();
            return Err(Refused { status: head.status, told }.into());
        }
        serde_json::from_slice(&body).with_context(|| path.to_owned())
    }
}

fn pause(unanswered: u32) -> Duration {
    (ASK * 2u32.pow(unanswered.saturating_sub(1).min(8))).min(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_is_not_there_is_tried_less_and_less_often_but_not_forgotten() {
        let pauses: Vec<_> = (0..7).map(|unanswered| pause(unanswered).as_millis()).collect();
        assert_eq!(pauses, [500, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(pause(u32::MAX), PAUSE);
    }
}
