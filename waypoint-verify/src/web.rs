//! A small client of HTTP, over TLS or not: agents and gates ask the verifier with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of an answer.
const ANSWER: usize = 4 << 20;

/// `C`: what makes its connections.
#[derive(Clone, Debug)]
pub struct Web<C = HttpConnector> {
    client: Client<HttpsConnector<C>, Full<Bytes>>,
}

impl Web {
    /// `ca`: whom to trust, in PEM. Without it there is no TLS at all.
    pub fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        let roots = ca.map(authorities_of).transpose()?.unwrap_or_else(RootCertStore::empty);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls(roots)?).https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }
}

/// Whom to trust, of a file in PEM.
pub fn authorities_of(ca: &Path) -> anyhow::Result<RootCertStore> {
    let at = || format!("--ca {}", ca.display());
    authorities(CertificateDer::pem_file_iter(ca).with_context(at)?).with_context(at)
}

/// Whom to trust, of certificates as they are read out of PEM. None at all is an error: nobody could be trusted.
pub fn authorities(
    certificates: impl IntoIterator<Item = Result<CertificateDer<'static>, pem::Error>>,
) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate?)?;
    }
    ensure!(!roots.is_empty(), "no certificate in it");
    Ok(roots)
}

fn tls(roots: RootCertStore) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.context("TLS versions")?.with_root_certificates(roots).with_no_client_auth())
}

impl<C> Web<C>
where
    HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    /// Over connections that are made so, wherever they lead: whoever is there has to have a certificate for the host of the URL. Never
    /// without TLS.
    pub fn over(connector: C, roots: RootCertStore) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(roots)?)
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// With the headers of the answer.
    pub async fn get(&self, url: &str, bearer: Option<&str>) -> anyhow::Result<Response<Bytes>> {
        self.ask(Method::GET, url, bearer, Bytes::new()).await
    }

    /// A body of JSON.
    pub async fn post(&self, url: &str, bearer: Option<&str>, body: Vec<u8>) -> anyhow::Result<(StatusCode, Bytes)> {
        let answer = self.ask(Method::POST, url, bearer, body.into()).await?;
        Ok((answer.status(), answer.into_body()))
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        bearer: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<Response<Bytes>> {
        let mut request = Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", bearer.trim()));
        }
        let request = request.body(Full::new(body)).with_context(|| format!("{url}: not an address"))?;
        let answer = async {
            let answer = self.client.request(request).await.with_context(|| url.to_owned())?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER).collect().await;
            let body = body.map_err(|error| anyhow!("{url}: {error}"))?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(PATIENCE, answer).await.with_context(|| format!("{url}: no answer in time"))?
    }
}
