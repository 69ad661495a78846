//! wrk or h2load as the client, Caddy as the server.

mod h2load;

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, setrlimit};

use crate::lab::process::{self, Process};
use crate::lab::{Lab, Place};

/// Where the servers of the benchmark listen, beside the lab's own.
pub const PORT: u16 = 9000;
/// Keep-alive connections where their number is not what is measured.
pub const CONNECTIONS: u64 = 16;
/// Open files of wrk and of the servers.
const FILES: u64 = 20_000;

/// How the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// wrk, one request on each connection at a time.
    Http1,
    /// h2load, 100 streams on each connection.
    Http2,
    /// The same with what gRPC sends for a call: POST and its headers.
    Grpc,
}

impl Protocol {
    /// In front of what is told of it.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Http1 => "",
            Self::Http2 => "HTTP/2: ",
            Self::Grpc => "gRPC: ",
        }
    }

    pub fn connections(self) -> u64 {
        match self {
            Self::Http1 => CONNECTIONS,
            Self::Http2 | Self::Grpc => h2load::CONNECTIONS,
        }
    }

    /// Requests on their way at one time.
    pub fn in_flight(self) -> u64 {
        match self {
            Self::Http1 => CONNECTIONS,
            Self::Http2 | Self::Grpc => h2load::CONNECTIONS * h2load::STREAMS,
        }
    }

    /// Starts the client that speaks so, and waits for its end.
    pub fn run(self, from: &Place, to: SocketAddr, interval: Duration) -> Result<Seen> {
        match self {
            Self::Http1 => run(from, to, CONNECTIONS, interval),
            Self::Http2 | Self::Grpc => h2load::run(from, to, self == Self::Grpc, interval),
        }
    }
}

/// What the client saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub requests: u64,
    pub per_second: f64,
}

/// A wrk that is at work. Killed if dropped before it has ended.
#[derive(Debug)]
pub struct Wrk(Child);

pub fn start(from: &Place, to: SocketAddr, connections: u64, interval: Duration) -> Result<Wrk> {
    start_url(from, &format!("http://{to}/"), connections, interval)
}

pub fn start_url(from: &Place, url: &str, connections: u64, interval: Duration) -> Result<Wrk> {
    let mut command = from.command("wrk")?;
    // One thread: the two cores are for the server and the observer, too.
    command.args(["--threads", "1", "--timeout", "30s", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{}s", interval.as_secs()), url]);
    many_files(&mut command);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn();
    Ok(Wrk(child.context("starting wrk")?))
}

/// Starts wrk and waits for its end.
pub fn run(from: &Place, to: SocketAddr, connections: u64, interval: Duration) -> Result<Seen> {
    start(from, to, connections, interval)?.finish()
}

impl Wrk {
    pub fn finish(mut self) -> Result<Seen> {
        let status = self.0.wait()?;
        let text = std::io::read_to_string(self.0.stdout.take().context("piped")?)?;
        let errors = std::io::read_to_string(self.0.stderr.take().context("piped")?)?;
        ensure!(status.success(), "wrk: {status}: {errors}");
        ensure!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "wrk was not answered:\n{text}");
        let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
        let per_second = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
        Ok(Seen {
            requests: requests.with_context(|| format!("wrk said:\n{text}"))?,
            per_second: per_second.with_context(|| format!("wrk said:\n{text}"))?,
        })
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        // Ended already, or in the way.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Caddy that answers every request itself.
pub fn respond(lab: &Lab, place: &Place) -> Result<Process> {
    caddy(lab, place, "respond hello")
}

/// A Caddy that hands every request on.
pub fn hop(lab: &Lab, place: &Place, to: SocketAddr) -> Result<Process> {
    caddy(lab, place, &format!("reverse_proxy {to}"))
}

fn caddy(lab: &Lab, place: &Place, site: &str) -> Result<Process> {
    let name = format!("bench-{}", place.name().replace('/', "-"));
    let dir = lab.state_dir().join(&name);
    std::fs::create_dir_all(&dir)?;
    let file = dir.join("Caddyfile");
    let options = "\tadmin off\n\tauto_https off\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n";
    std::fs::write(&file, format!("{{\n{options}}}\n:{PORT} {{\n\t{site}\n}}\n"))?;
    let mut command = place.command("caddy")?;
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
    command.env("HOME", &dir).env("XDG_CONFIG_HOME", &dir).env("XDG_DATA_HOME", &dir);
    many_files(&mut command);
    let mut process = Process::start(&name, command, &lab.state_dir().join("logs"))?;
    let pid = process.pid();
    process.ready("listening", || process::listens(pid, PORT))?;
    Ok(process)
}

fn many_files(command: &mut Command) {
    // SAFETY: one system call between fork and exec.
    unsafe { command.pre_exec(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, FILES, FILES)?)) };
}
