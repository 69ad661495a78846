//! Whom to trust at the verifier: `--ca`, or the ConfigMap that the pods of manifests/install mount.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use http::uri::Scheme;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::ROLE;
use crate::web::{authorities, authorities_of};

const CONFIG_MAP: &str = "waypoint-verify-ca";
const KEY: &str = "ca.crt";

pub async fn roots(
    ca: Option<&Path>,
    config: &kube::Config,
    client: &kube::Client,
    namespace: &str,
) -> anyhow::Result<RootCertStore> {
    if let Some(ca) = ca {
        return authorities_of(ca);
    }
    // Whoever stands between would name an authority of his own, and get the token.
    ensure!(
        config.cluster_url.scheme() == Some(&Scheme::HTTPS) && !config.accept_invalid_certs,
        "--ca is needed: the kubeconfig's connection to the API server is not verified, so whom to trust at the verifier cannot be read there"
    );
    let shown = format!("ConfigMap {namespace}/{CONFIG_MAP}");
    let read = Api::<ConfigMap>::namespaced(client.clone(), namespace).get(CONFIG_MAP).await;
    let map = match read {
        Ok(map) => map,
        Err(kube::Error::Api(status)) if status.code == 404 => bail!(
            "there is no {shown}, which says whom to trust at the verifier: is waypoint-verify installed in namespace {namespace} \
             (--verifier-namespace)? Otherwise --ca FILE"
        ),
        Err(kube::Error::Api(status)) if status.code == 403 => bail!(
            "{}: bind the Role {ROLE} in namespace {namespace} to who you are there (docs/operations.md, \"The gate in a pipeline\"), or \
             --ca FILE",
            status.message
        ),
        Err(error) => {
            return Err(error).context(format!("{shown}, which says whom to trust at the verifier (or --ca FILE)"));
        }
    };
    let pem = map.data.as_ref().and_then(|data| data.get(KEY));
    let pem = pem.with_context(|| {
        format!("{shown} has no {KEY}: make it as docs/operations.md says, \"Certificates\", or --ca FILE")
    })?;
    authorities(CertificateDer::pem_slice_iter(pem.as_bytes())).with_context(|| format!("{KEY} of {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_that_is_not_verified_cannot_say_whom_to_trust() {
        let told = |url: &str, accept_invalid_certs| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut config = kube::Config::new(url.parse().unwrap());
                config.accept_invalid_certs = accept_invalid_certs;
                let client = kube::Client::try_from(config.clone()).unwrap();
                format!("{:#}", roots(None, &config, &client, "wv").await.unwrap_err())
            })
        };
        // Nobody is there: one that was asked would not have answered.
        for (url, accept_invalid_certs) in [("http://127.0.0.1:1", false), ("https://127.0.0.1:1", true)] {
            assert!(told(url, accept_invalid_certs).starts_with("--ca is needed"), "{url}");
        }
        let told = told("https://127.0.0.1:1", false);
        assert!(told.starts_with("ConfigMap wv/waypoint-verify-ca") && told.contains("--ca FILE"), "{told}");
    }
}
