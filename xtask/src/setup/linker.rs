//! bpf-linker, built against Debian's LLVM.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::run;

/// Newer ones want a newer LLVM than Debian 12 has.
const VERSION: &str = "0.13.0";
const LLVM: &str = "/usr/lib/llvm-22";

pub(super) fn install() -> Result<bool> {
    let is_there = |program: PathBuf| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(VERSION))
    };
    // Cargo puts it here; not everybody has that in PATH.
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let own = home.context("neither CARGO_HOME nor HOME is set")?.join("bin/bpf-linker");
    if is_there(own) || is_there(PathBuf::from("bpf-linker")) {
        return Ok(false);
    }
    println!("setup: installing bpf-linker {VERSION} (links the kernel programs; builds for a minute or two)");
    let mut command = Command::new("cargo");
    command.args(["install", "bpf-linker", "--version", VERSION, "--locked", "--force"]);
    command.env("LLVM_PREFIX", LLVM).env("RUSTFLAGS", format!("-L {LLVM}/lib"));
    // What `cargo run` has set for xtask is not meant for another program's build.
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_MANIFEST_DIR");
    run(&mut command)?;
    Ok(true)
}
