//! The two listeners: over TLS for agents and people, without it for probes and Prometheus.

use std::sync::Arc;

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Options;
use super::api;
use super::shared::Shared;

/// Binds both; what comes back serves until one of them fails.
pub async fn serve(options: &Options, shared: &Shared) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let tls = RustlsConfig::from_config(Arc::new(tls(options)?));
    let bound = |address: std::net::SocketAddr, what: &'static str| {
        let listener = std::net::TcpListener::bind(address).with_context(|| format!("{what} {address}"))?;
        listener.set_nonblocking(true).with_context(|| format!("{what} {address}"))?;
        anyhow::Ok(listener)
    };
    let secure = bound(options.listen, "--listen")?;
    let open = bound(options.metrics_listen, "--metrics-listen")?;
    let secure = axum_server::from_tcp_rustls(secure, tls)
        .context("--listen")?
        .serve(api::secure(shared.clone()).into_make_service());
    let open =
        axum_server::from_tcp(open).context("--metrics-listen")?.serve(api::open(shared.clone()).into_make_service());
    Ok(async move {
        tokio::select! {
            ended = secure => ended.context("serving over TLS"),
            ended = open => ended.context("serving health and metrics"),
        }
    })
}

fn tls(options: &Options) -> anyhow::Result<ServerConfig> {
    let at = || format!("--tls-cert {}", options.certificate.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&options.certificate)
        .with_context(at)?
        .collect::<Result<_, _>>()
        .with_context(at)?;
    let at = || format!("--tls-key {}", options.key.display());
    let key = PrivateKeyDer::from_pem_file(&options.key).with_context(at)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("certificate and key do not belong together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
