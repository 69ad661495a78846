//! The simulation of all agents, as a process: told what to send, and telling what it has sent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster::Nats;
use crate::demo;

/// How long all of them may take to be admitted.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct Agents {
    child: Child,
    orders: ChildStdin,
    told: Receiver<(Instant, Value)>,
}

impl Agents {
    /// One for each token in this folder. Returns when all are connected, and how many routes their pods make.
    pub fn start(
        nats: &Nats,
        verifier_url: &str,
        tokens: &Path,
        [front, back]: [SocketAddr; 2],
        policies: u16,
    ) -> Result<(Self, u64)> {
        let mut command = Command::new(demo::binary().with_file_name("waypoint-verify-simulation"));
        command
            .args(["--cluster=lab", "--bus-url", &nats.url(), "--ca"])
            .arg(nats.ca())
            .arg("--verifier-url")
            .arg(verifier_url)
            .arg("--tokens")
            .arg(tokens)
            .args([format!("--front={front}"), format!("--back={back}"), format!("--policies={policies}")]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.context("the simulation of agents: `cargo xtask bench scale` builds it")?;
        let lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let orders = child.stdin.take().context("piped")?;
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_default();
                if tell.send((Instant::now(), value)).is_err() {
                    break;
                }
            }
        });
        let agents = Self { child, orders, told };
        let (_, connected) = agents.told.recv_timeout(PATIENCE).context("the agents do not connect")?;
        let routes = connected["routes"].as_u64().context("the simulation has ended")?;
        Ok((agents, routes))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&mut self, rate: u32, length: Duration) -> Result<()> {
        writeln!(self.orders, "{rate} {}", length.as_secs_f64()).context("the simulation has ended")
    }

    /// What it has told since the last call, and when.
    pub fn told(&self) -> impl Iterator<Item = (Instant, Value)> {
        self.told.try_iter()
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
