//! Files that tell kubectl and its like where the server is, and who they are.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(super) fn by_token(url: &str, ca: &Path, token: &str) -> Value {
    of(url, ca, &json!({ "token": token }))
}

/// The admin, who asks for something in somebody else's name.
pub(super) fn impersonating(url: &str, ca: &Path, admin: &str, user: &str, groups: &[&str]) -> Value {
    of(url, ca, &json!({ "token": admin, "as": user, "as-groups": groups }))
}

fn of(url: &str, ca: &Path, user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "tests", "cluster": { "server": url, "certificate-authority": ca } }],
        "users": [{ "name": "tests", "user": user }],
        "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "tests" } }],
        "current-context": "tests",
    })
}

pub(super) fn write(path: &Path, kubeconfig: &Value) -> Result<()> {
    fs::write(path, serde_norway::to_string(kubeconfig)?).with_context(|| path.display().to_string())
}
