//! The pure parts alone, by criterion: run without root, read afterwards.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::table::Table;
use crate::cargo;

struct Bench {
    /// `GROUP/FUNCTION` of criterion.
    id: &'static str,
    about: &'static str,
    target: (&'static str, f64),
}

const BENCHES: [Bench; 2] = [
    Bench {
        id: "trace/whole path",
        about: "records to evidence: parsing and linking on one core (criterion)",
        target: (">= 1 M messages/s", 1e6),
    },
    Bench {
        id: "judge/whole path",
        about: "evidence to verdicts: judging (criterion; 6 joins a request)",
        target: (">= 2 M joins/s", 2e6),
    },
];

pub fn run(quick: bool) -> Result<()> {
    let mut words = vec!["bench", "--package", "waypoint-verify", "--bench", "trace", "--bench", "judge", "--"];
    words.push("--noplot");
    if quick {
        words.push("--quick");
    }
    cargo::run(&words)
}

pub fn collect(table: &mut Table) -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::workspace().join("target"), PathBuf::from);
    for bench in BENCHES {
        let dir = target.join("criterion").join(bench.id).join("new");
        let read = |name: &str| -> Result<Value> {
            let path = dir.join(name);
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            Ok(serde_json::from_slice(&text)?)
        };
        let ns = read("estimates.json")?["median"]["point_estimate"].as_f64().context("no median")?;
        let elements = read("benchmark.json")?["throughput"]["Elements"].as_f64().context("no throughput")?;
        let rate = elements / ns * 1e9;
        let value = format!("{:.2} M/s ({:.0} ns each)", rate / 1e6, ns / elements);
        table.target(bench.about, bench.target.0, value, rate >= bench.target.1);
    }
    Ok(())
}
