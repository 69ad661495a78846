//! `waypoint-verify doctor`: what this machine, the policies or the inventory lack.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::exit;
use crate::engine::load;
use crate::probe::{Config, Status, preflight};

#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Policies to check too.
    #[arg(long = "policy", short = 'p', value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Inventory to check too.
    #[arg(long = "inventory", short = 'i', value_name = "PATH")]
    inventory: Vec<PathBuf>,
    /// Directory of the cgroup-v2 hierarchy to observe; by default its root.
    #[arg(long, value_name = "DIR")]
    cgroup_root: Option<PathBuf>,
}

/// 0 all is well, 2 something must be mended first, 3 it runs, but something can go unseen.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let mut config = Config::default();
    if let Some(root) = &args.cgroup_root {
        config.cgroup_root.clone_from(root);
    }
    let (mut warned, mut failed) = (false, false);
    for finding in preflight(&config) {
        let mark = match finding.status {
            Status::Good => "ok  ",
            Status::Warning => {
                warned = true;
                "warn"
            }
            Status::Failed => {
                failed = true;
                "FAIL"
            }
        };
        println!("{mark} {}: {}", finding.check, finding.detail);
    }
    if !args.policies.is_empty() || !args.inventory.is_empty() {
        match load(&args.policies, &args.inventory) {
            Ok(watch) => {
                println!("ok   policies: {} compiled", watch.policies.len());
                for finding in &watch.findings {
                    warned = true;
                    println!("warn inventory: {finding}");
                }
            }
            Err(problems) => {
                failed = true;
                for problem in problems.0 {
                    println!("FAIL {problem}");
                }
            }
        }
    }
    Ok(match (failed, warned) {
        (true, _) => exit::CONFIGURATION,
        (false, true) => exit::NOT_VERIFIABLE,
        (false, false) => exit::VERIFIED,
    })
}
