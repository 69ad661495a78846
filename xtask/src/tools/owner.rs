//! The tool's end: the script comes in, lines of what happens go out, labels to go on come in.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Script;

/// A line of a tool's output.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// A step has come to where the owner lets it go on.
    Waiting(String),
    Report(Value),
}

/// Who started the tool.
#[derive(Debug)]
pub struct Owner(());

impl Owner {
    /// Says that this label is reached, and blocks until the owner lets it go on. Also how a server says that it is ready.
    pub fn wait(&mut self, label: &str) -> Result<()> {
        say(&Line::Waiting(label.to_owned()))?;
        let mut line = String::new();
        ensure!(std::io::stdin().lock().read_line(&mut line)? > 0, "the owner is gone");
        ensure!(line.trim_end() == label, "the owner releases {}, but {label} waits", line.trim_end());
        Ok(())
    }
}

pub(super) fn serve<S: Script>() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let script: S = serde_json::from_str(&line).context("standard input: not a script of this tool")?;
    let report = script.play(&mut Owner(()))?;
    say(&Line::Report(serde_json::to_value(report)?))
}

fn say(line: &Line) -> Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    std::io::stdout().lock().write_all(&text).context("the owner is gone")
}
