//! `waypoint-verify gate`: an exit code for CI, for this machine or for a policy of a cluster.

mod cluster;

use std::time::Duration;

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::attest::{self, Attesting};
use super::common::{Format, Observation, Sources, finish, observe, prepare};
use super::exit;
use super::recording::{self, Recording};
use crate::engine::Engine;
use crate::judge::PolicyVerdict;
use crate::recording::Command;

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    observation: Observation,
    #[command(flatten)]
    access: cluster::Access,
    #[command(flatten)]
    recording: Recording,
    #[command(flatten)]
    attesting: Attesting,
    /// Requests that must have been verified, under every policy.
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_verified: u64,
    /// Seconds after which the gate decides with what it has.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Observe until the timeout or a signal even if the outcome is clear, for complete counts.
    #[arg(long)]
    keep_going: bool,
}

/// 0 every policy is verified, 1 something bypassed, 3 not verifiable.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    // A policy that is no file, without an inventory, is one of the cluster.
    if let ([policy], []) = (&args.sources.policies[..], &args.sources.inventory[..])
        && !policy.exists()
    {
        args.recording.refuse("--record is for one machine: a policy of a cluster is judged by its verifier")?;
        args.attesting.refuse("--attest is for one machine: a policy of a cluster is judged by its verifier")?;
        return of_cluster(args, &policy.to_string_lossy());
    }
    let planned = args.recording.plan(Command::Gate, args.min_verified, &args.sources)?;
    let attesting = args.attesting.plan(&args.sources, args.min_verified)?;
    let watch = prepare(&args.sources)?;
    recording::unchanged(planned.as_ref(), &args.sources)?;
    attesting.as_ref().map_or(Ok(()), |attesting| attesting.unchanged(&args.sources))?;
    let clear = |engine: &Engine| {
        let mut verdicts = engine.judge().tallies().map(|(_, tally)| tally.verdict(args.min_verified));
        let all: Vec<PolicyVerdict> = verdicts.by_ref().collect();
        all.contains(&PolicyVerdict::False)
            || (!engine.unsettled() && all.iter().all(|verdict| *verdict == PolicyVerdict::True))
    };
    let timeout = Duration::from_secs(args.timeout);
    let enough = |engine: &Engine| !args.keep_going && clear(engine);
    let (mut summary, _, kept) = observe(watch, &args.observation, Some(timeout), planned, enough)?;
    summary.decide(args.min_verified);
    let code = code(summary.verdict());
    finish(&summary, args.observation.output)?;
    let code = recording::told(kept.as_ref(), code);
    Ok(attest::told(attesting, &summary, kept.as_ref(), code))
}

fn of_cluster(args: &Args, policy: &str) -> anyhow::Result<u8> {
    let name = args.access.name(policy);
    let output = args.observation.output;
    let wanted = cluster::Wanted {
        min_verified: args.min_verified,
        timeout: Duration::from_secs(args.timeout),
        keep_going: args.keep_going,
        output,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let found = runtime.block_on(cluster::watch(&args.access, &name, wanted))?;
    match output {
        Format::Text => println!("{found}"),
        Format::Json => println!("{}", serde_json::to_string(&found).context("writing the outcome")?),
    }
    Ok(code(found.verdict))
}

pub fn code(verdict: PolicyVerdict) -> u8 {
    match verdict {
        PolicyVerdict::True => exit::VERIFIED,
        PolicyVerdict::False => exit::BYPASSED,
        PolicyVerdict::Unknown => exit::NOT_VERIFIABLE,
    }
}
