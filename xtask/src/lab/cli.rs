//! `xtask lab ...`: a lab in the background, to look around in and to point `waypoint-verify` at.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;

use super::supervisor::{self, Order};
use super::watchdog;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the lab: there can be several
    #[arg(long, default_value = "main", global = true)]
    id: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build it and leave it running; what a crash left of an earlier one is removed first
    Up {
        /// Another topology than xtask/topology.yaml
        #[arg(long)]
        topology: Option<PathBuf>,
    },
    /// End its processes and remove everything
    Down,
    /// What runs where
    Status,
    /// Apply HTTPRoutes and ReferenceGrants from a file (`-`: standard input), until every Envoy serves them
    Apply { file: PathBuf },
    /// Back to the objects of the topology
    Reset,
    /// Run a program in a place, as `kubectl exec` would: POD, POD/CONTAINER, NODE or `outside`
    Exec {
        place: String,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

pub fn main(arguments: Args) -> Result<()> {
    let id = &arguments.id;
    match arguments.command {
        Command::Up { topology } => up(id, topology.as_deref()),
        Command::Down => down(id),
        Command::Status => status(id),
        Command::Apply { file } => supervisor::order(id, &Order::Apply(read(&file)?)),
        Command::Reset => supervisor::order(id, &Order::Reset),
        Command::Exec { place, command } => exec(id, &place, &command),
    }
}

fn up(id: &str, topology: Option<&Path>) -> Result<()> {
    let start = std::time::Instant::now();
    supervisor::start(id, topology)?;
    println!("lab {id} is up after {:.1} s", start.elapsed().as_secs_f64());
    status(id)
}

fn down(id: &str) -> Result<()> {
    if watchdog::is_up(id)? {
        supervisor::order(id, &Order::Down)?;
        println!("lab {id} is down");
    } else {
        watchdog::sweep(id)?;
        println!("lab {id} was not up");
    }
    Ok(())
}

fn status(id: &str) -> Result<()> {
    if !watchdog::is_up(id)? {
        println!("lab {id} is not up");
        return Ok(());
    }
    let state = watchdog::state_dir(id);
    let mut text = format!("{:<34} {:<13} {:<26} cgroup\n", "place", "address", "network namespace");
    for (name, place) in super::places::read(&state)? {
        let cgroup = place.cgroup.display();
        text.push_str(&format!("{name:<34} {:<13} {:<26} {cgroup}\n", place.address, place.netns));
    }
    for file in ["cluster.yaml", "policy.yaml"] {
        text.push_str(&format!("{}\n", state.join(file).display()));
    }
    // `| head` is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn exec(id: &str, place: &str, command: &[String]) -> Result<()> {
    let places = super::places::read(&watchdog::state_dir(id)).with_context(|| format!("lab {id} is not up"))?;
    let named = |name: &str| name == place || name.split_once('/').is_some_and(|(pod, _)| pod == place);
    let Some((name, found)) = places.iter().find(|(name, _)| named(name)) else {
        bail!("lab {id} has no place {place}")
    };
    let (program, arguments) = command.split_first().context("a program is expected")?;
    let place = super::Place::new(name.clone(), &found.netns, found.cgroup.clone(), Path::new(""));
    // Becomes the program: its exit code and signals are this command's.
    Err(place.command(program)?.args(arguments).exec()).with_context(|| program.clone())
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        ensure!(!text.is_empty(), "standard input is empty");
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}
