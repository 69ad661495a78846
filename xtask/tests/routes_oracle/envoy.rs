//! One real Envoy that serves many configurations at once, each listener on a port of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use xtask::lab::envoy::admin;
use xtask::lab::patience;
use xtask::lab::process::Process;
use xtask::setup;

#[derive(Debug)]
pub struct Proxy {
    _process: Process,
    /// By the name of the listener.
    ports: BTreeMap<String, u16>,
    /// What Envoy says of those that it has refused.
    complaints: BTreeMap<String, String>,
}

impl Proxy {
    /// Starts it and waits until it has taken, or refused, everything.
    pub fn start(dir: &Path, listeners: &[Value], clusters: &[Value]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let resources = |kind: &str, values: &[Value]| -> Result<PathBuf> {
            let path = dir.join(format!("{kind}.json"));
            fs::write(&path, serde_json::to_vec(&json!({"versionInfo": "1", "resources": values}))?)?;
            Ok(path)
        };
        let source = |path: PathBuf| json!({"pathConfigSource": {"path": path}, "resourceApiVersion": "V3"});
        let admin_socket = dir.join("admin.sock");
        let bootstrap = json!({
            "node": {"id": "oracle", "cluster": "oracle"},
            "admin": {"address": {"pipe": {"path": admin_socket}}},
            "dynamicResources": {
                "ldsConfig": source(resources("lds", listeners)?),
                "cdsConfig": source(resources("cds", clusters)?),
            },
            // Thousands of listeners and clusters have more statistics than memory.
            "statsConfig": {"statsMatcher": {"rejectAll": true}},
        });
        let path = dir.join("bootstrap.json");
        fs::write(&path, serde_json::to_vec(&bootstrap)?)?;
        let mut command = Command::new(setup::envoy_binary()?);
        command.arg("-c").arg(path).args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "critical"]);
        let mut process = Process::start("envoy", command, dir)?;
        // By its own patience: that of a lab is for one with few listeners.
        process.ready("readiness", || Ok((admin::get(&admin_socket, "/ready")?.trim() == "LIVE").then_some(())))?;
        let ports = patience::wait("Envoy's listeners", || Ok(Some(listening(&admin_socket)?)))?;
        let complaints = complaints(&admin_socket)?;
        Ok(Self { _process: process, ports, complaints })
    }

    /// The port of a listener, or why it has none.
    pub fn port(&self, listener: &str) -> Result<u16, String> {
        let missing = || self.complaints.get(listener).cloned().unwrap_or_else(|| "it is not there".to_owned());
        self.ports.get(listener).copied().ok_or_else(missing)
    }
}

fn listening(socket: &Path) -> Result<BTreeMap<String, u16>> {
    let told: Value = serde_json::from_str(&admin::get(socket, "/listeners?format=json")?)?;
    let mut ports = BTreeMap::new();
    for status in told["listener_statuses"].as_array().into_iter().flatten() {
        let port = status.pointer("/local_address/socket_address/port_value").and_then(Value::as_u64);
        let port = port.context("a listener without a port")?;
        ports.insert(status["name"].as_str().unwrap_or_default().to_owned(), u16::try_from(port)?);
    }
    Ok(ports)
}

fn complaints(socket: &Path) -> Result<BTreeMap<String, String>> {
    let told: Value = serde_json::from_str(&admin::get(socket, "/config_dump?resource=dynamic_listeners")?)?;
    let mut complaints = BTreeMap::new();
    for listener in told["configs"].as_array().into_iter().flatten() {
        if let Some(details) = listener.pointer("/error_state/details").and_then(Value::as_str) {
            complaints.insert(listener["name"].as_str().unwrap_or_default().to_owned(), details.to_owned());
        }
    }
    Ok(complaints)
}
