//! Files by their content.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::digest::sha256;
use super::parts::{Role, Source};
use crate::manifest::files_of;

#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct SourceError {
    path: PathBuf,
    error: io::Error,
}

/// All files below these paths that are read, in the order in which they are. What comes by standard input is left out: it
/// cannot be read twice.
pub fn sources(role: Role, paths: &[PathBuf]) -> Result<Vec<Source>, SourceError> {
    let mut sources: Vec<Source> = Vec::new();
    for path in paths.iter().filter(|path| **path != *Path::new("-")) {
        for file in files_of(path) {
            let opened = File::open(&file).and_then(sha256);
            let sha256 = opened.map_err(|error| SourceError { path: file.clone(), error })?;
            let source = Source { role, name: file.to_string_lossy().into_owned(), sha256 };
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}
