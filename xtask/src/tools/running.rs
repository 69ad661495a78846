//! The owner's end of a tool.

use std::io::{BufRead as _, BufReader, Write as _};
use std::marker::PhantomData;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::owner::Line;
use super::{Tool, name};
use crate::lab::place::Place;

/// A tool that is at work, or waits. Killed if dropped before `finish`.
#[derive(Debug)]
pub struct Running<R> {
    tool: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    report: PhantomData<R>,
}

impl<R: DeserializeOwned> Running<R> {
    pub(super) fn start(place: &Place, tool: Tool, script: &impl Serialize) -> Result<Self> {
        let tool = name(tool);
        let mut command = place.tool(&tool)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("{tool} in {}", place.name()))?;
        let mut input = child.stdin.take().expect("piped above");
        let output = BufReader::new(child.stdout.take().expect("piped above"));
        let mut text = serde_json::to_vec(script)?;
        text.push(b'\n');
        input.write_all(&text).with_context(|| format!("{tool} does not read its script"))?;
        Ok(Self { tool, child, input, output, report: PhantomData })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Blocks until the tool waits at this label.
    pub fn wait_until_held(&mut self, label: &str) -> Result<()> {
        match self.read()? {
            Line::Waiting(at) if at == label => Ok(()),
            line => bail!("{}: {line:?}, where it was to wait for {label}", self.tool),
        }
    }

    pub fn release(&mut self, label: &str) -> Result<()> {
        self.input.write_all(format!("{label}\n").as_bytes()).with_context(|| format!("{} has ended", self.tool))
    }

    /// Waits for the end of the script.
    pub fn finish(mut self) -> Result<R> {
        match self.read()? {
            Line::Report(report) => Ok(serde_json::from_value(report)?),
            Line::Waiting(label) => bail!("{} waits for {label}, which nobody releases", self.tool),
        }
    }

    /// Ends it where it stands, without a farewell on the wire.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn read(&mut self) -> Result<Line> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("{} has ended: {}", self.tool, self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("a line of {}: {line}", self.tool))
    }
}

impl<R> Drop for Running<R> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
