//! A small client of HTTP, over TLS or not: agents and gates ask the verifier with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of an answer.
const ANSWER: usize = 4 << 20;

#[derive(Clone, Debug)]
pub struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Web {
    /// `ca`: whom to trust, in PEM. Without it there is no TLS at all.
    pub fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = ca {
            let at = || format!("--ca {}", ca.display());
            for certificate in CertificateDer::pem_file_iter(ca).with_context(at)? {
                roots.add(certificate.with_context(at)?).with_context(at)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    pub async fn get(&self, url: &str, bearer: Option<&str>) -> anyhow::Result<(StatusCode, Bytes)> {
        self.ask(Method::GET, url, bearer, Bytes::new()).await
    }

    /// A body of JSON.
    pub async fn post(&self, url: &str, bearer: Option<&str>, body: Vec<u8>) -> anyhow::Result<(StatusCode, Bytes)> {
        self.ask(Method::POST, url, bearer, body.into()).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        bearer: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", bearer.trim()));
        }
        let request = request.body(Full::new(body)).with_context(|| format!("{url}: not an address"))?;
        let answer = async {
            let answer = self.client.request(request).await.with_context(|| url.to_owned())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| anyhow!("{url}: {error}"))?.to_bytes();
            Ok((status, body))
        };
        tokio::time::timeout(PATIENCE, answer).await.with_context(|| format!("{url}: no answer in time"))?
    }
}
