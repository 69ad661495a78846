//! Verdicts and summaries for people and machines.

mod clean;
mod examples;
mod format;
pub mod github;
pub mod json;
pub mod junit;
pub mod openreports;
pub mod outcome;
pub mod sarif;
mod summary;
mod text;

use std::io::{self, Write};

use clap::ValueEnum;

use crate::judge::Judged;
pub use examples::Examples;
pub use format::{Format, Told};
pub use outcome::Outcome;
pub use summary::{PolicySummary, Summary, Unread};

/// In what form verdicts are told as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stream {
    Text,
    /// One JSON object a line.
    Json,
}

/// Prints verdicts as they come.
#[derive(Debug)]
pub struct Printer<W> {
    out: W,
    /// `None`: standard output is kept for what comes at the end.
    stream: Option<Stream>,
    quiet: bool,
    examples: Examples,
}

impl<W: Write> Printer<W> {
    pub fn new(out: W, stream: Option<Stream>, quiet: bool) -> Self {
        Self { out, stream, quiet, examples: Examples::default() }
    }

    /// The probes are attached: from here on everything is seen. On standard error for people, so that pipes stay clean.
    pub fn ready(&mut self, findings: &[String], uncovered: &[String]) -> io::Result<()> {
        match self.stream {
            None | Some(Stream::Text) => {
                for finding in findings {
                    eprintln!("finding: {finding}");
                }
                for node in uncovered {
                    eprintln!("finding: no pod of node {node} runs on this machine: what it sends is not covered");
                }
                eprintln!("observing");
            }
            Some(Stream::Json) => json::ready(&mut self.out, findings, uncovered)?,
        }
        self.out.flush()
    }

    /// Empties `judged`. A provisional Verified is not shown to people: its final one is.
    pub fn verdicts(&mut self, judged: &mut Vec<Judged>) -> io::Result<()> {
        self.examples.take(judged);
        let Some(stream) = self.stream.filter(|_| !self.quiet && !judged.is_empty()) else {
            judged.clear();
            return Ok(());
        };
        for judged in judged.drain(..) {
            match stream {
                Stream::Text => text::verdict(&mut self.out, &judged)?,
                Stream::Json => json::verdict(&mut self.out, &judged)?,
            }
        }
        self.out.flush()
    }

    /// Writes what is still to be written; some requests stay, for reports.
    pub fn end(mut self) -> io::Result<Examples> {
        self.out.flush()?;
        Ok(self.examples)
    }
}
