//! `waypoint-verify replay`: what was recorded, judged again.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;

use super::common::finish;
use super::gate::code;
use crate::judge::Explain;
use crate::recording::{Reader, Replayed, replay};
use crate::report::{Printer, Stream};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What `run --record` or `gate --record` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How verdicts are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Stream::Text)]
    output: Stream,
    /// Print no single verdicts, only the summary.
    #[arg(long)]
    quiet: bool,
}

/// As a gate: 0 every policy is verified, 1 something bypassed, 2 no recording that can be read, 3 not verifiable.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let stdout = std::io::stdout();
    let mut printer = Printer::new(BufWriter::new(stdout.lock()), Some(args.output), args.quiet);
    let explain = if args.quiet { Explain::Nothing } else { Explain::Everything };
    let replayed = judge(&args.file, explain, |judged| printer.verdicts(judged))?;
    drop(printer);
    for (policy, then, now) in replayed.differences() {
        let then = then.map_or_else(|| "nothing".to_owned(), |then| format!("{then:?}"));
        let (by, here) = (&replayed.begin.program, env!("CARGO_PKG_VERSION"));
        eprintln!("{policy}: {then} was said when it was recorded (version {by}), now it is {now:?} (version {here})");
    }
    let text = match args.output {
        Stream::Text => replayed.summary.to_string(),
        Stream::Json => serde_json::to_string(&replayed.summary).context("writing the summary")?,
    };
    finish(&format!("{text}\n"))?;
    Ok(code(replayed.summary.verdict()))
}

/// Reads the file twice: nothing of one that is not whole is judged.
pub fn judge(
    path: &Path,
    explain: Explain,
    each: impl FnMut(&mut Vec<crate::judge::Judged>) -> std::io::Result<()>,
) -> anyhow::Result<Replayed> {
    let of = || path.display().to_string();
    let mut file = File::open(path).with_context(of)?;
    if !file.metadata().with_context(of)?.is_file() {
        bail!("{}: is no file (a recording is read twice)", of());
    }
    let (mut reader, _) = Reader::open(BufReader::new(&file)).with_context(of)?;
    reader.evidence(|_| Ok(())).with_context(of)?;
    let whole = reader.digest();
    file.rewind().with_context(of)?;
    let replayed = replay(BufReader::new(&file), explain, each).with_context(of)?;
    if Some(replayed.sha256) != whole {
        bail!("{}: was changed while it was read", of());
    }
    Ok(replayed)
}
