//! Getting root where it is needed and not there.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};

/// Runs this very command again by sudo, with `more` arguments, unless it has root. Returns only if it has.
pub fn again(more: &[&str]) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    eprintln!("this needs root (namespaces, cgroups, eBPF): going on with sudo");
    let program = std::env::current_exe().context("the path of this program")?;
    let error = Command::new("sudo").arg("-E").arg(program).args(std::env::args_os().skip(1)).args(more).exec();
    Err(error).context("starting sudo")
}

/// What runs test programs: sudo, unless this has root.
pub fn runner() -> Option<(&'static str, &'static str)> {
    (!nix::unistd::geteuid().is_root()).then_some(("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "sudo -E"))
}
