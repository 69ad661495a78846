//! `cargo xtask fuzz`: coverage-guided fuzzing of everything that reads what an attacker writes (docs/fuzzing.md).

mod figures;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;

use crate::{cargo, workspace};
use figures::Figures;

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// One target; without it, all of them, one after the other
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Processes of each target that work on one corpus
    #[arg(long, default_value_t = 1)]
    jobs: u32,
    /// Afterwards put a minimised corpus of small files into the repository
    #[arg(long)]
    keep: bool,
}

/// Stable rustc has LLVM's own pass for this; only its convenient name (`-Zsanitizer`) needs nightly.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// MiB of memory that a target may take, its corpus, hyper and libFuzzer's own tables included.
const MEMORY: u32 = 1024;
/// Files of a corpus in the repository, and octets of each.
const KEPT_FILES: usize = 80;
const KEPT_OCTETS: u64 = 2048;

pub fn main(arguments: &Args) -> Result<()> {
    let all = targets()?;
    let chosen: Vec<String> = match &arguments.target {
        None => all,
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => bail!("no target is called {name:?}: there are {}", all.join(", ")),
    };
    build(&chosen)?;
    println!("{}", Figures::HEADER);
    let mut crashed = Vec::new();
    for target in &chosen {
        let figures = run(target, arguments)?;
        println!("{}", figures.row(target));
        if figures.crashes > 0 {
            crashed.push(target.clone());
        }
        if arguments.keep {
            keep(target)?;
        }
    }
    ensure!(crashed.is_empty(), "found something in {}: see {}", crashed.join(", "), work("*", "findings").display());
    Ok(())
}

/// One program in `mains` is one target.
fn targets() -> Result<Vec<String>> {
    let folder = crate_folder().join("mains");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn build(targets: &[String]) -> Result<()> {
    let mut words = vec!["build", "--package", "waypoint-verify-fuzz", "--features", "libfuzzer", "--profile", "fuzz"];
    // With a target named, build scripts and macros are not instrumented.
    let triple = host()?;
    words.extend(["--target", &triple]);
    let programs: Vec<_> = targets.iter().map(|target| format!("fuzz-{target}")).collect();
    for program in &programs {
        words.extend(["--bin", program]);
    }
    let mut command = cargo::command(&words);
    command
        .env("CARGO_TARGET_DIR", target_folder())
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"))
        // No target loads the kernel programs.
        .env("WAYPOINT_VERIFY_EBPF_OBJECT", "none");
    cargo::finish(&mut command, &words)
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("starting rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}

fn run(target: &str, arguments: &Args) -> Result<Figures> {
    let (corpus, findings) = (work(target, "corpus"), work(target, "findings"));
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut command = Command::new(program(target)?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes are few")]
    let seconds = (arguments.minutes * 60.0).max(1.0) as u64;
    command
        .args([&corpus, &kept(target)])
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .args(["-timeout=10", "-print_final_stats=1", "-use_value_profile=1", "-max_len=4096"]);
    if arguments.jobs > 1 {
        command.arg(format!("-fork={}", arguments.jobs));
    }
    let dictionary = crate_folder().join("dictionaries").join(format!("{target}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let log = work(target, "log");
    let file = std::fs::File::create(&log).with_context(|| format!("writing {}", log.display()))?;
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).status();
    let status = status.with_context(|| format!("starting the target {target}"))?;
    let text = std::fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    Ok(Figures::of(&String::from_utf8_lossy(&text), !status.success()))
}

/// Merges what was found into few small files that reach the same edges, beside those that have a name.
fn keep(target: &str) -> Result<()> {
    let merged = work(target, "merged");
    let _ = std::fs::remove_dir_all(&merged);
    std::fs::create_dir_all(&merged).with_context(|| format!("making {}", merged.display()))?;
    let mut command = Command::new(program(target)?);
    command.args(["-merge=1", &format!("-max_len={KEPT_OCTETS}")]).args([
        &merged,
        &kept(target),
        &work(target, "corpus"),
    ]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(status.with_context(|| format!("merging {target}"))?.success(), "merging the corpus of {target} failed");
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(&merged).with_context(|| format!("reading {}", merged.display()))? {
        let entry = entry?;
        files.push((entry.metadata()?.len(), entry.path()));
    }
    files.sort();
    // Small and large ones alike, if there are too many.
    let every = files.len().div_ceil(KEPT_FILES).max(1);
    let kept = kept(target);
    std::fs::create_dir_all(&kept).with_context(|| format!("making {}", kept.display()))?;
    for entry in std::fs::read_dir(&kept).with_context(|| format!("reading {}", kept.display()))? {
        let path = entry?.path();
        // Those that have a name were written or found for a reason.
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-")) {
            std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    for (_, path) in files.iter().rev().step_by(every) {
        let name = path.file_name().context("a file of a corpus has a name")?;
        std::fs::copy(path, kept.join(name)).with_context(|| format!("copying {}", path.display()))?;
    }
    Ok(())
}

fn crate_folder() -> PathBuf {
    workspace().join("waypoint-verify/fuzz")
}

/// The corpus in the repository.
fn kept(target: &str) -> PathBuf {
    crate_folder().join("corpus").join(target)
}

fn target_folder() -> PathBuf {
    workspace().join("target/fuzz")
}

/// What a run leaves behind.
fn work(target: &str, what: &str) -> PathBuf {
    target_folder().join("runs").join(target).join(what)
}

fn program(target: &str) -> Result<PathBuf> {
    let path = target_folder().join(host()?).join("fuzz").join(Path::new(&format!("fuzz-{target}")));
    ensure!(path.is_file(), "{} was not built", path.display());
    Ok(path)
}
