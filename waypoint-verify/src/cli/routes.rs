//! `waypoint-verify routes`: the declared paths, which of them skip the waypoint, and what a change opens.

pub mod source;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueEnum};
use k8s_openapi::jiff::Timestamp;

use super::declared::Lines;
use super::exit;
use super::kube::Kube;
use crate::manifest::{Problem, Problems, read_paths};
use crate::policy::Loaded;
use crate::report::outcome::of_routes;
use crate::report::{github, junit, sarif};
use crate::routes::{
    Analysis, Assumptions, Change, Class, Demand, Dialect, Enforcement, Path, World, analyze, analyze_all, changes,
    check, dot, tree,
};
use source::{Source, State};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// The objects: files or directories, `-` for standard input, or `cluster` (repeatable). WaypointPolicies in them are taken, too.
    #[arg(long = "filename", short = 'f', value_name = "SOURCE", required_unless_present = "base")]
    files: Vec<Source>,
    /// Compare: the objects before a change (repeatable).
    #[arg(long, value_name = "SOURCE", conflicts_with = "files")]
    base: Vec<Source>,
    /// With --base: all objects after the change (repeatable).
    #[arg(long, value_name = "SOURCE", requires = "base", required_unless_present_any = ["files", "apply", "delete"])]
    head: Vec<Source>,
    /// With --base, instead of --head: objects that the change adds or replaces (repeatable).
    #[arg(long, value_name = "SOURCE", requires = "base", conflicts_with = "head")]
    apply: Vec<Source>,
    /// With --base, instead of --head: objects that the change removes (repeatable).
    #[arg(long, value_name = "SOURCE", requires = "base", conflicts_with = "head")]
    delete: Vec<Source>,
    /// Files or directories with WaypointPolicy objects (repeatable); by default those among the objects.
    #[arg(long = "policy", short = 'p', value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Namespace of objects that name none.
    #[arg(long, short = 'n', default_value = "default")]
    namespace: String,
    /// For the source `cluster`.
    #[command(flatten)]
    kube: Kube,
    /// How rules win over each other, whatever controller serves a Gateway.
    #[arg(long, value_enum)]
    dialect: Option<DialectArg>,
    #[command(flatten)]
    policing: Policing,
    /// Leave out paths past the waypoint that cannot be entered from there.
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

/// What no object says of NetworkPolicies.
#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub struct Policing {
    /// How the nodes enforce NetworkPolicies (Cilium's `policyEnforcementMode`); without it, they close no path.
    #[arg(long, value_enum, value_name = "MODE")]
    policy_enforcement: Option<EnforcementArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EnforcementArg {
    /// Of pods that a policy selects.
    Default,
    /// Of all pods: those that no policy selects let in nobody.
    Always,
    Never,
}

