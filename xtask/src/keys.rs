//! Keys to sign with, as docs/evidence.md makes them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// `key.pem` and `pub.pem` in this folder.
pub fn make(dir: &Path) -> Result<()> {
    for words in ["genpkey -algorithm ed25519 -out key.pem", "pkey -in key.pem -pubout -out pub.pem"] {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(dir).output().context("openssl")?;
        ensure!(output.status.success(), "openssl {words}: {output:?}");
    }
    Ok(())
}
