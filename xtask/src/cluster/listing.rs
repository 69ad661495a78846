//! Everything that the API server has, as `kubectl get -A -o yaml` prints it: what `--inventory` reads.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::ApiServer;

/// A v1 List of every object of every kind that can be listed, Secrets and Events left out: nobody should put these into a file.
pub fn everything(server: &ApiServer) -> Result<Value> {
    let kinds = kubectl(server, &["api-resources", "--verbs=list", "--output=name"])?;
    let wanted = |kind: &&str| !kind.is_empty() && *kind != "secrets" && !kind.starts_with("events");
    let kinds: Vec<&str> = kinds.lines().filter(wanted).collect();
    let text = kubectl(server, &["get", &kinds.join(","), "--all-namespaces", "--output=json"])?;
    Ok(serde_json::from_str(&text)?)
}

fn kubectl(server: &ApiServer, arguments: &[&str]) -> Result<String> {
    let output = server.kubectl()?.args(arguments).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {}: {}", arguments[0], told.trim());
    Ok(String::from_utf8(output.stdout)?)
}
