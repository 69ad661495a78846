//! `waypoint-verify run`: live verdicts of this machine, until SIGINT or SIGTERM.

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::common::{Observation, Sources, finish, observe, prepare};
use super::exit;
use super::recording::{self, Recording};
use crate::recording::Command;
use crate::report::Stream;

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    observation: Observation,
    /// How verdicts are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Stream::Text)]
    output: Stream,
    #[command(flatten)]
    recording: Recording,
}

/// Exit code 0: `run` reports, it does not judge the run as a whole. 3 where it was to be recorded, and is not whole.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let planned = args.recording.plan(Command::Run, 1, &args.sources)?;
    let watch = prepare(&args.sources)?;
    recording::unchanged(planned.as_ref(), &args.sources)?;
    let (summary, _, kept) = observe(watch, &args.observation, Some(args.output), None, planned, |_, _| false)?;
    let text = match args.output {
        Stream::Text => summary.to_string(),
        Stream::Json => serde_json::to_string(&summary).context("writing the summary")?,
    };
    finish(&format!("{text}\n"))?;
    Ok(recording::told(kept.as_ref(), exit::VERIFIED))
}
