//! A process whose clock on the wall is wrong: libfaketime, which answers instead of the C library. Clocks that measure how much time has
//! passed are left alone: nobody can set them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// `by`: as libfaketime reads it (`-5m`). To be called after the environment was cleared.
pub(super) fn shift(command: &mut Command, by: &str) -> Result<()> {
    command.env("LD_PRELOAD", library()?).env("FAKETIME", by).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Ok(())
}

/// Debian has it in a folder of the machine's architecture.
fn library() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib").context("/usr/lib")?.filter_map(Result::ok);
    let mut found = folders.map(|folder| folder.path().join(Path::new("faketime/libfaketimeMT.so.1")));
    found.find(|path| path.is_file()).context("libfaketime is not installed: cargo xtask setup")
}
