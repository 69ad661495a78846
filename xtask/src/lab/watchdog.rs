//! Whoever owns a lab may be killed at any time. A watchdog process holds the other end of a pipe: when that closes, it removes the
//! lab. It is also the only thing that ever does, so that the way out is the same after a crash.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};

use super::{cgroup, netns, plan};

/// Everything that a lab writes is below this: one directory and one lock file for each lab.
pub const STATE: &str = "/run/waypoint-verify-lab";

pub fn state_dir(id: &str) -> PathBuf {
    Path::new(STATE).join(id)
}

fn lock_path(id: &str) -> PathBuf {
    Path::new(STATE).join(format!("{id}.lock"))
}

/// What the owner of `lab up` has to say, panics included.
pub(super) fn log_path(id: &str) -> PathBuf {
    Path::new(STATE).join(format!("{id}.log"))
}

/// The owner's end.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Takes the lab's id, and removes what a crash may have left of it and of others.
    pub(super) fn start(id: &str, xtask: &Path) -> Result<Self> {
        let mut command = Command::new(xtask);
        command.args(["lab-watchdog", id]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C goes to the terminal's group: the watchdog has to outlive it.
        command.process_group(0);
        let mut child =
            command.spawn().with_context(|| format!("{}: the watchdog cannot be started", xtask.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped above")).read_line(&mut line)?;
        match line.trim() {
            "ready" => Ok(Self { child }),
            "busy" => bail!("there is a lab {id} already (`cargo xtask lab down` ends the one of `lab up`)"),
            other => bail!("the watchdog could not make room for lab {id}: {other}"),
        }
    }

    /// Has the lab removed.
    pub(super) fn release(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "the lab could not be removed completely");
        Ok(())
    }
}

/// `xtask lab-watchdog ID`.
pub fn main(id: &str) -> Result<()> {
    fs::create_dir_all(STATE).context(STATE)?;
    let Some(lock) = try_lock(id)? else {
        println!("busy");
        return Ok(());
    };
    remove(id)?;
    remove_abandoned()?;
    println!("ready");
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    remove(id)?;
    forget(id)?;
    drop(lock);
    Ok(())
}

/// Removes what a crash left of this lab and of others.
pub fn sweep(id: &str) -> Result<()> {
    fs::create_dir_all(STATE).context(STATE)?;
    if let Some(_lock) = try_lock(id)? {
        remove(id)?;
        forget(id)?;
    }
    remove_abandoned()
}

/// Readers see the old file or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path).with_context(|| path.display().to_string())
}

/// Whether somebody holds the lab.
pub fn is_up(id: &str) -> Result<bool> {
    Ok(lock_path(id).exists() && try_lock(id)?.is_none())
}

fn try_lock(id: &str) -> Result<Option<Flock<File>>> {
    let path = lock_path(id);
    loop {
        let file = File::options().create(true).append(true).open(&path).with_context(|| path.display().to_string())?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, error)) => return Err(error).with_context(|| path.display().to_string()),
            // Whoever held it before may have removed the file meanwhile: then this lock protects nothing.
            Ok(lock) if path.exists() && same_file(&lock, &path)? => return Ok(Some(lock)),
            Ok(_) => {}
        }
    }
}

fn same_file(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata(path).is_ok_and(|on_disk| file.metadata().is_ok_and(|open| open.ino() == on_disk.ino())))
}

/// Labs whose owner and watchdog were both killed.
fn remove_abandoned() -> Result<()> {
    for entry in fs::read_dir(STATE)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        let Some(id) = name.strip_suffix(".lock") else { continue };
        if let Some(_lock) = try_lock(id)? {
            remove(id)?;
            forget(id)?;
        }
    }
    Ok(())
}

/// The lock file, while it is locked (whoever takes the id next makes a new one), and the log of `lab up`.
fn forget(id: &str) -> Result<()> {
    let _ = fs::remove_file(log_path(id));
    fs::remove_file(lock_path(id)).with_context(|| lock_path(id).display().to_string())
}

/// Processes, namespaces, cgroups and files of a lab, by what their names begin with. Fine if there are none.
fn remove(id: &str) -> Result<()> {
    let processes = cgroup::remove(&cgroup::root()?.join(format!("{}{id}", cgroup::PREFIX)));
    let namespaces = netns::remove_all(&plan::netns_prefix(id));
    let dir = state_dir(id);
    let files = if dir.exists() { fs::remove_dir_all(&dir).with_context(|| dir.display().to_string()) } else { Ok(()) };
    // Each is tried, whatever becomes of the others.
    processes.and(namespaces).and(files)
}
