//! Where requests really go: Cilium's own operator translates sets of objects, a real Envoy serves what it makes of them.

mod adapt;
mod admissions;
mod ask;
mod compare;
mod controller;
mod echo;
mod envoy;
mod facts;
mod generate;
mod model;
mod oracle;
mod predict;
mod random;
mod requests;
mod shrink;
mod sound;
mod tls;
mod translate;
mod witnesses;

use std::fs;
use std::path::{Path, PathBuf};

use xtask::lab::privileged;
use xtask::setup;

/// Whether the oracle can be asked here; prints why not.
fn available(test: &str) -> bool {
    let lack = setup::envoy_binary().err().or_else(|| setup::gateway_translator().err());
    privileged::unless(test, lack.map(|error| format!("{error:#}")))
}

/// The first seed (ORACLE_SEED), and how many there are where nobody says otherwise (ORACLE_SETS).
fn seeds(count: u64) -> (u64, u64) {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    (number("ORACLE_SEED", 0), number("ORACLE_SETS", count))
}

fn dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("routes-oracle-{name}"));
    let _ = fs::remove_dir_all(&dir);
    dir
}
