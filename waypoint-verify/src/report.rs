//! Verdicts and summaries for people and machines.

pub mod json;
mod summary;
mod text;

use std::io::{self, Write};

use crate::cli::Format;
use crate::judge::Judged;
pub use summary::{PolicySummary, Summary, Unread};

/// Prints verdicts as they come.
#[derive(Debug)]
pub struct Printer<W> {
    out: W,
    format: Format,
    quiet: bool,
}

impl<W: Write> Printer<W> {
    pub fn new(out: W, format: Format, quiet: bool) -> Self {
        Self { out, format, quiet }
    }

    /// The probes are attached: from here on everything is seen. On standard error for people, so that pipes stay clean.
    pub fn ready(&mut self, findings: &[String], uncovered: &[String]) -> io::Result<()> {
        match self.format {
            Format::Text => {
                for finding in findings {
                    eprintln!("finding: {finding}");
                }
                for node in uncovered {
                    eprintln!("finding: no pod of node {node} runs on this machine: what it sends is not covered");
                }
                eprintln!("observing");
            }
            Format::Json => json::ready(&mut self.out, findings, uncovered)?,
        }
        self.out.flush()
    }

    /// Empties `judged`. A provisional Verified is not shown to people: its final one is.
    pub fn verdicts(&mut self, judged: &mut Vec<Judged>) -> io::Result<()> {
        if self.quiet || judged.is_empty() {
            judged.clear();
            return Ok(());
        }
        for judged in judged.drain(..) {
            match self.format {
                Format::Text => text::verdict(&mut self.out, &judged)?,
                Format::Json => json::verdict(&mut self.out, &judged)?,
            }
        }
        self.out.flush()
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
