//! `waypoint-verify doctor`: what this machine, the policies or the inventory lack.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::exit;
use crate::engine::load;
use crate::host::{AF_VSOCK, Hole, Host, count_sockets};
use crate::model::WatchList;
use crate::probe::{Config, Status, preflight};

/// Paths that are shown of one container.
const SHOWN: usize = 5;

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
    if args.policies.is_empty() || args.inventory.is_empty() {
        println!("--   ways into pods that no probe sees: not checked without --policy and --inventory");
    }
    if !args.policies.is_empty() || !args.inventory.is_empty() {
        match load(&args.policies, &args.inventory) {
            Ok(watch) => {
                println!("ok   policies: {} compiled", watch.policies.len());
                let findings = watch.findings.iter().map(|finding| format!("inventory: {finding}"));
                for finding in findings.chain(unseen(&config, watch.clone())) {
                    warned = true;
                    println!("warn {finding}");
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

/// What runs here and can carry requests to a watched container past the probes, as far as it can be listed.
fn unseen(config: &Config, watch: WatchList) -> Vec<String> {
    let mut host = match Host::new(&config.cgroup_root, Arc::new(watch)) {
        Ok(host) => host,
        Err(error) => return vec![format!("ways into pods that no probe sees: not checked ({error})")],
    };
    let mut found = Vec::new();
    for node in host.uncovered_nodes() {
        found.push(format!("no pod of node {node} runs on this machine: what it sends is not covered"));
    }
    for (container, pids) in host.watched() {
        found.extend(host.holes(&container, &pids).into_iter().map(|hole| match hole {
            Hole::UserSpaceTcp(what) => format!("user-space TCP is possible: {what}"),
            Hole::NotChecked(what) => format!("not checked: {what}"),
        }));
        let unix = host.unix_listeners(&pids);
        if !unix.is_empty() {
            let more = unix.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown = unix[..unix.len().min(SHOWN)].join(", ");
            found
                .push(format!("requests over unix sockets are not seen; in the network of {container}: {shown}{more}"));
        }
    }
    match count_sockets(Path::new("/proc"), std::process::id(), AF_VSOCK) {
        Ok(0) => {}
        Ok(count) => found.push(format!("requests over vsock are not seen; this machine has {count} such sockets")),
        // A kernel without vsock has nobody who lists them.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => {}
        Err(error) => found.push(format!("not checked: vsock sockets ({error})")),
    }
    found
}
