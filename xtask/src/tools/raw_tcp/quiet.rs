//! Keeps this namespace's kernel from answering for a port that it knows no connection of: its resets would end ours.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What our own packets carry.
pub(super) const MARK: u32 = 0x5754;

#[derive(Debug)]
pub(super) struct Quiet {
    port: u16,
}

impl Quiet {
    pub(super) fn new(port: u16) -> Result<Self> {
        let rules = format!(
            "table inet raw_tcp_{port} {{\n chain out {{\n  type filter hook output priority 0;\n  \
             meta mark != {MARK} tcp sport {port} tcp flags & rst == rst drop;\n }}\n}}\n"
        );
        nft(&rules)?;
        Ok(Self { port })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A leftover does no harm: it ends with the namespace.
        let _ = nft(&format!("delete table inet raw_tcp_{}\n", self.port));
    }
}

fn nft(rules: &str) -> Result<()> {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().expect("piped above").write_all(rules.as_bytes())?;
    let status = child.wait().context("nft")?;
    ensure!(status.success(), "nft: {status}: {rules}");
    Ok(())
}
