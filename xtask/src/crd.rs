//! `cargo xtask crd`: writes the custom resource definition that the program's own types make.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::cargo;

pub fn path() -> PathBuf {
    crate::workspace().join("manifests/crd/waypointpolicies.yaml")
}

pub fn main() -> Result<()> {
    let mut command = cargo::command(&["run", "--quiet", "--package", "waypoint-verify", "--example", "crd"]);
    // The definition has nothing of the kernel part in it.
    let output = command.env("WAYPOINT_VERIFY_EBPF_OBJECT", "none").stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the definition could not be made: {}", output.status);
    let path = path();
    fs::create_dir_all(path.parent().expect("has a folder"))?;
    if fs::read(&path).is_ok_and(|old| old == output.stdout) {
        println!("{} is current", path.display());
        return Ok(());
    }
    fs::write(&path, &output.stdout).with_context(|| path.display().to_string())?;
    println!("{} written", path.display());
    Ok(())
}
