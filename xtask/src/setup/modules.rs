//! Custom resource definitions of Gateway API, Cilium and OpenReports, out of their own Go modules. They stay in Go's cache; we only know where.

use std::path::PathBuf;

use anyhow::Result;

use super::{toolchain, tools};

/// A module, and the folders in it that hold what we want.
#[derive(Debug)]
pub struct Definitions {
    name: &'static str,
    module: &'static str,
    version: &'static str,
    folders: &'static [&'static str],
}

pub const GATEWAY_API: Definitions = Definitions {
    name: "gateway-api",
    module: "sigs.k8s.io/gateway-api",
    version: "v1.6.1",
    folders: &["config/crd/standard"],
};

pub const CILIUM: Definitions = Definitions {
    name: "cilium",
    module: "github.com/cilium/cilium",
    version: "v1.20.2",
    folders: &["pkg/k8s/apis/cilium.io/client/crds/v2", "pkg/k8s/apis/cilium.io/client/crds/v2alpha1"],
};

pub const OPEN_REPORTS: Definitions = Definitions {
    name: "openreports",
    module: "github.com/openreports/reports-api",
    version: "v0.2.1",
    folders: &["config/crd"],
};

impl Definitions {
    /// The Go module that they are of.
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// Of that module.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// A link into Go's cache; when that was cleaned, the link leads nowhere and is made anew.
    fn link(&self) -> PathBuf {
        tools().join(format!("{}-{}", self.name, self.version))
    }

    /// The module as a whole, in Go's cache.
    pub fn folder(&self) -> Result<PathBuf> {
        anyhow::ensure!(self.is_there(), "{} is missing: run `cargo xtask setup`", self.link().display());
        Ok(self.link())
    }

    fn is_there(&self) -> bool {
        self.folders.iter().all(|folder| self.link().join(folder).is_dir())
    }

    /// Every YAML file of the definitions, sorted.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        anyhow::ensure!(self.is_there(), "{} is missing: run `cargo xtask setup`", self.link().display());
        let mut files = Vec::new();
        for folder in self.folders {
            for entry in std::fs::read_dir(self.link().join(folder))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "yaml") {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

pub(super) fn install() -> Result<bool> {
    let mut changed = false;
    let all = [&GATEWAY_API, &CILIUM, &OPEN_REPORTS];
    for definitions in all.into_iter().filter(|definitions| !definitions.is_there()) {
        println!("setup: downloading {} {} (custom resource definitions)", definitions.name, definitions.version);
        let dir = toolchain::module(definitions.module, definitions.version)?;
        toolchain::link(&dir, &definitions.link())?;
        anyhow::ensure!(definitions.is_there(), "{} has no folder {:?}", dir.display(), definitions.folders);
        changed = true;
    }
    Ok(changed)
}
