//! Configuration by file: a DiscoveryResponse that Envoy reads again whenever it is moved into place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Discovery {
    path: PathBuf,
    version: u64,
    resources: Vec<Value>,
}

impl Discovery {
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        Self { path: dir.join(format!("{name}.json")), version: 0, resources: Vec::new() }
    }

    /// As Envoy's statistics show it once taken.
    pub(super) fn version(&self) -> String {
        format!("\"{}\"", self.version)
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
