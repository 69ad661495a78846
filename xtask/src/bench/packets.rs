//! What the programs cost per packet of sockets that nobody watches.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::table::Table;
use super::{Extent, empty, load};
use crate::demo::Verifier;
use crate::lab::{Lab, Topology};

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
const TARGET_NS: f64 = 110.0;

/// The kernel's run-time statistics of BPF programs, on until dropped.
struct Statistics(String);

impl Statistics {
    fn on() -> Result<Self> {
        let before = fs::read_to_string(SWITCH).context(SWITCH)?;
        fs::write(SWITCH, "1").context(SWITCH)?;
        Ok(Self(before))
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, self.0.trim()) {
            eprintln!("{SWITCH} stays at 1: {error}");
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    runs: u64,
    ns: u64,
}

impl Cost {
    fn since(self, before: Self) -> f64 {
        (self.ns - before.ns) as f64 / (self.runs - before.runs).max(1) as f64
    }
}

pub fn measure(extent: Extent, table: &mut Table) -> Result<()> {
    let lab = Lab::up(&Topology::standard())?;
    let server = lab.client("client-2")?;
    let _caddy = load::respond(&lab, &server)?;
    let to = SocketAddr::new(lab.plan().pod("client-2")?.ip(), load::PORT);
    let from = lab.client("client-1")?;

    let verifier = Verifier::run(&lab, &["--quiet"])?;
    let empty = empty::attach(&lab.nodes_cgroup())?;
    let mut ids = BTreeMap::new();
    for (hook, program) in ["empty, in", "empty, out"].into_iter().zip(&empty.programs) {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd()))?;
        ids.insert(hook.to_owned(), program_of(&info).context("not a program")?.0);
    }
    ids.extend(skb_programs(verifier.pid())?);
    let _on = Statistics::on()?;
    // Sockets and processes settle.
    load::run(&from, to, load::CONNECTIONS, std::time::Duration::from_secs(1))?;
    let before = costs(&ids)?;
    let seen = load::run(&from, to, load::CONNECTIONS, extent.interval)?;
    let after = costs(&ids)?;
    let ended = verifier.end()?;
    ensure!(ended.counts.requests == 0, "{} requests were judged, and none was to the backend", ended.counts.requests);
    lab.down()?;

    ensure!(after.len() == 4, "not two programs beside the two empty ones: {:?}", after.keys());
    for (name, cost) in &after {
        let runs = cost.runs - before[name].runs;
        ensure!(runs >= seen.requests, "{name} ran {runs} times for {} requests", seen.requests);
        let ns = cost.since(before[name]);
        let value = format!("{ns:.0} ns ({:.1} M packets)", runs as f64 / 1e6);
        if name.starts_with("empty") {
            table.fact(&format!("floor: {name}"), value);
        } else {
            table.target(&format!("packet of an unwatched socket: {name}"), "< 110 ns", value, ns < TARGET_NS);
        }
    }
    Ok(())
}

/// Id and type, if this is the fdinfo of a program.
fn program_of(info: &str) -> Option<(u32, u32)> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((field("prog_id:")?, field("prog_type:")?))
}

/// Programs of type `cgroup_skb` that a process holds, by name.
fn skb_programs(pid: u32) -> Result<BTreeMap<String, u32>> {
    const CGROUP_SKB: u32 = 8;
    let mut ids = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let info = fs::read_to_string(entry?.path())?;
        if let Some((id, kind)) = program_of(&info)
            && kind == CGROUP_SKB
        {
            let name = show(id)?["name"].as_str().unwrap_or("?").to_owned();
            ids.insert(name, id);
        }
    }
    Ok(ids)
}

fn costs(ids: &BTreeMap<String, u32>) -> Result<BTreeMap<String, Cost>> {
    let cost = |id: u32| {
        let shown = show(id)?;
        let number = |name: &str| shown[name].as_u64().unwrap_or(0);
        Ok::<_, anyhow::Error>(Cost { runs: number("run_cnt"), ns: number("run_time_ns") })
    };
    ids.iter().map(|(name, id)| Ok((name.clone(), cost(*id)?))).collect()
}

fn show(id: u32) -> Result<serde_json::Value> {
    let output = Command::new("bpftool").args(["--json", "prog", "show", "id", &id.to_string()]).output()?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("bpftool about program {id}"))
}
