//! Readers of our reports that are not ours, from the Python package index: what they read is what was written, or a test says so.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{run, tools, wheel};

/// Each with what it needs. Not by their own requirements: sarif-tools' charts would bring 150 MB.
const PACKAGES: [&str; 12] = [
    "junitparser==5.0.3",
    "sarif-tools==3.0.5",
    "jsonpath-ng==1.16.0",
    "PyYAML==6.0.4",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "referencing==0.37.0",
    "rpds-py==2026.9.1",
    "attrs==26.1.0",
    "typing_extensions==4.16.0",
    "xmlschema==4.3.2",
    "elementpath==5.1.4",
];

fn folder() -> PathBuf {
    tools().join("report-readers")
}

/// What was installed stands beside it.
fn stamp() -> PathBuf {
    tools().join("report-readers.installed")
}

fn is_there() -> bool {
    folder().is_dir() && fs::read_to_string(stamp()).is_ok_and(|installed| installed == PACKAGES.join("\n"))
}

/// Python, which finds them.
pub(super) fn python() -> Result<Command> {
    anyhow::ensure!(is_there(), "{} is missing: run `cargo xtask setup`", folder().display());
    let mut python = Command::new(wheel::python());
    python.env("PYTHONPATH", folder()).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(python)
}

pub(super) fn install() -> Result<bool> {
    if is_there() {
        return Ok(false);
    }
    println!("setup: installing readers of reports into {} (for tests)", folder().display());
    let _ = fs::remove_dir_all(folder());
    let mut pip = Command::new(wheel::python());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--root-user-action",
        "ignore",
    ]);
    run(pip.arg("--target").arg(folder()).args(PACKAGES))?;
    // Last, so that what is there is whole.
    fs::write(stamp(), PACKAGES.join("\n"))?;
    Ok(true)
}
