//! What this machine has of what the probe needs: tried, not guessed from a version.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};

use super::{Config, ProbeError, Redirections, attach::Loaded, cgroup2_root, redirections};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    /// The probe runs, but something can go unseen.
    Warning,
    Failed,
}

/// The outcome of one check, in words.
#[derive(Clone, Debug)]
pub struct Finding {
    pub check: &'static str,
    pub status: Status,
    pub detail: String,
}

impl Finding {
    pub fn new(check: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self { check, status, detail: detail.into() }
    }

    fn of(check: &'static str, outcome: Result<String, ProbeError>) -> Self {
        match outcome {
            Ok(detail) => Self::new(check, Status::Good, detail),
            Err(error) => Self::new(check, Status::Failed, error.to_string()),
        }
    }
}

/// Runs all checks. The programs are loaded and attached for a moment, but never enabled.
#[must_use]
pub fn preflight(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        Finding::of("cgroup v2", cgroup2_root().map(|root| root.display().to_string())),
        Finding::of("BTF", if has_btf() { Ok(BTF.to_owned()) } else { Err(ProbeError::NoBtf) }),
        capabilities(),
    ];
    match Loaded::load(config.clone()) {
        Ok(loaded) => {
            findings.push(Finding::new("programs", Status::Good, "the kernel accepts them"));
            let path = config.cgroup_root.display().to_string();
            findings.push(Finding::of("hooks", loaded.attach().map(|_| format!("free at {path}"))));
        }
        Err(error) => findings.push(Finding::of("programs", Err(error))),
    }
    findings.push(foreign(&config.cgroup_root));
    findings.push(sockmaps());
    findings
}

/// They run beside ours; who reads a doctor's report may want to know whom else to ask.
fn foreign(cgroup: &Path) -> Finding {
    const CHECK: &str = "other programs on the hooks";
    match super::foreign::programs(cgroup) {
        Ok(programs) if programs.is_empty() => Finding::new(CHECK, Status::Good, "none"),
        Ok(programs) => Finding::new(CHECK, Status::Good, {
            let programs: Vec<_> = programs.into_iter().map(|(_, program)| program).collect();
            format!("run beside ours: {}", programs.join(", "))
        }),
        Err(error) => Finding::new(CHECK, Status::Warning, format!("not checked ({error}); try as root")),
    }
}

const BTF: &str = "/sys/kernel/btf/vmlinux";

pub(super) fn has_btf() -> bool {
    Path::new(BTF).exists()
}

pub(super) fn is_cgroup2(directory: &File) -> io::Result<bool> {
    Ok(fstatfs(directory)?.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

fn capabilities() -> Finding {
    let missing = missing_capabilities();
    if missing.is_empty() {
        Finding::new("capabilities", Status::Good, "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN")
    } else {
        Finding::new("capabilities", Status::Failed, format!("missing: {}", missing.join(", ")))
    }
}

/// What is missing of the capabilities that loading and attaching need.
pub(super) fn missing_capabilities() -> Vec<&'static str> {
    let effective = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let field = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(field.trim(), 16).ok()
    });
    missing_of(effective.unwrap_or(0))
}

fn missing_of(effective: u64) -> Vec<&'static str> {
    const SYS_ADMIN: u32 = 21;
    const NEEDED: [(u32, &str); 3] = [(39, "CAP_BPF"), (38, "CAP_PERFMON"), (12, "CAP_NET_ADMIN")];
    let has = |capability: u32| effective >> capability & 1 == 1;
    NEEDED.into_iter().filter(|(capability, _)| !has(*capability) && !has(SYS_ADMIN)).map(|(_, name)| name).collect()
}

/// Programs that can hand bytes from socket to socket past every IP hook.
fn sockmaps() -> Finding {
    const CHECK: &str = "sockmap redirection";
    match redirections() {
        Ok(found) if found == Redirections::default() => {
            Finding::new(CHECK, Status::Good, "no sk_msg or sk_skb program is loaded, no sockmap or sockhash")
        }
        Ok(Redirections { programs, maps }) if programs.is_empty() => Finding::new(
            CHECK,
            Status::Warning,
            format!("without a program, but with maps for one: {}", maps.join(", ")),
        ),
        Ok(Redirections { programs, .. }) => {
            let programs = programs.join(", ");
            Finding::new(CHECK, Status::Warning, format!("can move bytes that no IP hook sees: {programs}"))
        }
        Err(error) => Finding::new(CHECK, Status::Warning, format!("not checked: needs CAP_SYS_ADMIN ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named() {
        const ADMIN: u64 = 1 << 21;
        const NET: u64 = 1 << 12;
        let rows: [(u64, &[&str]); 4] = [
            (0, &["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]),
            (ADMIN, &[]),
            (1 << 39 | NET, &["CAP_PERFMON"]),
            (u64::MAX, &[]),
        ];
        for (effective, missing) in rows {
            assert_eq!(missing_of(effective), missing, "{effective:#x}");
        }
    }
}
