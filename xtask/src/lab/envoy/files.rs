//! Configuration by file: DiscoveryResponses that Envoy reads again whenever one is moved into place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Config, admin, config};

/// All files of one Envoy.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    pub(super) clusters: Discovery,
    listeners: Discovery,
    /// Of every Gateway that was ever there: one that comes back goes on counting its versions.
    routes: BTreeMap<String, Discovery>,
    /// Those of now.
    served: BTreeSet<String>,
}

impl Files {
    pub(super) fn new(dir: &Path, first: &Config) -> Result<Self> {
        let mut files = Self {
            dir: dir.to_owned(),
            clusters: Discovery::new(dir, "cds", "cluster_manager.cds"),
            listeners: Discovery::new(dir, "lds", "listener_manager.lds"),
            routes: BTreeMap::new(),
            served: BTreeSet::new(),
        };
        files.clusters.write(&first.clusters)?;
        files.write_routes(first)?;
        Ok(files)
    }

    /// Routes and the listeners that refer to them.
    pub(super) fn write_routes(&mut self, config: &Config) -> Result<()> {
        for (name, routes) in &config.routes {
            let stat = || format!("http.listener-insecure.rds.{}", admin::stat_name(name));
            let new = || Discovery::new(&self.dir, &config::route_file(name), &stat());
            self.routes.entry(name.clone()).or_insert_with(new).write(std::slice::from_ref(routes))?;
        }
        self.served = config.routes.keys().cloned().collect();
        self.listeners.write(&config.listeners)
    }

    /// Statistics and the values that they have once everything is taken.
    pub(super) fn versions(&self) -> Vec<(String, String)> {
        let routes = self.served.iter().filter_map(|name| self.routes.get(name));
        [&self.clusters, &self.listeners].into_iter().chain(routes).map(Discovery::expected).collect()
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
