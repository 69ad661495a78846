//! `cargo xtask mutants`: whether the tests notice when a check is taken out (docs/fuzzing.md).

mod plant;
mod together;

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;

use crate::cargo;

const VERSION: &str = "27.1.0";

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Only the k-th of n parts of all mutants, spread over all files (as `3/20`)
    #[arg(long)]
    shard: Option<String>,
    /// All mutants in one build instead of one build for each: minutes instead of a day
    #[arg(long)]
    together: bool,
    /// Of `--together`: only in these files or lines (as `link/class.rs` or `judge.rs:185,tally.rs`)
    #[arg(long, value_delimiter = ',', requires = "together")]
    only: Vec<String>,
    /// Test programs at a time (of `--together`)
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Passed on to `cargo mutants`, such as `--file waypoint-verify/src/link/purse.rs`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

pub fn main(arguments: &Args) -> Result<()> {
    if arguments.together {
        let (part, of) = match arguments.shard.as_deref() {
            None => (0, 1),
            Some(shard) => {
                let (part, of) = shard.split_once('/').context("a shard is written like 3/20")?;
                (part.parse().context("the part of a shard")?, of.parse().context("the number of shards")?)
            }
        };
        return together::run((part, of), &arguments.only, arguments.jobs);
    }
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
