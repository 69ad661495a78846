//! A place where a process can be started: a container, a node, or outside. A process is in its cgroup and network namespace before
//! its first instruction, so that every socket of it belongs there.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{cgroup, netns};
use crate::client::{Held, Outcome, Script};

#[derive(Debug, Clone)]
pub struct Place {
    /// `POD/CONTAINER`, `node NAME` or `outside`.
    name: String,
    netns: String,
    cgroup: PathBuf,
    xtask: PathBuf,
}

impl Place {
    pub(super) fn new(name: String, netns: &str, cgroup: PathBuf, xtask: &Path) -> Self {
        Self { name, netns: netns.to_owned(), cgroup, xtask: xtask.to_owned() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the network namespace, as `ip netns` shows it.
    pub fn netns(&self) -> &str {
        &self.netns
    }

    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// This one's cgroup in the other one's network namespace: a process of the node that entered a pod's network (port-forward), a
    /// pod that uses the node's network.
    #[must_use]
    pub fn in_network_of(&self, other: &Self) -> Self {
        Self {
            name: format!("{} in the network of {}", self.name, other.name),
            netns: other.netns.clone(),
            ..self.clone()
        }
    }

    /// A command that will start in this place, as `kubectl exec` would.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut command = Command::new(program);
        cgroup::enter(&mut command, &self.cgroup).with_context(|| self.name.clone())?;
        netns::enter(&mut command, netns::open(&self.netns)?);
        Ok(command)
    }

    /// Runs a script of requests to its end: one outcome for each request, in the order in which they ended.
    pub fn run(&self, script: &Script) -> Result<Vec<Outcome>> {
        self.spawn(script)?.finish()
    }

    /// Starts a script, and leaves it to the caller when its `Wait` steps go on.
    pub fn spawn(&self, script: &Script) -> Result<Held> {
        let mut command = self.command(&self.xtask)?;
        // Not of the terminal's group: Ctrl-C is for the owner, the rest follows from its end.
        command.arg("client").process_group(0);
        Held::start(command, script).with_context(|| format!("client in {}", self.name))
    }

    /// A tool of xtask that will start in this place (`crate::tools`).
    pub fn tool(&self, name: &str) -> Result<Command> {
        let mut command = self.command(&self.xtask)?;
        command.args(["tool", name]);
        Ok(command)
    }

    /// Runs a program to its end and returns what it printed.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.command(program)?.args(arguments).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} in {}: {}: {}", self.name, output.status, stderr.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
