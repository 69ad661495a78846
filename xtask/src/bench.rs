//! `cargo xtask bench`: what observing costs, measured beside the same traffic unobserved.

mod connections;
mod empty;
pub(crate) mod load;
mod micro;
mod packets;
mod path;
pub(crate) mod proc;
mod rate;
pub mod scale;
mod table;

use std::time::Duration;

use anyhow::Result;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use crate::{demo, setup};
use table::Table;

#[derive(Debug, Clone, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// Shorter intervals and fewer rounds; docs/performance.md stays as it is
    #[arg(long)]
    quick: bool,
    /// Only these parts (repeatable); docs/performance.md stays as it is
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Setup, build and what needs no root were done (by the part that ran without it)
    #[arg(long, hide = true)]
    built: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum Other {
    /// One verifier of a cluster of many nodes, by simulation of their agents
    Scale(scale::Args),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Saturated keep-alive HTTP to a watched backend, beside nothing, tcpdump and one more proxy
    Rate,
    /// The same by HTTP/2, 100 streams on each connection
    Http2,
    /// The same by HTTP/2 in gRPC's form
    Grpc,
    /// Memory at 10,000 open connections
    Connections,
    /// BPF programs on packets of sockets that nobody watches
    Packets,
    /// The whole path, everything watched
    Path,
    /// Tracing and judging alone (criterion)
    Micro,
}

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Extent {
    rounds: usize,
    interval: Duration,
}

type Measure = fn(Extent, &mut Table) -> Result<()>;

pub fn main(arguments: &Args) -> Result<()> {
    if let Some(Other::Scale(arguments)) = &arguments.other {
        return scale::main(arguments);
    }
    let wanted = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    if !arguments.built {
        setup::lab()?;
        demo::build()?;
        if wanted(Part::Micro) {
            micro::run(arguments.quick)?;
        }
        crate::root::again(&["--built"])?;
    }
    let extent = if arguments.quick {
        Extent { rounds: 5, interval: Duration::from_secs(1) }
    } else {
        Extent { rounds: 21, interval: Duration::from_secs(2) }
    };
    let mut table = Table::default();
    let parts: [(Part, Measure); 7] = [
        (Part::Rate, rate::http1),
        (Part::Http2, rate::http2),
        (Part::Grpc, rate::grpc),
        (Part::Connections, connections::measure),
        (Part::Packets, packets::measure),
        (Part::Micro, |_, table| micro::collect(table)),
        (Part::Path, path::measure),
    ];
    for (part, measure) in parts {
        if wanted(part) {
            measure(extent, &mut table)?;
        }
    }
    println!("{table}");
    if arguments.part.is_empty() && !arguments.quick {
        table.write(extent)?;
    }
    Ok(())
}
