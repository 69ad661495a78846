//! `--record` of `run` and `gate`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::Args;

use super::common::Sources;
use super::exit;
use super::fresh::Fresh;
use crate::engine::{Engine, random_key};
use crate::judge::Limits;
use crate::model::WatchList;
use crate::recording::{self, Begin, Command, Digest, End, Recorder, Redactor, Role, Source, Unwritten, for_the_judge};
use crate::report::Summary;

#[derive(Args, Clone, Debug)]
pub struct Recording {
    /// Keep everything that is judged in this file, for `replay`; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Record paths and authorities as keyed hashes, too (queries and trace ids always are).
    #[arg(long, requires = "record")]
    redact: bool,
}

/// A recording that can begin: its file is there.
#[derive(Debug)]
pub struct Planned {
    file: Fresh,
    redact: bool,
    command: Command,
    min_verified: u64,
    sources: Vec<Source>,
}

/// What came of a recording, and where it is.
#[derive(Debug)]
pub struct Kept {
    pub path: PathBuf,
    pub digest: Result<Digest, Unwritten>,
}

impl Recording {
    /// Makes the file, before anything is observed.
    pub fn plan(&self, command: Command, min_verified: u64, from: &Sources) -> anyhow::Result<Option<Planned>> {
        let Some(path) = &self.record else { return Ok(None) };
        let sources = files(from)?;
        let file = Fresh::create(path).with_context(|| format!("--record {}", path.display()))?;
        Ok(Some(Planned { file, redact: self.redact, command, min_verified, sources }))
    }

    /// Where nothing can be recorded.
    pub fn refuse(&self, why: &str) -> anyhow::Result<()> {
        if self.record.is_some() { bail!("{why}") } else { Ok(()) }
    }
}

/// Policies and inventory, by their content.
pub fn files(from: &Sources) -> anyhow::Result<Vec<Source>> {
    let mut sources = recording::sources(Role::Policy, &from.policies)?;
    sources.extend(recording::sources(Role::Inventory, &from.inventory)?);
    Ok(sources)
}

/// They were hashed before they were read: what was hashed is what was read.
pub fn unchanged(planned: Option<&Planned>, from: &Sources) -> anyhow::Result<()> {
    match planned {
        Some(planned) if planned.sources != files(from)? => {
            bail!("policies or inventory changed while they were read: wait until who writes them is done")
        }
        _ => Ok(()),
    }
}

impl Planned {
    pub fn min_verified(&self) -> u64 {
        self.min_verified
    }

    /// Writes down what the judge of this engine was made of.
    pub fn begin(self, watch: &WatchList, limits: &Limits, engine: &Engine) -> anyhow::Result<(Recorder, PathBuf)> {
        let begin = Begin {
            program: env!("CARGO_PKG_VERSION").into(),
            command: self.command,
            began: seconds(),
            min_verified: self.min_verified,
            limits: (limits.messages, limits.connections),
            uncovered_nodes: engine.observed().uncovered.clone(),
            redacted: self.redact,
            sources: self.sources,
            watch: for_the_judge(watch),
        };
        let redactor = Redactor::new(random_key()?, self.redact);
        let what = format!("--record {}", self.file.path().display());
        let (file, path) = self.file.keep().with_context(|| what.clone())?;
        Ok((Recorder::begin(file, &begin, redactor).context(what)?, path))
    }
}

/// Ends a recording with what was said.
pub fn keep(recorder: Recorder, path: PathBuf, summary: &Summary) -> Kept {
    Kept { path, digest: recorder.end(&End::of(summary, seconds())) }
}

/// Tells what is missing. A bypass stays one; without the evidence that was asked for nothing else is proven.
pub fn told(kept: Option<&Kept>, code: u8) -> u8 {
    match kept {
        Some(Kept { path, digest: Err(error) }) => {
            eprintln!(
                "waypoint-verify: the recording {} is not whole, and cannot be replayed: {error}",
                path.display()
            );
            if code == exit::BYPASSED { code } else { exit::NOT_VERIFIABLE }
        }
        _ => code,
    }
}

/// Of the epoch.
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
