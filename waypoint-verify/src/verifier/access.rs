//! Who may ask what: whoever may do the like with WaypointPolicies, as the API server says.

use axum::http::{HeaderMap, StatusCode};
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};

use super::admit;
use super::api::{Refusal, bearer};
use super::shared::Shared;
use crate::model::NamespacedName;
use crate::policy::GROUP;

/// What somebody wants to do, as a right at the API server.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// `list waypointpolicies`: what the status of all of them says.
    Policies,
    /// `get waypointpolicies/verdicts`: single requests, with their paths and senders.
    Verdicts(&'a NamespacedName),
    /// `get waypointpolicies/declared`: the ways to the targets, and the objects of all namespaces that open them.
    Declared(&'a NamespacedName),
    /// `create waypointpolicies/canaries`: requests that go past the waypoint and are not counted as such.
    Canaries(&'a NamespacedName),
}

impl Right<'_> {
    fn attributes(self) -> ResourceAttributes {
        let (verb, subresource, policy) = match self {
            Self::Policies => ("list", None, None),
            Self::Verdicts(policy) => ("get", Some("verdicts"), Some(policy)),
            Self::Declared(policy) => ("get", Some("declared"), Some(policy)),
            Self::Canaries(policy) => ("create", Some("canaries"), Some(policy)),
        };
        ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some("waypointpolicies".to_owned()),
            subresource: subresource.map(str::to_owned),
            verb: Some(verb.to_owned()),
            namespace: policy.map(|policy| policy.namespace.clone()),
            name: policy.map(|policy| policy.name.clone()),
            ..ResourceAttributes::default()
        }
    }
}

/// Whose token this is, if he has the right; otherwise what to answer. `audience`: whom the token has to be made for; none: the API
/// server itself.
pub async fn check(
    shared: &Shared,
    headers: &HeaderMap,
    audience: Option<&str>,
    right: Right<'_>,
) -> Result<UserInfo, Refusal> {
    let Some(token) = bearer(headers) else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "a bearer token is expected"));
    };
    match allowed(shared, token, audience, right).await {
        Ok(Some(user)) => Ok(user),
        Ok(None) => {
            let ResourceAttributes { verb, subresource, namespace, .. } = right.attributes();
            let what = format!("waypointpolicies{}", subresource.map_or_else(String::new, |sub| format!("/{sub}")));
            let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
            let told = format!("this token may not {} {what}{place}", verb.unwrap_or_default());
            Err(Refusal::new(StatusCode::FORBIDDEN, told))
        }
        Err(error) => {
            tracing::warn!("who may ask cannot be asked: {error}");
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the API server cannot be asked who this is"))
        }
    }
}

async fn allowed(
    shared: &Shared,
    token: &str,
    audience: Option<&str>,
    right: Right<'_>,
) -> kube::Result<Option<UserInfo>> {
    let Ok(user) = admit::user(&shared.client, token, audience).await? else { return Ok(None) };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.username.clone(),
            uid: user.uid.clone(),
            groups: user.groups.clone(),
            extra: user.extra.clone(),
            resource_attributes: Some(right.attributes()),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(shared.client.clone());
    let allowed = reviews.create(&PostParams::default(), &review).await?.status.is_some_and(|status| status.allowed);
    Ok(allowed.then_some(user))
}
