//! The lab's HTTP client: says exactly what its script says, and reports each answer. It runs as `xtask client` inside a pod's
//! network namespace and cgroup; `Held` is the owner's end of it.

mod connection;
mod held;
pub mod response;
mod script;
pub mod sink;

use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, Condvar, Mutex};

use anyhow::{Context, Result};

pub use held::Held;
pub use script::{Body, Connection, Outcome, Request, Script, Step, answered};

/// What the connections of one client share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Labels that the owner has released so far.
    released: Mutex<Vec<String>>,
    release: Condvar,
    barrier: std::sync::Barrier,
}

impl Shared {
    /// Blocks until the owner releases this label.
    pub(crate) fn wait_for(&self, label: &str) {
        let released = self.released.lock().expect("no holder panics");
        let _held =
            self.release.wait_while(released, |labels| !labels.iter().any(|l| l == label)).expect("no holder panics");
    }

    /// Blocks until all connections of the script are here.
    pub(crate) fn meet(&self) {
        self.barrier.wait();
    }
}

/// A line of the client's output.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Line {
    Outcome(Outcome),
    /// A connection has come to a `Wait` step.
    Waiting {
        connection: usize,
        label: String,
    },
}

pub(crate) fn say(line: &Line) {
    let mut text = serde_json::to_vec(line).expect("a line of plain values");
    text.push(b'\n');
    // One write for each line; an owner that is gone does not need it.
    let _ = std::io::stdout().lock().write_all(&text);
}

/// `xtask client`: the script is the first line of standard input, the labels to release are the others.
pub fn main() -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let first = lines.next().context("standard input: a script is expected")??;
    drop(lines);
    let script: Script = serde_json::from_str(&first).context("standard input: not a script")?;
    let shared = Arc::new(Shared {
        released: Mutex::default(),
        release: Condvar::new(),
        barrier: std::sync::Barrier::new(script.connections.len()),
    });
    let for_labels = Arc::clone(&shared);
    // Ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        for label in std::io::stdin().lock().lines().map_while(Result::ok) {
            for_labels.released.lock().expect("no holder panics").push(label);
            for_labels.release.notify_all();
        }
    });
    std::thread::scope(|threads| {
        for (index, connection) in script.connections.iter().enumerate() {
            let shared = &shared;
            let work = move || connection::run(index, connection, shared);
            std::thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(threads, work)
                .context("too many connections for threads")?;
        }
        Ok(())
    })
}
