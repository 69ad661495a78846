//! A long-running process of the lab. It ends with the lab's cgroup; this only reaps it, or ends it early.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::patience;

#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command with its output in `LOGS/NAME.log`.
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let path = logs.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path).with_context(|| path.display().to_string())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("{name}: cannot be started"))?;
        Ok(Self { name: name.to_owned(), child, log: path })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for readiness; a process that ends instead is an error with the end of its log.
    pub fn ready<T>(&mut self, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let mut ended = None;
        let answer = patience::wait(&format!("{what} of {}", self.name), || {
            ended = self.child.try_wait()?;
            if ended.is_some() { Ok(Some(None)) } else { Ok(ask()?.map(Some)) }
        });
        match answer.with_context(|| self.complaint())? {
            Some(value) => Ok(value),
            None => bail!("{} has ended ({}): {}", self.name, ended.expect("checked above"), self.complaint()),
        }
    }

    /// The end of its log, on one line.
    pub fn complaint(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// As the kubelet stops a container: SIGTERM, and SIGKILL if that does not help.
    pub fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let ended = patience::wait(&format!("{} to end", self.name), || Ok(self.child.try_wait()?));
        if ended.is_err() {
            self.child.kill()?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether a process listens on this TCP port, by its namespace's own table: without a connection that somebody could observe.
pub fn listens(pid: u32, port: u16) -> Result<Option<()>> {
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        let listening = |line: &str| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().and_then(|address| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok());
            local == Some(port) && fields.nth(1) == Some("0A")
        };
        if text.lines().skip(1).any(listening) {
            return Ok(Some(()));
        }
    }
    Ok(None)
}
