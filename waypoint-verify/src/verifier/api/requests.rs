//! Single requests: verdicts with what explains them, canaries; and the ways that requests could take. Answered by the one that judges.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get, post};
use serde::{Deserialize, Serialize};

use super::super::access::{Right, check};
use super::super::admit::{self, AUDIENCE};
use super::super::canary::{Asked, Refused, Sent};
use super::super::questions::Question;
use super::super::recent::Wanted;
use super::super::shared::Shared;
use super::Refusal;
use crate::model::NamespacedName;

/// A pod's request for canaries to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanaryRequest {
    /// Tells what comes of them from what comes of others.
    pub run: String,
    pub self_attack: bool,
}

/// Characters of a run.
const RUN: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRun {
    run: String,
}

#[derive(Debug, Deserialize)]
struct OneCanary {
    namespace: String,
    name: String,
    id: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/policies/{namespace}/{name}/verdicts", get(verdicts))
        .route("/v1/policies/{namespace}/{name}/declared", get(declared))
        .route("/v1/policies/{namespace}/{name}/canaries", get(canaries).post(issue))
        .route("/v1/policies/{namespace}/{name}/canaries/{id}", post(sent))
}

async fn verdicts(
    State(shared): State<Shared>,
    Path(policy): Path<NamespacedName>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Verdicts(&policy)).await?;
    let asked = policy.clone();
    let told = shared.ask(&policy, |answer| Question::Verdicts { policy: asked, wanted, answer }).await?;
    told.map(|told| Json(told).into_response()).ok_or_else(|| Refusal::no_policy(&policy))
}

async fn declared(
    State(shared): State<Shared>,
    Path(policy): Path<NamespacedName>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Declared(&policy)).await?;
    let asked = policy.clone();
    let told = shared.ask(&policy, |answer| Question::Declared { policy: asked, answer }).await?;
    told.map(|told| Json(told).into_response()).ok_or_else(|| {
        Refusal::unavailable(format!("what objects declare for WaypointPolicy {policy} was not read yet"))
    })
}

/// Whoever may list policies may know how their canaries fared.
async fn canaries(
    State(shared): State<Shared>,
    Path(policy): Path<NamespacedName>,
    Query(OfRun { run }): Query<OfRun>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Policies).await?;
    let asked = policy.clone();
    Ok(Json(shared.ask(&policy, |answer| Question::Canaries { policy: asked, run, answer }).await?).into_response())
}

async fn issue(
    State(shared): State<Shared>,
    Path(policy): Path<NamespacedName>,
    headers: HeaderMap,
    Json(CanaryRequest { run, self_attack }): Json<CanaryRequest>,
) -> Result<Response, Refusal> {
    let pod = sender(&shared, &headers, &policy).await?;
    if run.len() > RUN {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, format!("run: at most {RUN} octets")));
    }
    let asked = Asked { policy: policy.clone(), pod, run, self_attack };
    let issued = shared.ask(&policy, |answer| Question::Issue { asked, answer }).await?;
    issued.map(|orders| Json(orders).into_response()).map_err(|refused| {
        let status = match refused {
            Refused::NoPolicy(_) => StatusCode::NOT_FOUND,
            Refused::NotWanted(_) | Refused::NoEntry => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::NotYet(_) => StatusCode::CONFLICT,
            Refused::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        Refusal::new(status, refused.to_string())
    })
}

async fn sent(
    State(shared): State<Shared>,
    Path(OneCanary { namespace, name, id }): Path<OneCanary>,
    headers: HeaderMap,
    Json(sent): Json<Sent>,
) -> Result<StatusCode, Refusal> {
    let policy = NamespacedName { namespace, name };
    let pod = sender(&shared, &headers, &policy).await?;
    match shared.ask(&policy, |answer| Question::Sent { pod, id, sent, answer }).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::new(StatusCode::NOT_FOUND, "this pod has no such canary")),
    }
}

/// UID of the pod that asks: its token is made for this verifier, and bound to it.
async fn sender(shared: &Shared, headers: &HeaderMap, policy: &NamespacedName) -> Result<String, Refusal> {
    let user = check(shared, headers, Some(AUDIENCE), Right::Canaries(policy)).await?;
    admit::pod_uid(&user).ok_or_else(|| {
        let told = "this token is bound to no pod: it has to be a projected ServiceAccount token";
        Refusal::new(StatusCode::FORBIDDEN, told)
    })
}
