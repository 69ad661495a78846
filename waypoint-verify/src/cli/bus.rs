//! `waypoint-verify bus init`: the keys of one installation.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::{Args as ClapArgs, Subcommand};

use super::exit;
use crate::bus::keys::Installation;
use crate::engine::random_key;

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Make the account that signs agents, and the part of NATS' configuration that trusts it.
    Init {
        /// Directory to write to; nothing in it is replaced.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    let Command::Init { out } = &args.command;
    let installation = Installation::new("waypoint-verify", SystemTime::now())?;
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    write(out, "account.seed", installation.account_seed.as_bytes())?;
    write(out, "digest.key", &random_key::<16>()?)?;
    write(out, "auth.conf", installation.server_configuration().as_bytes())?;
    println!("{}: account.seed and digest.key are for the verifier, auth.conf is for NATS", out.display());
    Ok(exit::VERIFIED)
}

/// For its owner's eyes, and not over what is there: with other keys every agent would be refused.
fn write(directory: &Path, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let path = directory.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    file.write_all(content).with_context(|| path.display().to_string())
}
