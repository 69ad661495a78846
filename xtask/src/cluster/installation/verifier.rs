//! One verifier: started, asked, paused, killed.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::{Nats, clock, keeper, server::free_ports};
use crate::demo;
use crate::lab::process::Process;

#[derive(Debug)]
pub struct Verifier {
    dir: PathBuf,
    identity: String,
    /// Who it is to the API server.
    kubeconfig: PathBuf,
    lease_namespace: String,
    port: u16,
    metrics_port: u16,
    /// Beside those that it needs.
    arguments: Vec<String>,
    clock: Option<String>,
    process: Option<Process>,
}

impl Verifier {
    /// With ports of its own, which it keeps when it is started again. Its log is `DIR/IDENTITY.log`.
    pub fn new(dir: &Path, identity: &str, kubeconfig: &Path, lease_namespace: &str) -> Result<Self> {
        let [port, metrics_port] = free_ports()?;
        Ok(Self {
            dir: dir.to_owned(),
            identity: identity.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            lease_namespace: lease_namespace.to_owned(),
            port,
            metrics_port,
            arguments: Vec::new(),
            clock: None,
            process: None,
        })
    }

    /// When it is started the next time.
    pub fn set_arguments<const N: usize>(&mut self, arguments: [String; N]) {
        self.arguments = arguments.into();
    }

    /// How far its clock is off when it is started the next time (`clock::shift`).
    pub fn set_clock(&mut self, by: Option<&str>) {
        self.clock = by.map(str::to_owned);
    }

    /// With these arguments, too.
    pub fn with(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(more);
        self
    }

    /// Does not wait until it is ready.
    pub fn start(&mut self, nats: &Nats) -> Result<()> {
        let (certificate, key) = nats.certificate();
        let mut command = Command::new(demo::binary());
        command
            .args(["verifier", "--cluster=lab", "--bus-url", &nats.url(), "--ca"])
            .arg(nats.ca())
            .arg("--bus-keys")
            .arg(nats.keys())
            .arg(format!("--listen=127.0.0.1:{}", self.port))
            .arg(format!("--metrics-listen=127.0.0.1:{}", self.metrics_port))
            .arg("--tls-cert")
            .arg(certificate)
            .arg("--tls-key")
            .arg(key)
            .args(["--identity", &self.identity, "--lease-namespace", &self.lease_namespace])
            .env("KUBECONFIG", &self.kubeconfig)
            .env("RUST_LOG", "info")
            .args(&self.arguments);
        if let Some(by) = &self.clock {
            clock::shift(&mut command, by)?;
        }
        self.process = Some(keeper::start(&self.identity, command, &self.dir)?);
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub fn ready(&mut self) -> Result<()> {
        let url = self.open_url("/readyz");
        let process = self.process.as_mut().with_context(|| format!("{} is not started", self.identity))?;
        process.ready("readiness", || Ok((get(&url)? == "ok\n").then_some(())))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGSTOP: it does nothing, and does not know.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process.as_ref().with_context(|| format!("{} is not started", self.identity))?;
        Ok(kill(Pid::from_raw(i32::try_from(process.pid())?), signal)?)
    }

    pub fn pid(&self) -> Result<u32> {
        Ok(self.process.as_ref().with_context(|| format!("{} is not started", self.identity))?.pid())
    }

    /// The last that it said, on one line.
    pub fn complaint(&self) -> String {
        self.process.as_ref().map(Process::complaint).unwrap_or_default()
    }

    /// Everything that it has said.
    pub fn log(&self) -> Result<String> {
        let path = self.dir.join(format!("{}.log", self.identity));
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    pub fn identity(&self) -> &str {
        &self.identity
    }

    fn open_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.metrics_port)
    }

    /// `ok`, or why it is not ready.
    pub fn readiness(&self) -> Result<String> {
        get(&self.open_url("/readyz"))
    }

    /// Metrics in Prometheus' text form.
    pub fn metrics(&self) -> Result<String> {
        get(&self.open_url("/metrics"))
    }

    /// Where it listens for TLS: in a cluster, port 8443 of its pod.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it answers over TLS.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// What it answers over TLS to whoever has this token: the code and the text. `body`: a POST of JSON, otherwise a GET.
    pub fn ask(&self, nats: &Nats, path: &str, token: &str, body: Option<&str>) -> Result<(u16, String)> {
        let mut command = curl();
        command.args(["--write-out", "\n%{http_code}", "--cacert"]).arg(nats.ca());
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
        if let Some(body) = body {
            command.args(["--header", "Content-Type: application/json", "--data", body]);
        }
        let answer = output(command.arg(format!("{}{path}", self.url())), path)?;
        let (text, code) = answer.rsplit_once('\n').context("curl writes the code last")?;
        Ok((code.parse()?, text.to_owned()))
    }
}

fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "5"]);
    command
}

fn get(url: &str) -> Result<String> {
    output(curl().arg(url), url)
}

fn output(command: &mut Command, what: &str) -> Result<String> {
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what}: {}", told.trim());
    Ok(String::from_utf8(output.stdout)?)
}
