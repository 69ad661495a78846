//! The token for the bus, from the verifier, for the pod-bound ServiceAccount token of this agent's pod.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;

use crate::bus::nats::Credentials;
use crate::verifier::api::{Admission, AdmissionRequest};

const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of an answer: a token is about a thousand.
const ANSWER: usize = 64 << 10;

/// Asks the verifier each time; nothing is kept.
#[derive(Debug)]
pub struct FromVerifier {
    url: String,
    token_file: PathBuf,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl FromVerifier {
    /// `url`: `https://host:port`. `ca`: whom to trust, in PEM.
    pub fn new(url: &str, ca: &PathBuf, token_file: PathBuf) -> anyhow::Result<Self> {
        ensure!(url.starts_with("https://"), "--verifier-url {url}: an https:// address is needed");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).with_context(|| format!("--ca {}", ca.display()))? {
            let certificate = certificate.with_context(|| format!("--ca {}", ca.display()))?;
            roots.add(certificate).with_context(|| format!("--ca {}", ca.display()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url: format!("{}/v1/admission", url.trim_end_matches('/')), token_file, client })
    }

    async fn ask(&self, user: &str) -> anyhow::Result<String> {
        // Read each time: the kubelet replaces it before it ends.
        let bearer = std::fs::read_to_string(&self.token_file)
            .with_context(|| format!("--token-file {}", self.token_file.display()))?;
        let body = serde_json::to_vec(&AdmissionRequest { user: user.to_owned() }).context("writing the request")?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::AUTHORIZATION, format!("Bearer {}", bearer.trim()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .context("making the request")?;
        let answer = self.client.request(request).await.with_context(|| self.url.clone())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{}: {error}", self.url))?.to_bytes();
        ensure!(status.is_success(), "{}: {status}: {}", self.url, String::from_utf8_lossy(&body).trim());
        let admission: Admission = serde_json::from_slice(&body).with_context(|| self.url.clone())?;
        Ok(admission.token)
    }
}

impl Credentials for FromVerifier {
    fn token(self: Arc<Self>, user: String) -> JoinHandle<anyhow::Result<String>> {
        tokio::spawn(async move {
            tokio::time::timeout(PATIENCE, self.ask(&user)).await.context("the verifier does not answer")?
        })
    }
}
