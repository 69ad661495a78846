//! `cargo xtask demo`: every way past the waypoint and every honest way through it, with real traffic, judged by the real program.

pub mod cluster;
mod counts;
pub mod past;
mod scenario;
mod scenarios;
mod verifier;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, ValueEnum};

use crate::{cargo, setup};
pub use counts::Count;
pub use scenario::{Row, Scenario};
pub use scenarios::ALL;
pub use verifier::{Ended, Verifier, binary};

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Only these scenarios (repeatable)
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Run everything so many times and compare the counts
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u32,
    /// Name the scenarios and end
    #[arg(long)]
    list: bool,
    /// In a cluster instead: a real API server, Cilium's Gateway API controller, NATS, a verifier and an agent on each node
    #[arg(long, conflicts_with_all = ["scenario", "format", "repeat", "list"])]
    cluster: bool,
    /// Setup and build were done (by the part that ran without root)
    #[arg(long, hide = true)]
    built: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    /// One object a line
    Json,
}

pub fn main(arguments: &Args) -> Result<()> {
    if arguments.cluster {
        if !arguments.built {
            setup::main()?;
            build()?;
            crate::root::again(&["--built"])?;
        }
        return cluster::main();
    }
    if arguments.list {
        for scenario in ALL {
            println!("{:<22} {}", scenario.name, scenario.about);
        }
        return Ok(());
    }
    let chosen: Vec<&Scenario> = if arguments.scenario.is_empty() {
        ALL.iter().collect()
    } else {
        let find = |name: &String| {
            ALL.iter().find(|scenario| scenario.name == *name).with_context(|| {
                let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
                format!("no scenario {name}; there are {}", names.join(", "))
            })
        };
        arguments.scenario.iter().map(find).collect::<Result<_>>()?
    };
    if !arguments.built {
        setup::lab()?;
        build()?;
        crate::root::again(&["--built"])?;
    }
    let mut before: BTreeMap<&str, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    if arguments.format == Format::Text {
        println!("{}", Row::HEADER);
    }
    for round in 1..=arguments.repeat {
        for scenario in &chosen {
            let row = scenario.run().with_context(|| format!("scenario {}", scenario.name))?;
            match arguments.format {
                Format::Text => println!("{row}"),
                Format::Json => println!("{}", serde_json::to_string(&row)?),
            }
            wrong.extend(row.wrong.iter().map(|wrong| format!("round {round}, {}: {wrong}", scenario.name)));
            let counts = row.comparable();
            let first = before.entry(scenario.name).or_insert_with(|| counts.clone());
            if *first != counts {
                wrong
                    .push(format!("round {round}, {}: {counts} differs from the first round's {first}", scenario.name));
            }
        }
    }
    for wrong in &wrong {
        eprintln!("not as expected: {wrong}");
    }
    ensure!(wrong.is_empty(), "{} of the rows are not as expected", wrong.len());
    if arguments.repeat > 1 {
        eprintln!("{} rounds, the same counts in each", arguments.repeat);
    }
    Ok(())
}

/// The program as it is shipped.
pub fn build() -> Result<()> {
    eprintln!("building waypoint-verify (release)");
    cargo::run(&["build", "--release", "--quiet", "--package", "waypoint-verify"])
}
