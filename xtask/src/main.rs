//! `cargo xtask`: one task runner for everything that people do while working on this program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use xtask::lab::{supervisor, watchdog};
use xtask::{attack, bench, client, crd, demo, fuzz, image, kind, lab, lint, mutants, root, setup, test, tools};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what a fresh Debian 12 lacks (asks for nothing; uses sudo if not root)
    Setup,
    /// Nodes, pods and Gateways on this machine, of namespaces, cgroups and the real proxies
    Lab(lab::cli::Args),
    /// Every way past the waypoint and through it, with real traffic, judged by the real program
    Demo(demo::Args),
    /// Who wants the word Verified without having passed the waypoint: every attack, and the score
    Attack(attack::Args),
    /// What observing costs, measured beside traffic that nobody observes; written into docs/performance.md
    Bench(bench::Args),
    /// Coverage-guided fuzzing of every parser that an attacker's octets reach (docs/fuzzing.md)
    Fuzz(fuzz::Args),
    /// Takes single checks out of wire, link and judge, and sees whether a test notices (docs/fuzzing.md)
    Mutants(mutants::Args),
    /// Set up what is missing and run all tests
    Test(test::Args),
    /// A real cluster on this machine, by docker, kind, helm and kubectl (kind/README.md)
    Kind(kind::Args),
    /// The container image (Dockerfile)
    Image(image::Args),
    /// The custom resource definition, from the program's own types into manifests/crd/
    Crd,
    /// Formatting, clippy on the user and the kernel side, licences
    Lint,
    /// The lab's HTTP client: a script on standard input
    #[command(hide = true)]
    Client,
    /// The lab's reader of bodies
    #[command(hide = true)]
    Sink { socket: PathBuf },
    /// A tool of the lab's attackers and rarer clients: its script on standard input
    #[command(hide = true)]
    Tool { name: tools::Tool },
    /// Removes a lab when its owner is gone
    #[command(hide = true)]
    LabWatchdog { id: String },
    /// Owns the lab of `lab up`
    #[command(hide = true)]
    LabSupervisor { id: String, topology: Option<PathBuf> },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Setup => setup::main(),
        Command::Lab(arguments) => root::again(&[]).and_then(|()| lab::cli::main(arguments)),
        Command::Demo(arguments) => demo::main(&arguments),
        Command::Attack(arguments) => attack::main(&arguments),
        Command::Bench(arguments) => bench::main(&arguments),
        Command::Fuzz(arguments) => fuzz::main(&arguments),
        Command::Mutants(arguments) => mutants::main(&arguments),
        Command::Test(arguments) => test::main(&arguments),
        Command::Kind(arguments) => kind::main(&arguments),
        Command::Image(arguments) => image::main(&arguments),
        Command::Crd => crd::main(),
        Command::Lint => lint::main(),
        Command::Client => client::main(),
        Command::Sink { socket } => client::sink::main(&socket),
        Command::Tool { name } => tools::main(name),
        Command::LabWatchdog { id } => watchdog::main(&id),
        Command::LabSupervisor { id, topology } => supervisor::main(&id, topology.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
