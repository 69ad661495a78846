//! The gateway proxy of a node: a real Envoy that is configured by files, and asked whether it has taken them.

mod admin;
pub mod config;
mod files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::files::Discovery;
use super::place::Place;
use super::plan::Node;
use super::process::Process;

/// What an Envoy is to serve. Keys are file names.
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
    clusters: Discovery,
    listeners: Discovery,
    routes: BTreeMap<String, Discovery>,
}

impl Envoy {
    /// Starts it with a first configuration; `ready` waits for it.
    pub fn start(place: &Place, binary: &Path, node: &Node, dir: &Path, logs: &Path, config: &Config) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut envoy_files = (Discovery::new(dir, "cds"), Discovery::new(dir, "lds"), BTreeMap::new());
        write(&mut envoy_files.0, &mut envoy_files.1, &mut envoy_files.2, dir, config)?;
        let bootstrap = dir.join("bootstrap.json");
        fs::write(&bootstrap, serde_json::to_vec_pretty(&config::bootstrap(&node.name, dir))?)?;
        let mut command = place.command(binary)?;
        command.arg("-c").arg(&bootstrap);
        // One worker: an update that one event loop has taken, the whole proxy has taken.
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        let process = Process::start(&format!("envoy-{}", node.name), command, logs)?;
        let (clusters, listeners, routes) = envoy_files;
        Ok(Self { process, dir: dir.to_owned(), clusters, listeners, routes })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until it serves what was written last.
    pub fn ready(&mut self) -> Result<()> {
        let admin = self.dir.join("admin.sock");
        self.process.ready("readiness", || Ok((admin::get(&admin, "/ready")?.trim() == "LIVE").then_some(())))?;
        self.wait_for_versions()
    }

    /// Writes what has changed and waits until Envoy serves it. Clusters go first: routes may need new ones.
    pub fn update(&mut self, config: &Config) -> Result<()> {
        let before: Vec<String> = self.routes.keys().cloned().collect();
        ensure!(before.iter().eq(config.routes.keys()), "Gateways cannot be added or removed at run time");
        self.clusters.write(&config.clusters)?;
        self.wait_for_versions()?;
        write(&mut self.clusters, &mut self.listeners, &mut self.routes, &self.dir, config)?;
        self.wait_for_versions()
    }

    /// Text of an admin endpoint, such as `/stats` or `/config_dump`.
    pub fn admin(&self, path: &str) -> Result<String> {
        admin::get(&self.dir.join("admin.sock"), path)
    }

    fn wait_for_versions(&mut self) -> Result<()> {
        let mut expected = BTreeMap::from([
            ("cluster_manager.cds.version_text".to_owned(), self.clusters.version()),
            ("listener_manager.lds.version_text".to_owned(), self.listeners.version()),
        ]);
        for (name, file) in &self.routes {
            expected.insert(format!("http.listener-insecure.rds.{}.version_text", admin::stat_name(name)), file.version());
        }
        let admin = self.dir.join("admin.sock");
        let refused = self.process.ready("its configuration", || {
            let stats = admin::get(&admin, "/stats?filter=version_text|update_rejected")?;
            let stats = admin::parse_stats(&stats);
            if let Some((name, _)) = stats.iter().find(|(name, value)| name.ends_with("update_rejected") && **value != "0") {
                return Ok(Some(Some(name.to_string())));
            }
            Ok(expected.iter().all(|(name, version)| stats.get(name.as_str()) == Some(&version.as_str())).then_some(None))
        });
        if let Some(name) = refused? {
            bail!("Envoy refuses a configuration ({name}): {}", self.process.complaint());
        }
        // What the main thread has taken is in the worker's queue; an answer of the worker says that it has come to it.
        admin::get(&self.dir.join("revision.sock"), "/").context("the worker does not answer")?;
        Ok(())
    }
}

fn write(
    clusters: &mut Discovery,
    listeners: &mut Discovery,
    routes: &mut BTreeMap<String, Discovery>,
    dir: &Path,
    config: &Config,
) -> Result<()> {
    clusters.write(&config.clusters)?;
    for (name, route) in &config.routes {
        let file = routes.entry(name.clone()).or_insert_with(|| Discovery::new(dir, &config::route_file(name)));
        file.write(std::slice::from_ref(route))?;
    }
    listeners.write(&config.listeners)
}
