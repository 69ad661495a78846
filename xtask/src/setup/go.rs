//! The lab's client in Go. Any Go will do: it uses nothing but the standard library. Debian's is installed where there is none.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{apt, is_built_of, run, tools};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/attack/legit/client.go");

pub(super) fn binary() -> PathBuf {
    tools().join("go-client")
}

pub(super) fn install() -> Result<bool> {
    let source = fs::read(SOURCE).context(SOURCE)?;
    // A copy beside the binary says of what it was built.
    let built_of = tools().join("go-client.go");
    if is_built_of(&binary(), &built_of, &source) {
        return Ok(false);
    }
    let go = go().map_or_else(install_go, Ok)?;
    println!("setup: building the lab's Go client (builds Go's standard library for half a minute the first time)");
    fs::create_dir_all(tools())?;
    let mut command = Command::new(go);
    // No module, and nothing from outside.
    command.env("GO111MODULE", "off").env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOTOOLCHAIN", "local");
    run(command.args(["build", "-o"]).arg(binary()).arg(SOURCE))?;
    fs::write(built_of, source)?;
    Ok(true)
}

/// In PATH, or where its own installer puts it.
pub(super) const FOUND: [&str; 2] = ["go", "/usr/local/go/bin/go"];

pub(super) fn go() -> Option<PathBuf> {
    let works = |go: &PathBuf| {
        Command::new(go).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    FOUND.map(PathBuf::from).into_iter().find(works)
}

pub(super) fn install_go() -> Result<PathBuf> {
    println!("setup: installing Debian package golang-go (a client of the lab, and what fetches a newer Go)");
    run(apt::as_root("apt-get").args(["install", "-y", "-qq", "--no-install-recommends", "golang-go"]))?;
    Ok(PathBuf::from("go"))
}
