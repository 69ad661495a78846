//! The command line. One file per command.

mod agent;
mod attest;
mod bus;
mod canary;
mod common;
mod declared;
mod doctor;
mod fresh;
mod gate;
mod kube;
mod recording;
mod replay;
mod routes;
mod run;
mod send;
mod verifier;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Proves that requests to a service really pass its waypoint proxy.
#[derive(Debug, Parser)]
#[command(name = "waypoint-verify", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge this machine's traffic live: probe, link, judge, print.
    Run(run::Args),
    /// Judge until enough was verified or anything was bypassed; for CI.
    Gate(gate::Args),
    /// Tell the declared paths to a policy's targets, and which of them skip its waypoint.
    Routes(routes::Args),
    /// Judge again what `run` or `gate` recorded: no probes, no root, any machine.
    Replay(replay::Args),
    /// Check what `gate --attest` signed.
    Attest(attest::Args),
    /// Testify for one node of a cluster: observe, and publish evidence to the bus.
    Agent(agent::Args),
    /// Judge a cluster: ask the agents, write the policies' status, answer.
    Verifier(verifier::Args),
    /// Send the requests that a gate wants to be seen; its Job runs this.
    Canary(canary::Args),
    /// Make the keys of the bus.
    Bus(bus::Args),
    /// Tell what this machine, the policies or the inventory lack, and what to do about it.
    Doctor(doctor::Args),
}

/// Exit codes of every command.
pub mod exit {
    /// Verified.
    pub const VERIFIED: u8 = 0;
    /// Something bypassed the waypoint.
    pub const BYPASSED: u8 = 1;
    /// Usage or configuration.
    pub const CONFIGURATION: u8 = 2;
    /// Not verifiable: too little traffic, or blind somewhere.
    pub const NOT_VERIFIABLE: u8 = 3;
}

impl Cli {
    /// Runs the command; every error has been told on standard error.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Run(args) => run::run(&args),
            Command::Gate(args) => gate::run(&args),
            Command::Routes(args) => routes::run(&args),
            Command::Attest(args) => attest::run(&args),
            Command::Replay(args) => replay::run(&args),
            Command::Agent(args) => agent::run(&args),
            Command::Verifier(args) => verifier::run(&args),
            Command::Canary(args) => canary::run(&args),
            Command::Bus(args) => bus::run(&args),
            Command::Doctor(args) => doctor::run(&args),
        };
        match outcome {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("waypoint-verify: {error:#}");
                ExitCode::from(exit::CONFIGURATION)
            }
        }
    }
}
