//! Which node an agent may testify for: the one that its pod runs on, as the API server says of its token.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::Client;
use kube::api::{Api, PostParams};

/// What the projected token has to be made for, so that a token for another service is worth nothing here.
pub const AUDIENCE: &str = "waypoint-verify";

const NODE: &str = "authentication.kubernetes.io/node-name";
const POD: &str = "authentication.kubernetes.io/pod-uid";

#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    #[error("the API server does not know this token: {0}")]
    Unknown(String),
    #[error("this token is of {user}, agents are {agents}")]
    OtherUser { user: String, agents: String },
    #[error("this token is bound to no pod on a node: it has to be a projected ServiceAccount token")]
    NotBound,
    #[error("the API server cannot be asked: {0}")]
    Unavailable(String),
}

/// The node of whoever presents this token, if it is an agent (`system:serviceaccount:NAMESPACE:NAME`).
pub async fn node(client: &Client, token: &str, agents: &str) -> Result<String, NotAdmitted> {
    let user = user(client, token, Some(AUDIENCE)).await;
    let user = user.map_err(|error| NotAdmitted::Unavailable(error.to_string()))?;
    node_of(&user.map_err(NotAdmitted::Unknown)?, agents)
}

/// Whose token this is, or why the API server does not say. `audience`: whom the token has to be made for; none: the API server itself.
pub async fn user(client: &Client, token: &str, audience: Option<&str>) -> kube::Result<Result<UserInfo, String>> {
    let audiences = audience.map(|one| vec![one.to_owned()]);
    let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences };
    let review = TokenReview { spec, ..TokenReview::default() };
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let status = reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
    let for_us = |one: &str| status.audiences.iter().flatten().any(|known| known == one);
    let is_known = status.authenticated == Some(true) && audience.is_none_or(for_us);
    let user = status.user.filter(|_| is_known);
    Ok(user.ok_or_else(|| status.error.unwrap_or_else(|| "not authenticated".to_owned())))
}

fn node_of(user: &UserInfo, agents: &str) -> Result<String, NotAdmitted> {
    let name = user.username.as_deref().unwrap_or_default();
    if name != agents {
        return Err(NotAdmitted::OtherUser { user: name.to_owned(), agents: agents.to_owned() });
    }
    // Without the pod it is a token that anybody may have asked for who may ask for tokens.
    pod_uid(user).and(extra(user, NODE)).ok_or(NotAdmitted::NotBound)
}

/// UID of the pod that a projected token is bound to.
pub fn pod_uid(user: &UserInfo) -> Option<String> {
    extra(user, POD)
}

fn extra(user: &UserInfo, key: &str) -> Option<String> {
    match user.extra.as_ref()?.get(key).map(Vec::as_slice) {
        Some([only]) if !only.is_empty() => Some(only.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const AGENTS: &str = "system:serviceaccount:waypoint-verify:waypoint-verify-agent";

    fn user(name: &str, extra: &[(&str, &[&str])]) -> UserInfo {
        let extra: BTreeMap<String, Vec<String>> = extra
            .iter()
            .map(|(key, values)| ((*key).to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
            .collect();
        UserInfo { username: Some(name.to_owned()), extra: Some(extra), ..UserInfo::default() }
    }

    #[test]
    fn only_an_agents_token_that_is_bound_to_one_pod_on_one_node_admits() {
        let bound: &[(&str, &[&str])] = &[(NODE, &["node-1"]), (POD, &["uid"])];
        assert_eq!(node_of(&user(AGENTS, bound), AGENTS).unwrap(), "node-1");
        let rows: [(&str, UserInfo); 6] = [
            ("another account", user("system:serviceaccount:other:waypoint-verify-agent", bound)),
            ("a person", user("admin", bound)),
            ("no pod", user(AGENTS, &[(NODE, &["node-1"])])),
            ("no node", user(AGENTS, &[(POD, &["uid"])])),
            ("two nodes", user(AGENTS, &[(NODE, &["node-1", "node-2"]), (POD, &["uid"])])),
            ("nothing", UserInfo::default()),
        ];
        for (what, user) in rows {
            assert!(node_of(&user, AGENTS).is_err(), "{what}");
        }
    }
}
