//! Configuration by file: DiscoveryResponses that Envoy reads again whenever one is moved into place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Config, admin, config};

/// All files of one Envoy.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) clusters: Discovery,
    listeners: Discovery,
    routes: BTreeMap<String, Discovery>,
}

impl Files {
    pub(super) fn new(dir: &Path, first: &Config) -> Result<Self> {
        let routes = first.routes.keys().map(|name| {
            let stat = format!("http.listener-insecure.rds.{}", admin::stat_name(name));
            (name.clone(), Discovery::new(dir, &config::route_file(name), &stat))
        });
        let mut files = Self {
            clusters: Discovery::new(dir, "cds", "cluster_manager.cds"),
            listeners: Discovery::new(dir, "lds", "listener_manager.lds"),
            routes: routes.collect(),
        };
        files.clusters.write(&first.clusters)?;
        files.write_routes(first)?;
        Ok(files)
    }

    /// Routes and the listeners that refer to them.
    pub(super) fn write_routes(&mut self, config: &Config) -> Result<()> {
        ensure!(self.routes.keys().eq(config.routes.keys()), "Gateways cannot be added or removed at run time");
        for (name, file) in &mut self.routes {
            file.write(std::slice::from_ref(&config.routes[name]))?;
        }
        self.listeners.write(&config.listeners)
    }

    /// Statistics and the values that they have once everything is taken.
    pub(super) fn versions(&self) -> Vec<(String, String)> {
        [&self.clusters, &self.listeners].into_iter().chain(self.routes.values()).map(Discovery::expected).collect()
    }
}

#[derive(Debug)]
pub(super) struct Discovery {
    path: PathBuf,
    stat: String,
    version: u64,
    resources: Vec<Value>,
}

impl Discovery {
    fn new(dir: &Path, name: &str, stat: &str) -> Self {
        Self { path: dir.join(format!("{name}.json")), stat: stat.to_owned(), version: 0, resources: Vec::new() }
    }

    pub(super) fn resources(&self) -> &[Value] {
        &self.resources
    }

    pub(super) fn expected(&self) -> (String, String) {
        (format!("{}.version_text", self.stat), format!("\"{}\"", self.version))
    }

    /// Nothing happens where nothing has changed.
    pub(super) fn write(&mut self, resources: &[Value]) -> Result<()> {
        if self.version > 0 && self.resources == resources {
            return Ok(());
        }
        self.version += 1;
        resources.clone_into(&mut self.resources);
        let response = json!({"versionInfo": self.version.to_string(), "resources": resources});
        let new = self.path.with_extension("new");
        fs::write(&new, serde_json::to_vec_pretty(&response)?)?;
        fs::rename(&new, &self.path).with_context(|| self.path.display().to_string())
    }
}
