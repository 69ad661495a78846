//! Acting as somebody else than the admin: tokens of ServiceAccounts, and impersonation.

use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::PostParams;

use super::server::ADMIN_TOKEN;
use super::{ApiServer, kubeconfig};

/// What a token is good for.
#[derive(Debug, Clone, Default)]
pub struct Bound<'a> {
    /// Empty: the API server itself.
    pub audience: &'a str,
    /// The name of a pod, as a projected volume binds it: its node's name and its UID are in the token.
    pub pod: Option<&'a str>,
    /// The server grants no less than 10 minutes. None: an hour.
    pub seconds: Option<i64>,
}

impl ApiServer {
    /// A token of a ServiceAccount, by a TokenRequest as the kubelet makes it.
    pub fn token(&self, namespace: &str, account: &str, bound: &Bound) -> Result<String> {
        let pod = bound.pod.map(|pod| self.client().get::<Pod>(namespace, pod)).transpose()?;
        let bound_object_ref = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: pod.metadata.name,
            uid: pod.metadata.uid,
        });
        let audiences = [bound.audience].iter().filter(|name| !name.is_empty()).map(ToString::to_string).collect();
        let spec = TokenRequestSpec { audiences, bound_object_ref, expiration_seconds: bound.seconds };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let accounts = self.client().api::<ServiceAccount>(namespace);
        let answer = self.client().run(accounts.create_token_request(account, &PostParams::default(), &request));
        let answer = answer.with_context(|| format!("a token of ServiceAccount {namespace}/{account}"))?;
        Ok(answer.status.context("a TokenRequest came back without its token")?.token)
    }

    /// A file with which a program is this ServiceAccount.
    pub fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.token(namespace, account, &Bound::default())?;
        let path = self.dir().join(format!("{namespace}-{account}.kubeconfig"));
        kubeconfig::write(&path, &kubeconfig::by_token(&self.url(), &self.ca(), &token))?;
        Ok(path)
    }

    /// A file with which a program is this user in these groups. The name of the file is the caller's choice.
    pub fn kubeconfig_as(&self, file: &str, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let path = self.dir().join(format!("{file}.kubeconfig"));
        kubeconfig::write(&path, &kubeconfig::impersonating(&self.url(), &self.ca(), ADMIN_TOKEN, user, groups))?;
        Ok(path)
    }
}
