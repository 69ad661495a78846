//! What people run while working on waypoint-verify. The lab is a library, so that demo, tests and benchmarks use the same one.

pub mod attack;
pub mod bench;
pub mod cargo;
pub mod client;
pub mod cluster;
pub mod crd;
pub mod demo;
pub mod fuzz;
pub mod gateway;
pub mod image;
pub mod keys;
pub mod kind;
pub mod lab;
pub mod lint;
pub mod mutants;
pub mod root;
pub mod setup;
pub mod test;
pub mod tools;

use std::path::PathBuf;

/// The folder of the workspace.
///
/// # Panics
/// Never: xtask is a folder of it.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace").to_owned()
}
