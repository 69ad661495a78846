//! `waypoint-verify gate`: an exit code for CI, for this machine or for a policy of a cluster.

mod cluster;
mod files;
mod probing;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use k8s_openapi::jiff::Timestamp;

use super::attest::{self, Attesting};
use super::common::{Observation, Sources, finish, observe, prepare};
use super::declared::{self, Lines};
use super::exit;
use super::recording::{self, Recording};
use super::routes::Policing;
use super::routes::source::Source;
use crate::engine::Engine;
use crate::judge::{Judged, PolicyVerdict};
use crate::policy::read_policies;
use crate::recording::Command;
use crate::report::{Format, Outcome, Told};
use crate::routes::Analysis;
pub use cluster::Watched;
use files::Files;

const NOT_OF_OTHERS: &str =
    "--attest says what was observed of others: it is not for requests that the gate sends itself";

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
    /// Objects that declare paths, as `routes -f` takes them (repeatable): what they open past the waypoint is told beside what was
    /// seen. The policy has to be among them.
    #[arg(long, value_name = "SOURCE")]
    declared: Vec<Source>,
    #[command(flatten)]
    policing: Policing,
    #[command(flatten)]
    probing: probing::Witnesses,
    /// Observe until the timeout or a signal even if the outcome is clear, for complete counts.
    #[arg(long)]
    keep_going: bool,
    /// How the outcome is told on standard output. Single verdicts are only in text and json.
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Write the outcome into a file, too (repeatable): junit=gate.xml. A file that is there is removed at the start.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<files::Wanted>,
}

impl Args {
    /// A policy that is no file, without an inventory, is one of the cluster.
    fn policy_of_cluster(&self) -> Option<String> {
        match (&self.sources.policies[..], &self.sources.inventory[..]) {
            ([policy], []) if !policy.exists() => Some(policy.to_string_lossy().into_owned()),
            _ => None,
        }
    }
}

/// 0 every policy is verified, 1 something bypassed, 3 not verifiable.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let files = Files::prepare(&args.reports)?;
    let declared = declared(args)?;
    let mut told = match args.policy_of_cluster() {
        Some(policy) => {
            args.recording.refuse("--record is for one machine: a policy of a cluster is judged by its verifier")?;
            of_cluster(args, &policy, &declared)?
        }
        None => of_machine(args, &declared)?,
    };
    if !declared.is_empty() {
        let words = declared::tell(&declared, &mut told.outcome);
        told.text.push_str(&words);
        told.json = declared::lines(&declared)? + &told.json;
    }
    finish(&told.as_format(args.output)?)?;
    match files.write(|format| told.as_format(format)) {
        // The outcome is not told by all that was asked for.
        Err(error) if told.exit_code == exit::VERIFIED => return Err(error),
        Err(error) => eprintln!("waypoint-verify: {error:#}"),
        Ok(()) => {}
    }
    Ok(told.exit_code)
}

/// Read before anything is observed: what cannot be read ends the gate at once.
fn declared(args: &Args) -> anyhow::Result<Vec<Analysis>> {
    if args.declared.is_empty() {
        return Ok(Vec::new());
    }
    let policies = args.sources.policies.iter().filter(|path| path.exists()).cloned().map(Source::Path);
    let sources: Vec<_> = policies.chain(args.declared.iter().cloned()).collect();
    // Of a cluster one policy is asked for, and no other one is anybody's business here.
    let only = args.policy_of_cluster().map(|policy| args.access.name(&policy));
    declared::analyses(only.as_ref(), &sources, &args.access.kube, &args.access.namespace, args.policing)
}

fn of_machine(args: &Args, declared: &[Analysis]) -> anyhow::Result<Told> {
    let mut probes = args.probing.plan(declared)?;
    if probes.is_some() {
        args.attesting.refuse(NOT_OF_OTHERS)?;
    }
    let observation = Observation { explain: probes.is_some(), ..args.observation.clone() };
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
    let began = Timestamp::now();
    let enough = |engine: &Engine, judged: &[Judged]| {
        // Whatever is clear: what was sent is to be seen.
        let probed = probes.as_mut().is_none_or(|probes| {
            for one in judged {
                if let Some(explanation) = one.explanation.as_deref() {
                    probes.judged(&one.policy, &explanation.request, &one.verdict);
                }
            }
            probes.is_over()
        });
        !args.keep_going && probed && clear(engine)
    };
    let (mut summary, _, kept) = observe(watch, &observation, args.output.stream(), Some(timeout), planned, enough)?;
    summary.decide(args.min_verified);
    let exit_code = recording::told(kept.as_ref(), code(summary.verdict()));
    let exit_code = attest::told(attesting, &summary, kept.as_ref(), exit_code);
    let mut told = Told {
        text: summary.to_string(),
        json: serde_json::to_string(&summary).context("writing the summary")?,
        outcome: Outcome::of_machine(&summary, args.min_verified, began, Timestamp::now()),
        exit_code,
    };
    place(&mut told.outcome, &args.sources);
    if let Some(probes) = probes {
        probes.tell(&mut told);
    }
    Ok(told)
}

/// What is found of a policy is found where it is written; standard input and what has gone meanwhile is nowhere.
fn place(outcome: &mut Outcome, sources: &Sources) {
    let lines = Lines::default();
    let files = sources.policies.iter().filter(|path| *path != Path::new("-"));
    let (policies, ..) = read_policies(files);
    for policy in &policies {
        if let Some(at) = lines.of_policy(policy) {
            outcome.place(&policy.key(), &at);
        }
    }
}

fn of_cluster(args: &Args, policy: &str, declared: &[Analysis]) -> anyhow::Result<Told> {
    let name = args.access.name(policy);
    let wanted = cluster::Wanted {
        min_verified: args.min_verified,
        timeout: Duration::from_secs(args.timeout),
        keep_going: args.keep_going,
        stream: args.output.stream(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let began = Timestamp::now();
    let mut probes = args.probing.plan(declared)?;
    if probes.is_some() {
        args.attesting.refuse(NOT_OF_OTHERS)?;
    }
    let attesting =
        args.attesting.plan_for_cluster(args.min_verified, args.access.attested_since(args.attesting.is_wanted())?)?;
    let watched = runtime.block_on(cluster::watch(&args.access, &name, wanted, probes.as_mut()))?;
    let found = &watched.found;
    let mut told = Told {
        text: found.to_string(),
        json: serde_json::to_string(found).context("writing the outcome")?,
        outcome: found.outcome(args.min_verified, began, Timestamp::now()),
        exit_code: attest::told_of_cluster(attesting, &watched, code(found.verdict)),
    };
    if let Some(probes) = probes {
        probes.tell(&mut told);
    }
    Ok(told)
}

pub fn code(verdict: PolicyVerdict) -> u8 {
    match verdict {
        PolicyVerdict::True => exit::VERIFIED,
        PolicyVerdict::False => exit::BYPASSED,
        PolicyVerdict::Unknown => exit::NOT_VERIFIABLE,
    }
}
