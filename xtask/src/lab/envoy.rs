//! The gateway proxy of a node: a real Envoy that is configured by files, and asked whether it has taken them.

pub mod adapter;
pub mod admin;
pub mod config;
mod files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::files::Files;
use super::place::Place;
use super::plan::Node;
use super::process::Process;

/// What an Envoy is to serve.
#[derive(Debug, Clone)]
pub struct Config {
    pub listeners: Vec<Value>,
    pub clusters: Vec<Value>,
    /// RouteConfigurations, by name.
    pub routes: BTreeMap<String, Value>,
}

#[derive(Debug)]
pub struct Envoy {
    process: Process,
    dir: PathBuf,
    files: Files,
    /// Updates that it has refused so far, each reported once.
    refused: u64,
}

impl Envoy {
    /// Starts it with a first configuration; `ready` waits for it.
    pub fn start(place: &Place, binary: &Path, node: &Node, dir: &Path, logs: &Path, config: &Config) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let files = Files::new(dir, config)?;
        let bootstrap = dir.join("bootstrap.json");
        fs::write(&bootstrap, serde_json::to_vec_pretty(&config::bootstrap(&node.name, dir))?)?;
        let mut command = place.command(binary)?;
        command.arg("-c").arg(&bootstrap);
        // One worker: an update that one event loop has taken, the whole proxy has taken.
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        let process = Process::start(&format!("envoy-{}", node.name), command, logs)?;
        Ok(Self { process, dir: dir.to_owned(), files, refused: 0 })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn stop(self) -> Result<()> {
        self.process.stop()
    }

    /// Waits until it serves what was written last.
    pub fn ready(&mut self) -> Result<()> {
        let admin = self.dir.join("admin.sock");
        self.process.ready("readiness", || Ok((admin::get(&admin, "/ready")?.trim() == "LIVE").then_some(())))?;
        self.wait(self.files.versions())
    }

    /// Writes what has changed and waits until Envoy serves it. No request is without a cluster meanwhile: new ones come before the
    /// routes that name them, old ones go after those that did.
    pub fn update(&mut self, config: &Config) -> Result<()> {
        let kept = self
            .files
            .clusters
            .resources()
            .iter()
            .filter(|old| !config.clusters.iter().any(|c| c["name"] == old["name"]));
        let both: Vec<Value> = config.clusters.iter().chain(kept).cloned().collect();
        self.files.clusters.write(&both)?;
        self.wait(vec![self.files.clusters.expected()])?;
        self.files.write_routes(config)?;
        self.wait(self.files.versions())?;
        self.files.clusters.write(&config.clusters)?;
        self.wait(self.files.versions())
    }

    /// Text of an admin endpoint, such as `/stats` or `/config_dump`.
    pub fn admin(&self, path: &str) -> Result<String> {
        admin::get(&self.dir.join("admin.sock"), path)
    }

    /// Waits until statistics have these values.
    fn wait(&mut self, expected: Vec<(String, String)>) -> Result<()> {
        let admin = self.dir.join("admin.sock");
        let known = self.refused;
        self.refused = self.process.ready("its configuration", || {
            let stats = admin::get(&admin, "/stats?filter=version_text|update_rejected")?;
            let stats = admin::parse_stats(&stats);
            let counters = stats.iter().filter(|(name, _)| name.ends_with("update_rejected"));
            let refused = counters.filter_map(|(_, value)| value.parse::<u64>().ok()).sum();
            let taken = expected.iter().all(|(name, version)| stats.get(name.as_str()) == Some(&version.as_str()));
            Ok((taken || refused > known).then_some(refused))
        })?;
        if self.refused > known {
            bail!("Envoy refuses a configuration: {}", self.process.complaint());
        }
        // What the main thread has taken is in the worker's queue; an answer of the worker says that it has come to it.
        admin::get(&self.dir.join("revision.sock"), "/").context("the worker does not answer")?;
        Ok(())
    }
}
