//! `cargo xtask mutants`: whether the tests notice when a check is taken out (docs/fuzzing.md).

use std::process::{Command, Stdio};

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::cargo;

const VERSION: &str = "27.1.0";

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Only the k-th of n parts of all mutants, spread over all files (as `3/20`)
    #[arg(long)]
    shard: Option<String>,
    /// Passed on to `cargo mutants`, such as `--file waypoint-verify/src/link/purse.rs`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

pub fn main(arguments: &Args) -> Result<()> {
    install()?;
    let mut words = vec!["mutants", "--output", "target", "--no-shuffle", "--colors", "never"];
    if let Some(shard) = &arguments.shard {
        words.extend(["--shard", shard, "--sharding", "round-robin"]);
    }
    words.extend(arguments.more.iter().map(String::as_str));
    let mut command = cargo::command(&words);
    // No test that it runs loads the kernel programs.
    command.env("WAYPOINT_VERIFY_EBPF_OBJECT", "none");
    cargo::finish(&mut command, &words)
}

fn install() -> Result<()> {
    let there = Command::new("cargo-mutants").arg("mutants").arg("--version").stderr(Stdio::null()).output();
    if there.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(VERSION)) {
        return Ok(());
    }
    println!("mutants: installing cargo-mutants {VERSION} (builds for some minutes)");
    let words = ["install", "cargo-mutants", "--version", VERSION, "--locked", "--force"];
    let mut command = cargo::command(&words);
    command.env_remove("CARGO_TARGET_DIR");
    cargo::finish(&mut command, &words)
}
