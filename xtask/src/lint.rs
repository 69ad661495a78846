//! `cargo xtask lint`: formatting, clippy on the user and the kernel side, licences.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::cargo;

pub fn main() -> Result<()> {
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    kernel()?;
    deny()
}

/// For the host's target: rustup's clippy cannot read the `core` that Debian built for BPF.
fn kernel() -> Result<()> {
    let words = [
        "clippy",
        "--package",
        "waypoint-verify-ebpf",
        "--features",
        "kernel",
        "--lib",
        "--bins",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    let mut command = cargo::command(&words);
    command
        // For aya-ebpf's inline assembly.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_PROFILE_DEV_PANIC", "abort")
        // Other settings than everything else has: an own folder, or each lint would rebuild the world.
        .env("CARGO_TARGET_DIR", crate::workspace().join("target/kernel-lint"));
    cargo::finish(&mut command, &words)
}

fn deny() -> Result<()> {
    let there = Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!(
            "lint: cargo-deny is not installed: licences and duplicate crates were not checked (cargo install cargo-deny)"
        );
        return Ok(());
    }
    // Advisories need a database from outside; they have a command of their own (docs/operations.md).
    cargo::run(&["deny", "--offline", "check", "bans", "licenses", "sources"])
}
