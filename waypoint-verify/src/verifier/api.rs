//! What the verifier answers: agents that want to be admitted, people, pipelines, probes and Prometheus.

mod requests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get, post};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

pub use requests::CanaryRequest;

use super::access::{Right, check};
use super::admit::{self, NotAdmitted};
use super::metrics;
use super::questions::Question;
use super::report::{CoverageReport, Report};
use crate::bus::keys::Signer;
use crate::bus::subject::Names;
use crate::model::NamespacedName;

/// How long an agent's token for the bus lives; it asks for another one when it ends.
pub const TOKEN_LIFE: Duration = Duration::from_secs(600);

/// How long a question may wait.
const ANSWER: Duration = Duration::from_secs(5);

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

/// An answer that is none.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    told: String,
}

impl Refusal {
    pub fn new(status: StatusCode, told: impl Into<String>) -> Self {
        Self { status, told: told.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, format!("{}\n", self.told)).into_response()
    }
}

/// What everything that answers has at hand.
#[derive(Clone)]
pub struct Shared {
    pub client: kube::Client,
    pub signer: Arc<Signer>,
    pub names: Names,
    /// `system:serviceaccount:NAMESPACE:NAME` of the agents.
    pub agents: Arc<str>,
    report: Arc<RwLock<Arc<Report>>>,
    /// To the one that judges.
    questions: mpsc::Sender<Question>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("agents", &self.agents).finish_non_exhaustive()
    }
}

impl Shared {
    /// `agents`: who they are to the API server.
    pub fn new(
        client: kube::Client,
        signer: Arc<Signer>,
        names: Names,
        agents: &str,
        questions: mpsc::Sender<Question>,
    ) -> Self {
        Self { client, signer, names, agents: agents.into(), report: Arc::default(), questions }
    }

    /// Puts a question to the one that judges. No answer in time: what to say instead.
    pub async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(question(answer)).await.ok()?;
            answered.await.ok()
        };
        let answer = tokio::time::timeout(ANSWER, asked).await.ok().flatten();
        answer.ok_or_else(|| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the verifier that judges does not answer"))
    }

    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on everybody is answered from this.
    pub fn publish(&self, report: Report) {
        *self.report.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(report);
    }
}

/// Over TLS: agents, and people who may read policies.
pub fn secure(shared: Shared) -> Router {
    let judged = Router::new()
        .route("/v1/policies", get(policies))
        .route("/v1/policies/{namespace}/{name}", get(policy))
        .route("/v1/coverage", get(coverage))
        .merge(requests::routes())
        .layer(axum::middleware::from_fn_with_state(shared.clone(), only_the_owner));
    Router::new().route("/v1/admission", post(admission)).merge(judged).with_state(shared)
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

/// The header that names the verifier that judges.
pub const OWNER: &str = "waypoint-verify-owner";

/// Whoever stands by knows nothing of verdicts, and says who does.
async fn only_the_owner(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match shared.report().stands_by_for.clone() {
        None => next.run(request).await,
        Some(owner) => {
            let told = format!("this verifier stands by: {owner} judges\n");
            (StatusCode::SERVICE_UNAVAILABLE, [(OWNER, owner)], told).into_response()
        }
    }
}

/// Seconds: the counts as they were so long ago.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    since: Option<u64>,
}

async fn policies(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Policies).await?;
    Ok(Json(&shared.report().policies).into_response())
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
        let earlier = shared.ask(|answer| Question::Earlier { policy: asked, age, answer }).await?;
        return earlier.map(|earlier| Json(earlier).into_response()).ok_or_else(|| {
            let told = format!("what was {age} s ago is not known of WaypointPolicy {name}: see spec.window");
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, told)
        });
    }
    let report = shared.report();
    let found = report.policies.iter().find(|one| (&one.namespace, &one.name) == (&name.namespace, &name.name));
    found.map(|found| Json(found).into_response()).ok_or_else(|| no_policy(&name))
}

fn no_policy(name: &NamespacedName) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no WaypointPolicy {name}"))
}

async fn coverage(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    check(&shared, &headers, None, Right::Policies).await?;
    Ok(Json(CoverageReport::of(&shared.report())).into_response())
}

async fn ready(State(shared): State<Shared>) -> Result<&'static str, Refusal> {
    let report = shared.report();
    if report.not_ready.is_empty() {
        return Ok("ok\n");
    }
    Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, report.not_ready.join("\n")))
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        metrics::text(&shared.report()),
    )
        .into_response()
}
