//! `waypoint-verify attest verify`: what a gate's attestation is worth. [`Attesting`] is the gate's side.

mod gate;
mod words;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;

use super::exit;
use super::replay;
use crate::attest::check::{Attested, Mismatch, read};
use crate::attest::dsse::{SIZE, open};
use crate::attest::keys::PublicKey;
use crate::attest::statement::Outcome;
use crate::engine::load;
use crate::judge::Explain;
use crate::policy::{Loaded, read_policies};
use crate::recording::{Replayed, Role, Source, for_the_judge, sources};
pub use gate::{Attesting, told, told_of_cluster};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Check who signed an attestation, and that it is of these files; with --replay, that its evidence says so.
    Verify(Verify),
}

#[derive(Clone, Debug, ClapArgs)]
struct Verify {
    /// The public key of who is to have signed it (PEM).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What `gate --attest` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Policies that it has to be of (files or directories, repeatable).
    #[arg(long = "policy", short = 'p', value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Inventory that it has to be of (files or directories, repeatable).
    #[arg(long, short = 'i', value_name = "PATH")]
    inventory: Vec<PathBuf>,
    /// The recording that it has to be of.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Judge the evidence again: the result has to be the same.
    #[arg(long, requires = "evidence")]
    replay: bool,
}

/// What was compared with an attestation.
struct Compared {
    given: Vec<Source>,
    /// Files that hold what the policy of a cluster asks for.
    same: Vec<Source>,
    /// That policy.
    held: Option<Value>,
    replayed: Option<Replayed>,
    /// The watch list of the evidence was made again of policies and inventory.
    made_again: bool,
}

/// 0 PASSED, 1 FAILED or not to be believed, 2 usage, 3 WARNED (not verifiable).
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let Command::Verify(args) = &args.command;
    let pem = std::fs::read(&args.key).with_context(|| format!("--key {}", args.key.display()))?;
    let key = PublicKey::from_pem(&pem).with_context(|| format!("--key {}", args.key.display()))?;
    let octets = bounded(&args.file).with_context(|| args.file.display().to_string())?;
    let given = given(args)?;

    let refuse = |why: &dyn std::fmt::Display| {
        eprintln!("waypoint-verify: {} is not to be believed: {why}", args.file.display());
        Ok(exit::BYPASSED)
    };
    let opened = match open(&octets, &key) {
        Ok(opened) => opened,
        Err(why) => return refuse(&why),
    };
    let attested = match read(&opened.payload) {
        Ok(attested) => attested,
        Err(why) => return refuse(&why),
    };
    // A policy of a cluster is no file: one that asks for the same is as good.
    let held = attested.policy();
    let (same, given): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|source| held.as_ref().is_some_and(|held| asks_the_same(source, held)));
    if let Err(why) = attested.compare(&given) {
        return refuse(&why);
    }
    let mut compared = Compared { given, same, held, replayed: None, made_again: false };
    if let Some(evidence) = args.evidence.as_ref().filter(|_| args.replay) {
        let replayed = match replay::judge(evidence, Explain::Nothing, |judged| {
            judged.clear();
            Ok(())
        }) {
            Ok(replayed) => replayed,
            Err(why) => return refuse(&format!("{why:#}")),
        };
        if let Err(why) = attested.judged_again(&replayed) {
            return refuse(&why);
        }
        match made_again(&attested, &compared.given, &replayed, args) {
            Ok(made_again) => compared.made_again = made_again,
            Err(why) => return refuse(&why),
        }
        compared.replayed = Some(replayed);
    }
    print!("{}", words::of(&args.file, &key, opened.others, &attested, &compared));
    Ok(match attested.statement.predicate.result {
        Outcome::Passed => exit::VERIFIED,
        Outcome::Failed => exit::BYPASSED,
        Outcome::Warned => exit::NOT_VERIFIABLE,
    })
}

/// The files to compare. A path that names none is a mistake: it would look compared.
fn given(args: &Verify) -> anyhow::Result<Vec<Source>> {
    let mut given = Vec::new();
    let paths = [(Role::Policy, &args.policies[..]), (Role::Inventory, &args.inventory)];
    for (role, paths) in paths.into_iter().chain([(Role::Evidence, args.evidence.as_slice())]) {
        for path in paths {
            let found = sources(role, std::slice::from_ref(path))?;
            if found.is_empty() {
                bail!("{role} {}: there is no file to compare (standard input cannot be)", path.display());
            }
            given.extend(found);
        }
    }
    Ok(given)
}

/// Whether the file holds the policy of this name, and it asks for the same.
fn asks_the_same(source: &Source, held: &Value) -> bool {
    if source.role != Role::Policy {
        return false;
    }
    let (policies, ..) = read_policies([&source.name]);
    let is_it = |one: &Loaded| {
        held["metadata"]["namespace"] == one.namespace.as_str() && held["metadata"]["name"] == one.name.as_str()
    };
    let asks = |one: &Loaded| serde_json::to_value(&one.policy.spec).is_ok_and(|spec| spec == held["spec"]);
    policies.iter().any(|one| is_it(one) && asks(one))
}

/// Where all policies and all of the inventory are at hand, and this is the version that recorded: they have to make the watch
/// list of the evidence. Another version may make another one.
fn made_again(attested: &Attested, given: &[Source], replayed: &Replayed, args: &Verify) -> Result<bool, Mismatch> {
    let all = attested.not_among(given).next().is_none();
    if !all || replayed.begin.program != env!("CARGO_PKG_VERSION") {
        return Ok(false);
    }
    match load(&args.policies, &args.inventory) {
        Ok(watch) if for_the_judge(&watch) == replayed.begin.watch => Ok(true),
        _ => Err(Mismatch::OtherWatchList),
    }
}

fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(SIZE as u64 + 1).read_to_end(&mut octets)?;
    Ok(octets)
}
