//! All mutants in one build, tried one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::plant::{Mutant, plant};
use crate::{cargo, workspace};

const EXAMINED: [&str; 4] =
    ["waypoint-verify/src/wire", "waypoint-verify/src/trace", "waypoint-verify/src/link", "waypoint-verify/src/judge"];
const TESTS: [&str; 4] = ["pipeline", "wire_properties", "wire_responses", "wire_http2"];
/// A mutant may loop for ever.
const PATIENCE: Duration = Duration::from_secs(30);

const SWITCH: &str = "
#[doc(hidden)]
pub fn mutant(n: u32) -> bool {
    static ON: std::sync::LazyLock<Option<u32>> =
        std::sync::LazyLock::new(|| std::env::var(\"MUTANT\").ok().and_then(|n| n.parse().ok()));
    *ON == Some(n)
}
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Caught,
    /// Looped or waited for ever: caught too.
    Timeout,
    Missed,
}

/// Tries every `of`-th mutant, from the `part`-th on, of those that `only` names by file or by file and line.
pub fn run((part, of): (usize, usize), only: &[String], jobs: usize) -> Result<()> {
    let tree = workspace().join("target/mutants-tree");
    let mutants = make(&tree)?;
    let is_named = |mutant: &Mutant| {
        let place = format!("{}:{} ", mutant.file, mutant.line);
        // `:18` is not line 185.
        let fits =
            |name: &String| place.contains(name) && (!name.contains(':') || place.ends_with(&format!("{name} ")));
        only.is_empty() || only.iter().any(fits)
    };
    let named: Vec<usize> = (0..mutants.len()).filter(|n| is_named(&mutants[*n])).collect();
    let chosen: Vec<usize> = named.into_iter().skip(part).step_by(of).collect();
    println!("{} mutants, of which {} are tried", mutants.len(), chosen.len());
    let programs = build(&tree)?;
    ensure!(attempt(&programs, None, "")? == Outcome::Missed, "the tests fail without any mutant");
    let next = AtomicUsize::new(0);
    let counts = [const { AtomicUsize::new(0) }; 3];
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some(n) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mutant = &mutants[*n];
                let outcome = attempt(&programs, Some(*n), module(mutant))?;
                counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
                let Mutant { file, line, function, what } = mutant;
                println!("{outcome:?} #{n} {file}:{line} {function}: {what}");
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")))
    })?;
    let [caught, timeout, missed] = counts.map(AtomicUsize::into_inner);
    println!("{caught} caught, {timeout} timed out, {missed} missed, of {}", chosen.len());
    Ok(())
}

/// `wire`, `trace`, `link` or `judge`: its own tests are asked first.
fn module(mutant: &Mutant) -> &str {
    mutant.file.split('/').nth(2).map_or("", |name| name.trim_end_matches(".rs"))
}

/// A copy of the workspace with the mutants in it.
fn make(tree: &Path) -> Result<Vec<Mutant>> {
    let listed =
        Command::new("git").args(["ls-files", "-z"]).current_dir(workspace()).output().context("git ls-files")?;
    ensure!(listed.status.success(), "git ls-files: {}", listed.status);
    let mut mutants = Vec::new();
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (workspace().join(name), tree.join(name));
        if !from.is_file() {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        let is_examined =
            EXAMINED.iter().any(|path| name.starts_with(&format!("{path}/")) || *name == format!("{path}.rs"));
        let for_tests = ["test", "fixture", "fuzzing", "explain", "hasher"].iter().any(|word| name.contains(word));
        if is_examined && !for_tests && name.ends_with(".rs") {
            let text = fs::read_to_string(&from).with_context(|| format!("reading {name}"))?;
            replace(&to, plant(name, &text, &mut mutants).with_context(|| format!("reading {name}"))?.as_bytes())?;
        } else if name == "waypoint-verify/src/lib.rs" {
            replace(&to, (fs::read_to_string(&from)? + SWITCH).as_bytes())?;
        } else {
            replace(&to, &fs::read(&from)?)?;
        }
    }
    Ok(mutants)
}

/// Only if it differs: what stays as it is need not be built again.
fn replace(path: &Path, octets: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == octets) {
        return Ok(());
    }
    fs::write(path, octets).with_context(|| format!("writing {}", path.display()))
}

/// The test programs: of the library, and those that take no time.
fn build(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut words = vec!["test", "--no-run", "--package", "waypoint-verify", "--lib", "--message-format", "json"];
    words.extend(TESTS.iter().flat_map(|name| ["--test", name]));
    let mut command = cargo::command(&words);
    command
        .current_dir(tree)
        // Its own: the same packages elsewhere would take the place of these programs while they are run.
        .env("CARGO_TARGET_DIR", workspace().join("target/mutants"))
        .env("WAYPOINT_VERIFY_EBPF_OBJECT", "none");
    command.stderr(Stdio::inherit());
    let output = command.output().context("starting cargo")?;
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("reading what cargo says")?;
        if let Some(text) = message["message"]["rendered"].as_str().filter(|_| message["message"]["level"] == "error") {
            eprintln!("{text}");
        }
        // Not the program itself, which is built beside its tests.
        if message["profile"]["test"] == true {
            programs.extend(message["executable"].as_str().map(PathBuf::from));
        }
    }
    ensure!(output.status.success(), "the mutants do not build: {}", output.status);
    Ok(programs)
}

fn attempt(programs: &[PathBuf], mutant: Option<usize>, first: &str) -> Result<Outcome> {
    const FILTERS: [&str; 4] = ["wire::", "trace::", "link::", "judge::"];
    let (library, others): (Vec<_>, Vec<_>) = programs
        .iter()
        .partition(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("waypoint_verify-")));
    let (own, rest): (Vec<&str>, Vec<&str>) = FILTERS.iter().partition(|filter| filter.trim_end_matches(':') == first);
    let mut runs: Vec<(&Path, Vec<&str>)> = Vec::new();
    runs.extend(library.iter().filter(|_| !own.is_empty()).map(|path| (path.as_path(), own.clone())));
    runs.extend(library.iter().map(|path| (path.as_path(), rest.clone())));
    runs.extend(others.iter().map(|path| (path.as_path(), vec![])));
    for (program, filters) in runs {
        let outcome = test(program, &filters, mutant)?;
        if outcome != Outcome::Missed {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Missed)
}

/// Runs one test program; `Missed`: all its tests passed.
fn test(program: &Path, filters: &[&str], mutant: Option<usize>) -> Result<Outcome> {
    let mut command = Command::new(program);
    command.args(filters).args(["--test-threads", "1", "-q"]).current_dir(workspace().join("waypoint-verify"));
    command
        .env("PROPTEST_CASES", "64")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("RUST_BACKTRACE", "0");
    if let Some(n) = mutant {
        command.env("MUTANT", n.to_string());
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Outcome::Missed } else { Outcome::Caught });
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(Outcome::Timeout);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
