//! The disk below JetStream is full: a small file system of its own, filled up.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::trial::{Trial, uncovered};
use crate::trickle::Trickle;
use xtask::demo::cluster::Stage;

/// Room for what the streams hold already, and for little more.
const SIZE: &str = "size=64m";

/// Mounted until it is dropped.
struct Small(PathBuf);

impl Small {
    /// Moves a folder's content onto a file system of its own.
    fn below(dir: &Path) -> Result<Self> {
        let aside = dir.with_extension("aside");
        fs::rename(dir, &aside)?;
        fs::create_dir(dir)?;
        mount(Some("waypoint-verify-test"), dir, Some("tmpfs"), MsFlags::empty(), Some(SIZE))
            .with_context(|| format!("mounting on {}", dir.display()))?;
        let small = Self(dir.to_owned());
        copy(&aside, dir)?;
        fs::remove_dir_all(aside)?;
        Ok(small)
    }

    /// Takes the content back from it.
    fn back(self) -> Result<()> {
        let (dir, aside) = (self.0.clone(), self.0.with_extension("aside"));
        copy(&dir, &aside)?;
        drop(self);
        fs::remove_dir(&dir)?;
        Ok(fs::rename(aside, dir)?)
    }

    /// Until nothing fits any more.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = File::create(&path)?;
        let zeros = [0; 4096];
        loop {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(path),
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let copied = Command::new("cp").arg("--archive").arg(from.join(".")).arg(to).status()?;
    ensure!(copied.success(), "copying {}: {copied}", from.display());
    Ok(())
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// What agents see meanwhile they hold. A stream that could not be written takes nothing more, also when there is room again, until
/// NATS is restarted.
pub fn disk_is_full(stage: &mut Stage, trickle: &Trickle) -> Result<()> {
    stage.installation.nats.kill();
    let small = Small::below(&stage.installation.nats.store())?;
    stage.installation.nats.resume()?;
    let judged = while_it_is_full(stage, trickle, &small);
    // Nothing is to be written below it when it goes.
    stage.installation.nats.kill();
    small.back()?;
    stage.installation.nats.resume()?;
    judged
}

fn while_it_is_full(stage: &mut Stage, trickle: &Trickle, small: &Small) -> Result<()> {
    let mut trial = Trial::begin(stage, trickle, "disk of JetStream full")?;
    let filler = small.fill()?;
    let meanwhile = trial.go_past().and_then(|()| uncovered(trial.stage)).and_then(|()| trial.go_past());
    fs::remove_file(filler)?;
    trial.stage.installation.nats.kill();
    trial.stage.installation.nats.resume()?;
    meanwhile?;
    trial.end_with_all(true).map(drop)
}
