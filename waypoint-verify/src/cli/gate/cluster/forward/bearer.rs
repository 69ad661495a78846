//! Who the gate is to the verifier: a token of `--token-file`, or the one that the kubeconfig's user shows to the API server.
//!
//! That one opens the API server to whoever gets it. So it is sent to nobody but a verifier that was found by the API server itself and
//! has shown the certificate of its Service (`Web::over`); never to a `--verifier-url`.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use kube::client::ConfigExt as _;
use kube::client::middleware::AuthLayer;
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};

pub enum Bearer {
    Given(String),
    /// What kube does to a request of its own: it reads files and calls programs again when a token ends.
    Kubeconfig(AuthLayer),
}

impl Bearer {
    pub fn new(file: Option<&Path>, config: &kube::Config) -> anyhow::Result<Self> {
        if let Some(file) = file {
            return Ok(Self::Given(token_of(file)?));
        }
        config.auth_layer().context("the kubeconfig's user")?.map(Self::Kubeconfig).ok_or_else(no_token)
    }

    pub async fn value(&self) -> anyhow::Result<String> {
        let layer = match self {
            Self::Given(token) => return Ok(token.clone()),
            Self::Kubeconfig(layer) => layer,
        };
        let header = layer.layer(service_fn(authorization)).oneshot(Request::new(Full::default())).await;
        let header = header.map_err(|error| anyhow!("the token of the kubeconfig's user: {error}"))?.into_body();
        let token = header.as_ref().and_then(|header| header.to_str().ok()?.strip_prefix("Bearer "));
        token.map(str::to_owned).ok_or_else(no_token)
    }
}

/// Answers with the header that the request came with.
async fn authorization(mut request: Request<Full<Bytes>>) -> Result<Response<Option<HeaderValue>>, BoxError> {
    Ok(Response::new(request.headers_mut().remove(header::AUTHORIZATION)))
}

pub fn token_of(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("--token-file {}", file.display()))
}

fn no_token() -> anyhow::Error {
    anyhow!(
        "--token-file is needed: the kubeconfig's user has no token that could be shown to the verifier (a client certificate is none). \
         kubectl create token SERVICEACCOUNT makes one"
    )
}

#[cfg(test)]
mod tests;
