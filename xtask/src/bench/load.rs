//! wrk as the client, Caddy as the server.

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

/// What wrk saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub requests: u64,
    pub per_second: f64,
}

/// A wrk that is at work. Killed if dropped before it has ended.
#[derive(Debug)]
pub struct Wrk(Child);

pub fn start(from: &Place, to: SocketAddr, connections: u64, interval: Duration) -> Result<Wrk> {
    let mut command = from.command("wrk")?;
    // One thread: the two cores are for the server and the observer, too.
    command.args(["--threads", "1", "--timeout", "30s", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{}s", interval.as_secs()), &format!("http://{to}/")]);
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
    caddy(lab, place, &["respond", "--listen", &format!(":{PORT}"), "--body", "hello"])
}

/// A Caddy that hands every request on.
pub fn hop(lab: &Lab, place: &Place, to: SocketAddr) -> Result<Process> {
    caddy(lab, place, &["reverse-proxy", "--from", &format!("http://:{PORT}"), "--to", &to.to_string()])
}

fn caddy(lab: &Lab, place: &Place, arguments: &[&str]) -> Result<Process> {
    let name = format!("bench-{}", place.name().replace('/', "-"));
    let dir = lab.state_dir().join(&name);
    std::fs::create_dir_all(&dir)?;
    let mut command = place.command("caddy")?;
    command.args(arguments).env("HOME", &dir).env("XDG_CONFIG_HOME", &dir).env("XDG_DATA_HOME", &dir);
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
