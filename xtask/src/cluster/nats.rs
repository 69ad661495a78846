//! NATS with JetStream and TLS, on loopback, as the evidence bus: of its keys it knows only whom they sign.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{certificates, keeper, server::free_ports};
use crate::demo;
use crate::lab::process::{Process, listens};

#[derive(Debug)]
pub struct Nats {
    dir: PathBuf,
    port: u16,
    monitor_port: u16,
    process: Option<Process>,
}

impl Nats {
    /// Makes the keys of an installation with the program itself, and starts a server that trusts them.
    pub fn start(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let dir = dir.canonicalize()?;
        certificates::write(&dir)?;
        let output = Command::new(demo::binary()).args(["bus", "init", "--out"]).arg(dir.join("bus")).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "waypoint-verify bus init: {}", told.trim());
        let [port, monitor_port] = free_ports()?;
        let at = |name: &str| dir.join(name).display().to_string();
        let configuration = format!(
            "listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor_port}\nserver_name: lab\n\
             jetstream {{ store_dir: \"{}\", max_file_store: 10GB }}\n\
             tls {{ cert_file: \"{}\", key_file: \"{}\" }}\ninclude bus/trust.conf\n",
            at("jetstream"),
            at("tls.crt"),
            at("tls.key"),
        );
        fs::write(dir.join("nats.conf"), configuration)?;
        let mut nats = Self { dir, port, monitor_port, process: None };
        nats.resume()?;
        Ok(nats)
    }

    pub fn url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// What `bus init` made.
    pub fn keys(&self) -> PathBuf {
        self.dir.join("bus/keys")
    }

    /// Certificate and key of the server; good for whatever is on loopback.
    pub fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.dir.join("tls.crt"), self.dir.join("tls.key"))
    }

    /// Where streams are kept.
    pub fn store(&self) -> PathBuf {
        self.dir.join("jetstream")
    }

    /// What the server tells of itself at a path (`/healthz`, `/jsz`); an error where it answers with one.
    pub fn monitor(&self, path: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.monitor_port);
        let output =
            Command::new("curl").args(["--silent", "--show-error", "--fail", "--max-time", "5", &url]).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{url}: {}", told.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// SIGKILL. What was stored is still there.
    pub fn kill(&mut self) {
        self.process = None;
    }

    pub fn resume(&mut self) -> Result<()> {
        let mut command = Command::new("nats-server");
        command.arg("--config").arg(self.dir.join("nats.conf"));
        let mut process = keeper::start("nats-server", command, &self.dir)?;
        let (pid, port) = (process.pid(), self.port);
        process.ready("listening", || listens(pid, port))?;
        self.process = Some(process);
        Ok(())
    }
}
