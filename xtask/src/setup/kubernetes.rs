//! kube-apiserver and kubectl, built from Kubernetes' own modules: there is no registry that everybody can reach, but a module proxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{is_built_of, toolchain, tools};

/// As in xtask/go/kubernetes/go.mod.
const VERSION: &str = "v1.34.1";
const MODULE: &str = "kubernetes";
const PROGRAMS: [&str; 2] = ["kube-apiserver", "kubectl"];
/// Where Debian's `etcd-server` puts it.
const ETCD: &str = "/usr/bin/etcd";

fn folder() -> PathBuf {
    tools().join(format!("kubernetes-{VERSION}"))
}

/// The convention of controller-runtime's tests: a folder that has kube-apiserver and etcd (kubectl, too, in most).
fn assets() -> Result<Option<PathBuf>> {
    let Some(dir) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|dir| !dir.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    for program in ["kube-apiserver", "etcd"] {
        ensure!(
            dir.join(program).is_file(),
            "KUBEBUILDER_ASSETS: there is no {program} in {}: unset it, and `cargo xtask setup` builds one",
            dir.display()
        );
    }
    Ok(Some(dir))
}

pub(super) fn kube_apiserver() -> Result<PathBuf> {
    Ok(assets()?.unwrap_or_else(folder).join("kube-apiserver"))
}

pub(super) fn etcd() -> Result<PathBuf> {
    Ok(assets()?.map_or_else(|| PathBuf::from(ETCD), |dir| dir.join("etcd")))
}

pub(super) fn kubectl() -> Result<PathBuf> {
    let given = assets()?.map(|dir| dir.join("kubectl")).filter(|kubectl| kubectl.is_file());
    Ok(given.unwrap_or_else(|| folder().join("kubectl")))
}

pub(super) fn install() -> Result<bool> {
    let missing: Vec<&str> = match assets()? {
        Some(dir) if dir.join("kubectl").is_file() => Vec::new(),
        Some(_) => vec!["kubectl"],
        None => PROGRAMS.to_vec(),
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(MODULE);
    let read =
        |name: &str| fs::read_to_string(source.join(name)).with_context(|| source.join(name).display().to_string());
    let wanted = format!("{}{}", read("go.mod")?, read("go.sum")?);
    // What a program was built of stands beside it.
    let built_of = |program: &str| folder().join(format!("{program}.built-of"));
    let is_current = |program: &&str| is_built_of(&folder().join(program), &built_of(program), wanted.as_bytes());
    let missing: Vec<&str> = missing.into_iter().filter(|program| !is_current(program)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    println!(
        "setup: building {} {VERSION} (the API server of the tests; about 5 minutes on two cores the first time)",
        missing.join(" and ")
    );
    let start = Instant::now();
    fs::create_dir_all(folder())?;
    let flags = format!("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={VERSION}");
    for program in missing {
        // Each by itself, and the stamp last, so that what is there is whole.
        let _ = fs::remove_file(built_of(program));
        toolchain::build(MODULE, &[&flags, &format!("k8s.io/kubernetes/cmd/{program}")], &folder().join(program))?;
        fs::write(built_of(program), &wanted)?;
    }
    println!("setup: that took {} s", start.elapsed().as_secs());
    Ok(true)
}
