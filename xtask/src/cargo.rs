//! Cargo, called by cargo's own child.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Cargo in the workspace, without what the cargo above has set for this program alone.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(crate::workspace()).env_remove("CARGO_MANIFEST_DIR");
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
