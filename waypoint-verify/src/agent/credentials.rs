//! The token for the bus, from the verifier, for the pod-bound ServiceAccount token of this agent's pod.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use tokio::task::JoinHandle;

use crate::bus::nats::Credentials;
use crate::verifier::api::{Admission, AdmissionRequest};
use crate::web::Web;

/// Asks the verifier each time; nothing is kept.
#[derive(Debug)]
pub struct FromVerifier {
    url: String,
    token_file: PathBuf,
    web: Web,
}

impl FromVerifier {
    /// `url`: `https://host:port`. `ca`: whom to trust, in PEM.
    pub fn new(url: &str, ca: &Path, token_file: PathBuf) -> anyhow::Result<Self> {
        ensure!(url.starts_with("https://"), "--verifier-url {url}: an https:// address is needed");
        Ok(Self { url: format!("{}/v1/admission", url.trim_end_matches('/')), token_file, web: Web::new(Some(ca))? })
    }

    async fn ask(&self, user: String) -> anyhow::Result<String> {
        // Read each time: the kubelet replaces it before it ends.
        let bearer = std::fs::read_to_string(&self.token_file)
            .with_context(|| format!("--token-file {}", self.token_file.display()))?;
        let body = serde_json::to_vec(&AdmissionRequest { user }).context("writing the request")?;
        let (status, body) = self.web.post(&self.url, Some(&bearer), body).await?;
        ensure!(status.is_success(), "{}: {status}: {}", self.url, String::from_utf8_lossy(&body).trim());
        let admission: Admission = serde_json::from_slice(&body).with_context(|| self.url.clone())?;
        Ok(admission.token)
    }
}

impl Credentials for FromVerifier {
    fn token(self: Arc<Self>, user: String) -> JoinHandle<anyhow::Result<String>> {
        tokio::spawn(async move { self.ask(user).await })
    }
}