impl Policing {
    pub fn mode(self) -> Option<Enforcement> {
        self.policy_enforcement.map(|mode| match mode {
            EnforcementArg::Default => Enforcement::Default,
            EnforcementArg::Always => Enforcement::Always,
            EnforcementArg::Never => Enforcement::Never,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FromArg {
    Any,
    /// Pods and whoever is outside; not what runs in the own network of the target's node, which no NetworkPolicy shuts out.
    Pods,
    /// Whoever reaches the nodes or load balancers of the cluster.
    Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    /// For Graphviz.
    Dot,
    /// JUnit's XML: a test case for each policy.
    Junit,
    /// SARIF 2.1.0, with the lines of files.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// 0 no path past the waypoint, 1 some, 3 none, but something unread or not understood could be one. Of a change: those it opens.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    if args.base.is_empty() {
        let mut state = read(args, &args.files)?;
        let policies = policies(args, &mut state)?;
        let analyses = wanted(args, state, &policies)?;
        let past = analyses.iter().any(|analysis| analysis.past().next().is_some());
        let code = code(past, analyses.iter().any(Analysis::is_partial));
        tell(args.output, &analyses, code)?;
        return Ok(code);
    }
    let mut base = read(args, &args.base)?;
    let mut head = match args.head.is_empty() {
        true => base.changed(read(args, &args.apply)?, read(args, &args.delete)?),
        false => read(args, &args.head)?,
    };
    // The policies that hold after the change; one that it removes asks for nothing any more.
    policies_of(&mut base)?;
    let policies = policies(args, &mut head)?;
    let (base, head) = (before(args, base, &policies), wanted(args, head, &policies)?);
    let found: Vec<_> = base.iter().zip(&head).map(|(base, head)| Change::between(base, head)).collect();
    let code = code(found.iter().any(Change::opens_past), found.iter().any(Change::is_partial));
    tell_changes(args.output, &found, code)?;
    Ok(code)
}

fn code(past: bool, partial: bool) -> u8 {
    match (past, partial) {
        (true, _) => exit::BYPASSED,
        (false, true) => exit::NOT_VERIFIABLE,
        (false, false) => exit::VERIFIED,
    }
}

/// Takes the policies out of a state; of files that hold none, those of `--policy`.
fn policies(args: &Args, state: &mut State) -> anyhow::Result<Vec<Loaded>> {
    let mut found = policies_of(state)?;
    if !args.policies.is_empty() {
        let (objects, problems) = read_paths(&args.policies);
        let mut given = State { objects, unread: problems };
        given.place(&args.namespace);
        found = policies_of(&mut given)?;
        state.objects.extend(given.objects);
        state.unread.extend(given.unread);
    }
    if found.is_empty() {
        anyhow::bail!("no WaypointPolicy among the objects: name a file that holds one with --policy");
    }
    Ok(found)
}

/// A policy that is wrong ends the command.
fn policies_of(state: &mut State) -> anyhow::Result<Vec<Loaded>> {
    let (policies, problems) = state.take_policies();
    let (errors, findings): (Vec<_>, Vec<_>) = problems.into_iter().partition(Problem::is_error);
    state.unread.extend(findings);
    if errors.is_empty() { Ok(policies) } else { Err(Problems(errors).into()) }
}

fn read(args: &Args, sources: &[Source]) -> anyhow::Result<State> {
    State::read(sources, &args.kube, &args.namespace)
}

/// Of each policy, without the paths that are not asked for.
fn wanted(args: &Args, state: State, policies: &[Loaded]) -> anyhow::Result<Vec<Analysis>> {
    let mut analyses = analyses(state, policies, &assumptions(args))?;
    analyses.iter_mut().for_each(|analysis| analysis.paths.retain(|path| counts(args, path)));
    Ok(analyses)
}

/// The same of the state before a change. A policy whose Services or Gateways only the change brings had no paths.
fn before(args: &Args, state: State, policies: &[Loaded]) -> Vec<Analysis> {
    let demands: Vec<_> = policies.iter().map(Demand::of).collect();
    let world = World::of_demands(state.objects, state.unread, &demands);
    let of = |demand: &Demand| {
        let mut analysis = analyze(&world, demand, &assumptions(args));
        let is_there = check(&world, demand).is_empty();
        analysis.paths.retain(|path| is_there && counts(args, path));
        analysis
    };
    demands.iter().map(of).collect()
}

fn assumptions(args: &Args) -> Assumptions {
    let dialects = match args.dialect {
        None => Vec::new(),
        Some(DialectArg::Cilium120) => vec![Dialect::Cilium120],
        Some(DialectArg::Spec) => vec![Dialect::Spec],
        Some(DialectArg::Union) => Dialect::ALL.to_vec(),
    };
    Assumptions { dialects, enforcement: args.policing.mode() }
}

fn counts(args: &Args, path: &Path) -> bool {
    let is_wanted = match args.from {
        FromArg::Any => true,
        FromArg::Pods => path.from_pods(),
        FromArg::Outside => path.from_outside(),
    };
    is_wanted || !matches!(path.class, Class::Past { .. })
}

/// Declared paths of each policy.
pub fn analyses(state: State, policies: &[Loaded], assumptions: &Assumptions) -> anyhow::Result<Vec<Analysis>> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for analysis in analyze_all(state.objects, state.unread, policies, assumptions) {
        match analysis {
            Ok(analysis) => found.push(analysis),
            Err(problems) => missing.extend(problems),
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(Problems(missing).into()) }
}

fn tell(output: Output, analyses: &[Analysis], exit_code: u8) -> anyhow::Result<()> {
    let all = |one: fn(&Analysis) -> String| analyses.iter().map(one).collect::<String>();
    let text = match output {
        Output::Text => all(tree),
        Output::Dot => all(dot),
        Output::Json => lines(analyses)?,
        Output::Junit | Output::Sarif | Output::Github => report(output, analyses, exit_code),
    };
    write(&text)
}

fn tell_changes(output: Output, found: &[Change], exit_code: u8) -> anyhow::Result<()> {
    let text = match output {
        Output::Text => found.iter().map(changes).collect(),
        Output::Json => lines(found)?,
        Output::Dot => anyhow::bail!("a change has no graph: use another format"),
        Output::Junit | Output::Sarif | Output::Github => {
            // What is opened, as if it were all there is.
            let opened = found.iter().map(|change| Analysis {
                policy: change.policy.clone(),
                paths: change.opened.clone(),
                unread: change.unread.clone(),
                findings: Vec::new(),
            });
            report(output, &opened.collect::<Vec<_>>(), exit_code)
        }
    };
    write(&text)
}

/// `exit_code` is what the command ends with.
fn report(output: Output, analyses: &[Analysis], exit_code: u8) -> String {
    let files = Lines::default();
    let outcome = of_routes(analyses, &|hop| files.locate(hop), Timestamp::now());
    match output {
        Output::Junit => junit::junit(&outcome),
        Output::Github => github::github(&outcome),
        _ => sarif::sarif(&outcome, exit_code),
    }
}

/// One JSON object a line.
fn lines<T: serde::Serialize>(all: &[T]) -> anyhow::Result<String> {
    let mut text = String::new();
    for one in all {
        text.push_str(&serde_json::to_string(one).context("writing the answer")?);
        text.push('\n');
    }
    Ok(text)
}

fn write(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing to standard output")
}
