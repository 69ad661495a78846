//! The formats in which a gate tells what it comes to.

use clap::ValueEnum;

use super::{Outcome, Stream, github, junit, openreports, sarif};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// JUnit's XML: a test case for each policy.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// Report objects of openreports.io/v1alpha1, as YAML.
    Openreports,
    /// Annotations of GitHub Actions.
    Github,
}

impl Format {
    /// In what form verdicts are told before that. `None`: not at all.
    pub fn stream(self) -> Option<Stream> {
        match self {
            Self::Text => Some(Stream::Text),
            Self::Json => Some(Stream::Json),
            Self::Junit | Self::Sarif | Self::Openreports | Self::Github => None,
        }
    }
}

/// What a gate came to, in whatever form it is wanted.
#[derive(Clone, Debug)]
pub struct Told {
    pub text: String,
    /// One line.
    pub json: String,
    pub outcome: Outcome,
    pub exit_code: u8,
}

impl Told {
    /// Ends with a line end, or is empty.
    ///
    /// # Errors
    /// Only if it cannot be written as YAML.
    pub fn as_format(&self, format: Format) -> anyhow::Result<String> {
        Ok(match format {
            Format::Text => format!("{}\n", self.text),
            Format::Json => format!("{}\n", self.json),
            Format::Junit => junit::junit(&self.outcome),
            Format::Sarif => sarif::sarif(&self.outcome, self.exit_code),
            Format::Openreports => openreports::yaml(&self.outcome)?,
            Format::Github => github::github(&self.outcome),
        })
    }
}
