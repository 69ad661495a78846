//! `waypoint-verify routes`: the declared paths, and which of them skip the waypoint.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueEnum};

use super::exit;
use crate::manifest::{self, Object, Problem, Problems};
use crate::policy::{Loaded, take_policies};
use crate::routes::{Analysis, Demand, Dialect, World, analyze, check, dot, tree};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Files or directories with the objects, `-` for standard input (repeatable). WaypointPolicies in them are taken, too.
    #[arg(long = "filename", short = 'f', value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
    /// Files or directories with WaypointPolicy objects (repeatable); by default those among the objects.
    #[arg(long = "policy", short = 'p', value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Namespace of objects that name none.
    #[arg(long, short = 'n', default_value = "default")]
    namespace: String,
    /// How rules win over each other, whatever controller serves a Gateway.
    #[arg(long, value_enum)]
    dialect: Option<DialectArg>,
    /// Count only paths that can be entered from there.
    #[arg(long, value_enum, default_value_t = FromArg::Any)]
    from: FromArg,
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DialectArg {
    #[value(name = "cilium-1.20")]
    Cilium120,
    Spec,
    /// Both; each path says who would serve it so.
    Union,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FromArg {
    Any,
    /// Whoever reaches the nodes or load balancers of the cluster.
    Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    /// For Graphviz.
    Dot,
}

/// 0 no path past the waypoint, 1 some, 3 none, but something unread or not understood could be one.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let (objects, mut problems) = manifest::read_paths(&args.files);
    let (policies, objects) = policies(args, objects, &mut problems)?;
    let mut world = World::from_objects(objects, &args.namespace);
    // Files that cannot be read may hold a path.
    world.unread.extend(problems);
    let dialects = match args.dialect {
        None => Vec::new(),
        Some(DialectArg::Cilium120) => vec![Dialect::Cilium120],
        Some(DialectArg::Spec) => vec![Dialect::Spec],
        Some(DialectArg::Union) => Dialect::ALL.to_vec(),
    };
    let demands: Vec<_> = policies.iter().map(Demand::of).collect();
    let missing: Vec<_> = demands.iter().flat_map(|demand| check(&world, demand)).collect();
    if !missing.is_empty() {
        return Err(Problems(missing).into());
    }
    for demand in &demands {
        world.assume_pods_of(demand.targets.iter().chain([&demand.waypoint]));
    }
    let mut analyses = Vec::new();
    for demand in &demands {
        let mut analysis = analyze(&world, demand, &dialects);
        if args.from == FromArg::Outside {
            analysis.paths.retain(|path| !path.class.is_past() || path.from_outside());
        }
        analyses.push(analysis);
    }
    print(&analyses, args.output)?;
    Ok(code(&analyses))
}

fn policies(
    args: &Args,
    objects: Vec<Object>,
    problems: &mut Vec<Problem>,
) -> anyhow::Result<(Vec<Loaded>, Vec<Object>)> {
    let (more, mut wrong) = manifest::read_paths(&args.policies);
    let (policies, others) = take_policies(objects.into_iter().chain(more).collect(), &mut wrong);
    let (errors, findings): (Vec<_>, Vec<_>) = wrong.into_iter().partition(Problem::is_error);
    problems.extend(findings);
    if !errors.is_empty() {
        return Err(Problems(errors).into());
    }
    if policies.is_empty() {
        anyhow::bail!("no WaypointPolicy among the objects: name a file that holds one with --policy");
    }
    Ok((policies, others))
}

fn print(analyses: &[Analysis], output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for analysis in analyses {
        match output {
            Output::Text => writeln!(out, "{}", tree(analysis).trim_end()),
            Output::Json => writeln!(out, "{}", serde_json::to_string(analysis).context("writing the analysis")?),
            Output::Dot => write!(out, "{}", dot(analysis)),
        }
        .context("writing to standard output")?;
    }
    Ok(())
}

fn code(analyses: &[Analysis]) -> u8 {
    if analyses.iter().any(|analysis| analysis.past().next().is_some()) {
        exit::BYPASSED
    } else if analyses.iter().any(Analysis::is_partial) {
        exit::NOT_VERIFIABLE
    } else {
        exit::VERIFIED
    }
}
