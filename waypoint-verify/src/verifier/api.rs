//! What the verifier answers: agents that want to be admitted, people, pipelines, probes and Prometheus.

mod refusal;
mod requests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get, post};
use serde::{Deserialize, Serialize};

pub use refusal::{OWNER, Refusal};
pub use requests::CanaryRequest;

use super::access::{Right, check};
use super::admit::{self, NotAdmitted};
use super::metrics;
use super::questions::Question;
use super::report::{CoverageReport, Report};
use super::shared::Shared;
use crate::model::NamespacedName;

/// How long an agent's token for the bus lives; it asks for another one when it ends.
pub const TOKEN_LIFE: Duration = Duration::from_secs(600);

/// An agent's request for a token for the bus; its own ServiceAccount token is in the header.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmissionRequest {
    /// Public key of the user that the agent made for itself.
    pub user: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admission {
    pub node: String,
    pub token: String,
}

/// Over TLS: agents, and people who may read policies.
pub fn secure(shared: Shared) -> Router {
    Router::new()
        .route("/v1/admission", post(admission))
        .route("/v1/policies", get(policies))
        .route("/v1/policies/{namespace}/{name}", get(policy))
        .route("/v1/coverage", get(coverage))
        .merge(requests::routes())
        .with_state(shared)
}

/// Without TLS: health and metrics, which tell nothing of requests.
pub fn open(shared: Shared) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(shared)
}

/// The ServiceAccount token or the like of whoever asks.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn admission(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(request): Json<AdmissionRequest>,
) -> Result<Json<Admission>, Refusal> {
    let token = bearer(&headers)
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "a ServiceAccount token is expected as bearer"))?;
    let node = admit::node(&shared.client, token, &shared.agents).await.map_err(|error| {
        tracing::warn!("an agent is not admitted: {error}");
        let status = match error {
            NotAdmitted::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            NotAdmitted::Unknown(_) => StatusCode::UNAUTHORIZED,
            NotAdmitted::OtherUser { .. } | NotAdmitted::NotBound => StatusCode::FORBIDDEN,
        };
        Refusal::new(status, error.to_string())
    })?;
    let token = shared.signer.agent(&request.user, &shared.names, &node, SystemTime::now(), TOKEN_LIFE);
    let token = token.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(Json(Admission { node, token }))
}

/// Seconds: the counts as they were so long ago.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    since: Option<u64>,
}

/// Of those that this verifier judges; the header names who judges the others.
async fn policies(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Policies).await?;
    let owners = Report::owners(shared.reports().iter().map(Arc::as_ref));
    let mut response = Json(&shared.of_all()?.policies).into_response();
    if let Ok(owners) = HeaderValue::try_from(owners)
        && !owners.is_empty()
    {
        response.headers_mut().insert(OWNER, owners);
    }
    Ok(response)
}

async fn policy(
    State(shared): State<Shared>,
    Path(name): Path<NamespacedName>,
    Query(Since { since }): Query<Since>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Policies).await?;
    if let Some(age) = since {
        let asked = name.clone();
        let earlier = shared.ask(&name, |answer| Question::Earlier { policy: asked, age, answer }).await?;
        return earlier.map(|earlier| Json(earlier).into_response()).ok_or_else(|| {
            let told = format!("what was {age} s ago is not known of WaypointPolicy {name}: see spec.window");
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, told)
        });
    }
    let report = shared.judged(&name)?.report();
    let found = report.policies.iter().find(|one| (&one.namespace, &one.name) == (&name.namespace, &name.name));
    found
        .map(|found| Json(found).into_response())
        .ok_or_else(|| Refusal::unavailable(format!("WaypointPolicy {name} is not judged yet")))
}

async fn coverage(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Policies).await?;
    Ok(Json(CoverageReport::of(&*shared.of_all()?)).into_response())
}

async fn ready(State(shared): State<Shared>) -> Result<&'static str, Refusal> {
    let report = shared.report();
    if report.not_ready.is_empty() {
        return Ok("ok\n");
    }
    Err(Refusal::unavailable(report.not_ready.join("\n")))
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    let judged: Vec<_> = shared.reports().iter().map(|report| report.is_judged()).collect();
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        metrics::text(&shared.report(), &judged, &shared.declared()),
    )
        .into_response()
}
