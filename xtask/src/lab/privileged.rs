//! Tests that need root and the real proxies: skipped at a desk that lacks them, failing where CI does.

use std::io::Write as _;

use super::{cgroup, watchdog};
use crate::setup;

/// What this machine lacks to run a lab.
fn lack() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let problem = cgroup::root().err().or_else(|| setup::envoy_binary().err())?;
    Some(format!("{problem:#}"))
}

/// Whether a privileged test can run; prints why not.
///
/// # Panics
/// Where `CI=true`: a test that cannot run there proves nothing.
pub fn available(test: &str) -> bool {
    unless(test, lack())
}

/// The same for a test that needs something else: what this machine lacks is the caller's to say.
///
/// # Panics
/// As `available`.
pub fn unless(test: &str, lack: Option<String>) -> bool {
    let Some(lack) = lack else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot run: {lack}");
    // Not by a macro: the test harness would keep it to itself.
    let _ = writeln!(std::io::stderr(), "{test} skipped: {lack}");
    false
}

/// What is there of labs whose id is this one: names of namespaces, cgroups and files.
pub fn traces(id: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |dir: std::path::PathBuf, is_of: &dyn Fn(&str) -> bool| {
        let entries = std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.path().into_os_string().into_string().ok());
        found.extend(entries.filter(|path| is_of(path.rsplit('/').next().unwrap_or_default())));
    };
    let cgroup = format!("{}{id}", cgroup::PREFIX);
    let prefix = super::plan::netns_prefix(id);
    look("/run/netns".into(), &|name| name.starts_with(&prefix));
    look(cgroup::root().unwrap_or_default(), &|name| name == cgroup);
    look(watchdog::STATE.into(), &|name| name == id || name == format!("{id}.lock"));
    found
}
