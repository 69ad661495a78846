//! Cargo, called by cargo's own child.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Cargo in the workspace, without what the cargo above has set for this program alone.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(crate::workspace());
    // Some crates are built anew where these are others: a shell, `cargo run` and `cargo test` have to look alike.
    let of_this_program = |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|prefix| name.starts_with(prefix));
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this_program)).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

pub fn run(arguments: &[&str]) -> Result<()> {
    finish(&mut command(arguments), arguments)
}

pub fn finish(command: &mut Command, arguments: &[&str]) -> Result<()> {
    let shown = format!("cargo {}", arguments.join(" "));
    let status = command.status().with_context(|| format!("starting {shown}"))?;
    ensure!(status.success(), "{shown}: {status}");
    Ok(())
}
