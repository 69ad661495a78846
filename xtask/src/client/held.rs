//! The owner's end of a running client.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use anyhow::{Context, Result, ensure};

use super::Line;
use super::script::{Outcome, Script};

/// A client that is at work, or waits at a `Wait` step. Killed if dropped before `finish`.
#[derive(Debug)]
pub struct Held {
    child: Child,
    /// Read by a thread of its own: a client that cannot write would stop sending.
    lines: Receiver<std::io::Result<String>>,
    outcomes: Vec<Outcome>,
    waiting: HashSet<(usize, String)>,
}

impl Held {
    pub(crate) fn start(mut command: Command, script: &Script) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut text = serde_json::to_vec(script)?;
        text.push(b'\n');
        child.stdin.as_mut().expect("piped above").write_all(&text)?;
        let stdout = BufReader::new(child.stdout.take().expect("piped above"));
        let (sender, lines) = mpsc::channel();
        // Ends with the client, or when nobody listens any more.
        std::thread::spawn(move || stdout.lines().try_for_each(|line| sender.send(line)));
        Ok(Self { child, lines, outcomes: Vec::new(), waiting: HashSet::new() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Blocks until that many connections have come to `Wait(label)`.
    pub fn wait_until_held(&mut self, label: &str, connections: usize) -> Result<()> {
        while self.waiting.iter().filter(|(_, l)| l == label).count() < connections {
            ensure!(self.read()?, "the client ended before {connections} connections waited for {label}");
        }
        Ok(())
    }

    /// Lets the connections that wait for this label go on, also those that come to it later.
    pub fn release(&mut self, label: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().expect("open until finished");
        stdin.write_all(format!("{label}\n").as_bytes()).context("the client has ended")
    }

    /// Blocks until that many requests are over, and returns all that are.
    pub fn outcomes(&mut self, at_least: usize) -> Result<&[Outcome]> {
        while self.outcomes.len() < at_least {
            ensure!(self.read()?, "the client ended after {} of {at_least} requests", self.outcomes.len());
        }
        Ok(&self.outcomes)
    }

    /// Waits for the end of the script.
    pub fn finish(mut self) -> Result<Vec<Outcome>> {
        while self.read()? {}
        let status = self.child.wait()?;
        ensure!(status.success(), "the client ended with {status}");
        Ok(std::mem::take(&mut self.outcomes))
    }

    fn read(&mut self) -> Result<bool> {
        let Ok(line) = self.lines.recv() else { return Ok(false) };
        let line = line?;
        match serde_json::from_str(&line).with_context(|| format!("a line of the client: {line}"))? {
            Line::Outcome(outcome) => self.outcomes.push(outcome),
            Line::Waiting { connection, label } => {
                self.waiting.insert((connection, label));
            }
        }
        Ok(true)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
