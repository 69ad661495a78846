//! Answers that are none.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::model::NamespacedName;

/// The header that names the verifier that judges, where this one does not.
pub const OWNER: &str = "waypoint-verify-owner";

/// An answer that is none.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    told: String,
    owner: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, told: impl Into<String>) -> Self {
        Self { status, told: told.into(), owner: None }
    }

    pub fn no_policy(name: &NamespacedName) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no WaypointPolicy {name}"))
    }

    pub fn unavailable(told: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, told)
    }

    /// Whoever stands by knows nothing of verdicts, and says who does.
    pub fn stands_by(owner: &str) -> Self {
        let told = match owner {
            "" => "this verifier stands by, and nobody judges now".to_owned(),
            owner => format!("this verifier stands by: {owner} judges"),
        };
        Self { owner: Some(owner.to_owned()), ..Self::unavailable(told) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.told)).into_response();
        if let Some(owner) = self.owner.and_then(|owner| HeaderValue::try_from(owner).ok()) {
            response.headers_mut().insert(OWNER, owner);
        }
        response
    }
}
