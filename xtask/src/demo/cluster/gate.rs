//! `waypoint-verify gate --policy namespace/name` as a child.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::demo::binary;

#[derive(Debug)]
pub struct Gate {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Gate {
    /// Returns when it counts.
    pub fn start(kubeconfig: &Path, policy: &str, min_verified: u64, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary());
        command
            .args(["gate", "--output", "json", "--timeout", "120", "--policy", policy, "--min-verified"])
            .arg(min_verified.to_string())
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("the gate cannot be started")?;
        let lines = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
        let mut gate = Self { child, lines };
        let ready = gate.line()?;
        if ready["type"] != "ready" {
            bail!("the gate says {ready}");
        }
        Ok(gate)
    }

    fn line(&mut self) -> Result<Value> {
        let line = self.lines.next().context("the gate has ended")??;
        serde_json::from_str(&line).with_context(|| line)
    }

    /// Tells it to decide with what it has.
    pub fn interrupt(self) -> Result<(i32, Value)> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT).context("interrupting the gate")?;
        self.end()
    }

    /// What it found, and with which code it ended.
    pub fn end(mut self) -> Result<(i32, Value)> {
        let found = self.line()?;
        let status = self.child.wait()?;
        Ok((status.code().context("the gate was killed")?, found))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
