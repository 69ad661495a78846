//! The process that owns the lab of `xtask lab up`, and the orders that it takes on a unix socket.
//!
//! The proxies are its children: the wheel's Envoy ends when its parent does (facts L).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Lab, Topology, watchdog};

#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    Apply(String),
    Reset,
    Down,
}

const DONE: &str = "done";

fn socket(id: &str) -> PathBuf {
    watchdog::state_dir(id).join("control.sock")
}

/// Starts a supervisor, and returns when its lab is up.
pub fn start(id: &str, topology: Option<&Path>) -> Result<()> {
    std::fs::create_dir_all(watchdog::STATE)?;
    let log = watchdog::log_path(id);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["lab-supervisor", id]).args(topology);
    // It outlives this command and its terminal.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
    let child = command.spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.expect("piped above")).read_line(&mut line)?;
    match line.trim() {
        DONE => Ok(()),
        "" => bail!("the lab's supervisor ended: {}", std::fs::read_to_string(&log).unwrap_or_default().trim()),
        problem => bail!("{problem}"),
    }
}

/// Gives an order and waits for its execution.
pub fn order(id: &str, order: &Order) -> Result<()> {
    let path = socket(id);
    let mut stream =
        UnixStream::connect(&path).with_context(|| format!("lab {id} is not one of `lab up`: {}", path.display()))?;
    serde_json::to_writer(&mut stream, order)?;
    stream.write_all(b"\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    match line.trim() {
        DONE => Ok(()),
        problem => bail!("{problem}"),
    }
}

/// `xtask lab-supervisor ID [TOPOLOGY]`.
pub fn main(id: &str, topology: Option<&Path>) -> Result<()> {
    let begun = begin(id, topology);
    println!("{}", answer(begun.as_ref().map(drop)));
    let (mut lab, listener) = begun?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let outcome = match serde_json::from_str(&line).context("not an order") {
            Ok(Order::Down) => {
                let outcome = lab.down();
                writeln!(stream, "{}", answer(outcome.as_ref().copied()))?;
                return outcome;
            }
            Ok(Order::Apply(yaml)) => lab.apply(&yaml),
            Ok(Order::Reset) => lab.reset(),
            Err(error) => Err(error),
        };
        // Whoever gave the order may be gone.
        let _ = writeln!(stream, "{}", answer(outcome.as_ref().copied()));
    }
    Ok(())
}

fn begin(id: &str, topology: Option<&Path>) -> Result<(Lab, UnixListener)> {
    let topology = topology.map_or_else(|| Ok(Topology::standard()), Topology::read)?;
    let lab = Lab::up_as(id, &topology)?;
    let listener = UnixListener::bind(socket(id))?;
    Ok((lab, listener))
}

/// One line.
fn answer(outcome: Result<(), &anyhow::Error>) -> String {
    outcome.map_or_else(|error| format!("{error:#}").replace('\n', " | "), |()| DONE.to_owned())
}
