//! `waypoint-verify run`: live verdicts of this machine, until SIGINT or SIGTERM.

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::common::{Observation, Sources, finish, observe, prepare};
use super::exit;
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
}

/// Exit code 0: `run` reports, it does not judge the run as a whole.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let watch = prepare(&args.sources)?;
    let (summary, _) = observe(watch, &args.observation, Some(args.output), None, |_| false)?;
    let text = match args.output {
        Stream::Text => summary.to_string(),
        Stream::Json => serde_json::to_string(&summary).context("writing the summary")?,
    };
    finish(&format!("{text}\n"))?;
    Ok(exit::VERIFIED)
}
