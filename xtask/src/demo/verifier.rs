//! The program itself as a child: started, waited for, interrupted, and what it said.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::counts::Counts;
use crate::lab::Lab;

/// Longer than any verdict takes; a scenario that waits as long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where `cargo build --release` puts the program.
pub fn binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::workspace().join("target"), PathBuf::from);
    target.join("release/waypoint-verify")
}

/// A running `waypoint-verify gate` (or `run`).
#[derive(Debug)]
pub struct Verifier {
    child: Child,
    lines: Receiver<String>,
    pub verdicts: Vec<Value>,
    pub ready: Value,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub counts: Counts,
    pub verdicts: Vec<Value>,
    pub ready: Value,
    pub summary: Value,
}

impl Verifier {
    /// Returns when the probes are attached.
    pub fn gate(lab: &Lab, min_verified: u64, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary());
        command.args(["gate", "--keep-going", "--output", "json", "--min-verified"]);
        command.arg(min_verified.to_string());
        if !more.contains(&"--timeout") {
            command.args(["--timeout", "120"]);
        }
        Self::start(command, &lab.nodes_cgroup(), lab, more)
    }

    /// The same, of what is below this cgroup.
    pub fn gate_below(root: &Path, lab: &Lab, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary());
        command.args(["gate", "--keep-going", "--output", "json", "--timeout", "120"]);
        Self::start(command, root, lab, more)
    }

    /// The same, by another inventory than the lab's own description of itself.
    pub fn gate_by(inventory: &Path, lab: &Lab, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary());
        command.args(["gate", "--keep-going", "--output", "json", "--timeout", "120"]);
        Self::start_by(command, &lab.nodes_cgroup(), inventory, lab, more)
    }

    /// `run`: until it is ended.
    pub fn run(lab: &Lab, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary());
        command.args(["run", "--output", "json"]);
        Self::start(command, &lab.nodes_cgroup(), lab, more)
    }

    fn start(command: Command, root: &Path, lab: &Lab, more: &[&str]) -> Result<Self> {
        Self::start_by(command, root, &lab.cluster_yaml(), lab, more)
    }

    fn start_by(mut command: Command, root: &Path, inventory: &Path, lab: &Lab, more: &[&str]) -> Result<Self> {
        command.arg("--policy").arg(lab.policy_yaml()).arg("--inventory").arg(inventory);
        command.arg("--cgroup-root").arg(root).args(more);
        // Ctrl-C is for the demo; the rest follows from its end.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", binary().display()))?;
        let stdout = child.stdout.take().context("its standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut verifier = Self { child, lines, verdicts: Vec::new(), ready: Value::Null };
        let ready = verifier.next(Instant::now() + PATIENCE)?.context("it ended before its probes were attached")?;
        verifier.ready = ready;
        Ok(verifier)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Until verdicts of so many different messages were given.
    pub fn wait_for_verdicts(&mut self, count: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let messages: std::collections::BTreeSet<_> =
                self.verdicts.iter().filter_map(|verdict| verdict["message"].as_str()).collect();
            if messages.len() >= count {
                return Ok(());
            }
            let seen = messages.len();
            match self.next(deadline)? {
                Some(line) => self.verdicts.push(line),
                None => bail!("only {seen} of {count} requests were judged"),
            }
        }
    }

    /// Reads one more verdict; `false` if none comes until then, or it has closed its output.
    pub fn listen(&mut self, until: Instant) -> Result<bool> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => self.verdicts.push(serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?),
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return Ok(false),
        }
        Ok(true)
    }

    /// Interrupts it and reads the rest.
    pub fn end(mut self) -> Result<Ended> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, Signal::SIGINT).context("interrupting it")?;
        let deadline = Instant::now() + PATIENCE;
        let mut summary = Value::Null;
        while let Some(line) = self.next(deadline)? {
            match line["type"].as_str() {
                Some("summary") => summary = line,
                _ => self.verdicts.push(line),
            }
        }
        let status = self.child.wait().context("waiting for it")?;
        let exit = status.code().context("it was ended by a signal")?;
        let policy = &summary["policies"][0];
        let counts = Counts::read(policy, &policy["provisional"], exit);
        Ok(Ended { counts, verdicts: std::mem::take(&mut self.verdicts), ready: self.ready.take(), summary })
    }

    /// `None`: it closed its output.
    fn next(&mut self, deadline: Instant) -> Result<Option<Value>> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(Some(serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("it said nothing for {PATIENCE:?}"),
        }
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        // Already waited for, or in the way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The newest verdict of each message.
    pub fn last(&self) -> impl Iterator<Item = &Value> {
        let mut latest = std::collections::BTreeMap::new();
        for verdict in &self.verdicts {
            latest.insert(verdict["message"].as_str().unwrap_or_default(), verdict);
        }
        latest.into_values()
    }

    /// Newest verdicts of this name (`verified`, `bypassed`, `unverified`).
    pub fn of(&self, name: &str) -> Vec<&Value> {
        self.last().filter(|verdict| verdict["verdict"] == name).collect()
    }
}
