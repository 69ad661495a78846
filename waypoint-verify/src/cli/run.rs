//! `waypoint-verify run`: live verdicts of this machine, until SIGINT or SIGTERM.

use clap::Args as ClapArgs;

use super::common::{Observation, Sources, finish, observe, prepare};
use super::exit;

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    observation: Observation,
}

/// Exit code 0: `run` reports, it does not judge the run as a whole.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let watch = prepare(&args.sources)?;
    let (summary, _) = observe(watch, &args.observation, None, |_| false)?;
    finish(&summary, args.observation.output)?;
    Ok(exit::VERIFIED)
}
