//! What the kernel says of a process.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// CPU time that a process has used, its threads together.
pub fn cpu(pid: u32) -> Result<Duration> {
    cpu_in(&format!("/proc/{pid}/stat"))
}

/// The same, of each of its threads whose name begins so; by name.
pub fn cpu_of_threads(pid: u32, prefix: &str) -> Result<BTreeMap<String, Duration>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = entry?.path();
        // One may have ended meanwhile.
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        if name.starts_with(prefix) {
            threads.insert(name.trim_end().to_owned(), cpu_in(&task.join("stat").to_string_lossy())?);
        }
    }
    Ok(threads)
}

fn cpu_in(path: &str) -> Result<Duration> {
    let stat = fs::read_to_string(path)?;
    // The name is in parentheses and may hold anything; utime and stime are the 12th and 13th field after it.
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .context("no name in stat")?
        .1
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let hertz = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(Duration::from_secs_f64(fields.iter().sum::<u64>() as f64 / hertz as f64))
}

/// Resident memory now and at its highest, in KiB.
pub fn memory(pid: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        Ok::<u64, anyhow::Error>(line.trim().trim_end_matches(" kB").parse()?)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

/// TCP sockets in use in the network namespace of a process.
pub fn sockets(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for (file, name) in [("sockstat", "TCP: inuse "), ("sockstat6", "TCP6: inuse ")] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{file}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        sum += line.split_whitespace().next().context("no number")?.parse::<u64>()?;
    }
    Ok(sum)
}
