//! cgroups in the shapes that kubelets give them (facts A8), and their removal.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::patience;
use super::topology::{CgroupStyle, Qos};

/// What the cgroup of every lab begins with.
pub const PREFIX: &str = "wv-lab-";

/// Below it, what holds the nodes.
pub const NODES: &str = "nodes";

/// Path of a node's cgroup below the lab's.
pub fn of_node(node: &str) -> PathBuf {
    PathBuf::from(NODES).join(node)
}

/// Path of a container's cgroup below its node's.
pub fn container_path(style: CgroupStyle, qos: Qos, uid: &str, container_id: &str) -> PathBuf {
    let level = match qos {
        Qos::Guaranteed => None,
        Qos::Burstable => Some("burstable"),
        Qos::BestEffort => Some("besteffort"),
    };
    match style {
        CgroupStyle::Cgroupfs => {
            let mut path = PathBuf::from("kubelet/kubepods");
            path.extend(level);
            path.join(format!("pod{uid}")).join(container_id)
        }
        CgroupStyle::Systemd => {
            let uid = uid.replace('-', "_");
            let mut path = PathBuf::from("kubelet.slice/kubelet-kubepods.slice");
            let mut stem = "kubelet-kubepods".to_owned();
            if let Some(level) = level {
                stem = format!("{stem}-{level}");
                path.push(format!("{stem}.slice"));
            }
            path.join(format!("{stem}-pod{uid}.slice")).join(format!("cri-containerd-{container_id}.scope"))
        }
    }
}

/// Path, below its node's cgroup, of a process that runs on the node itself.
pub fn host_path(service: &str) -> PathBuf {
    PathBuf::from(format!("system.slice/{service}.service"))
}

/// Where the cgroup-v2 hierarchy is mounted: elsewhere on hybrid hosts.
pub fn root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo: cannot be read")?;
    let found = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right.starts_with("cgroup2 ").then(|| left.split(' ').nth(4)).flatten()
    });
    Ok(PathBuf::from(found.context("no cgroup-v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")?))
}

/// The command's process will be in this cgroup before its first instruction.
pub fn enter(command: &mut Command, cgroup: &Path) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    let procs = OpenOptions::new().write(true).open(&procs).with_context(|| procs.display().to_string())?;
    // SAFETY: a write to a descriptor that was opened before the fork; nothing is allocated.
    unsafe { command.pre_exec(move || (&procs).write_all(b"0")) };
    Ok(())
}

/// Kills whatever runs in this cgroup or below it (only what a lab put there), and removes it. Fine if it is not there.
pub fn remove(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    fs::write(path.join("cgroup.kill"), "1")
        .with_context(|| format!("{}: its processes cannot be killed", path.display()))?;
    patience::wait(&format!("the processes of {} to end", path.display()), || {
        let events = fs::read_to_string(path.join("cgroup.events"))?;
        Ok(events.lines().any(|line| line == "populated 0").then_some(()))
    })?;
    remove_tree(path).with_context(|| format!("{}: cannot be removed", path.display()))
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_cgroups_have_the_kubelets_shapes() {
        let rows = [
            (CgroupStyle::Cgroupfs, Qos::BestEffort, "kubelet/kubepods/besteffort/poda-b/c1"),
            (CgroupStyle::Cgroupfs, Qos::Guaranteed, "kubelet/kubepods/poda-b/c1"),
            (
                CgroupStyle::Systemd,
                Qos::Burstable,
                "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-poda_b.slice/cri-containerd-c1.scope",
            ),
            (
                CgroupStyle::Systemd,
                Qos::Guaranteed,
                "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-poda_b.slice/cri-containerd-c1.scope",
            ),
        ];
        for (style, qos, expected) in rows {
            assert_eq!(container_path(style, qos, "a-b", "c1"), PathBuf::from(expected));
        }
    }
}
