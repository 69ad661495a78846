//! Who may read verdicts: whoever may read WaypointPolicies, as the API server says.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};

use super::admit;
use super::api::{Shared, bearer};
use crate::policy::GROUP;

pub async fn may_read(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else {
        return (StatusCode::UNAUTHORIZED, "a bearer token is expected\n").into_response();
    };
    match allowed(&shared, token).await {
        Ok(true) => next.run(request).await,
        Ok(false) => (StatusCode::FORBIDDEN, "this token may not list WaypointPolicies\n").into_response(),
        Err(error) => {
            tracing::warn!("who may read cannot be asked: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "the API server cannot be asked who this is\n").into_response()
        }
    }
}

async fn allowed(shared: &Shared, token: &str) -> kube::Result<bool> {
    let status = admit::review(&shared.client, token, None).await?;
    let (Some(true), Some(user)) = (status.authenticated, status.user) else { return Ok(false) };
    let attributes = ResourceAttributes {
        group: Some(GROUP.to_owned()),
        resource: Some("waypointpolicies".to_owned()),
        verb: Some("list".to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(shared.client.clone());
    Ok(reviews.create(&PostParams::default(), &review).await?.status.is_some_and(|status| status.allowed))
}
