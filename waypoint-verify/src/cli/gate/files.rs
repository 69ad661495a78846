//! `--report FORMAT=FILE`: looked at before anything is observed, written whole or not at all.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum as _;
use tempfile::NamedTempFile;

use crate::report::Format;

/// What the umask leaves of it: a report is for whoever may read the folder.
const MODE: u32 = 0o666;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    format: Format,
    path: PathBuf,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = text.split_once('=').ok_or("write it like junit=gate.xml")?;
        let format = Format::from_str(format, false).map_err(|_| {
            let all = Format::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
            let all: Vec<_> = all.map(|value| value.get_name().to_owned()).collect();
            format!("{format:?} is no format: {}", all.join(", "))
        })?;
        if path.is_empty() {
            return Err("a file is expected after =".to_owned());
        }
        Ok(Self { format, path: path.into() })
    }
}

/// Each with a file beside it into which it is written first; nothing of that is left when it is dropped.
#[derive(Debug)]
pub struct Files(Vec<(Wanted, NamedTempFile)>);

impl Files {
    /// Whether each can be written; reports of an earlier run are removed, so that none is taken for that of this run.
    ///
    /// # Errors
    /// No such folder, a folder that nobody may write to, one file twice, something else than a file.
    pub fn prepare(wanted: &[Wanted]) -> anyhow::Result<Self> {
        let mut known = BTreeSet::new();
        let mut files = Vec::new();
        for one in wanted {
            let shown = one.path.display();
            let folder = folder(&one.path);
            let folder = fs::canonicalize(folder)
                .with_context(|| format!("--report {shown}: folder {}: make it first", folder.display()))?;
            let name = one.path.file_name().with_context(|| format!("--report {shown}: not the name of a file"))?;
            ensure!(known.insert(folder.join(name)), "--report {shown}: two reports for one file");
            match fs::symlink_metadata(&one.path) {
                Ok(there) if there.is_file() => {}
                Ok(_) => bail!("--report {shown}: there is something else than a file, which would be replaced"),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("--report {shown}")),
            }
            let mut beside = tempfile::Builder::new();
            let beside =
                beside.prefix(".waypoint-verify-").permissions(Permissions::from_mode(MODE)).tempfile_in(&folder);
            files.push((
                one.clone(),
                beside.with_context(|| format!("--report {shown}: nothing can be written there"))?,
            ));
        }
        // Only when all is well: a mistake in one must not cost another.
        for (one, _) in &files {
            match fs::remove_file(&one.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("--report {}: removing the old one", one.path.display()));
                }
                _ => {}
            }
        }
        Ok(Self(files))
    }

    /// Every one of them, even if another fails.
    ///
    /// # Errors
    /// All that failed, together.
    pub fn write(self, text: impl Fn(Format) -> anyhow::Result<String>) -> anyhow::Result<()> {
        let mut failed = Vec::new();
        for (wanted, beside) in self.0 {
            if let Err(error) = text(wanted.format).and_then(|text| replace(&wanted.path, beside, &text)) {
                failed.push(format!("--report {}: {error:#}", wanted.path.display()));
            }
        }
        ensure!(failed.is_empty(), "{}", failed.join("; "));
        Ok(())
    }
}

fn replace(path: &Path, mut beside: NamedTempFile, text: &str) -> anyhow::Result<()> {
    beside.write_all(text.as_bytes())?;
    // On the disk before it has the name: a machine that fails must not leave an empty report.
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}

/// `""` is the parent of a name without a folder.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
