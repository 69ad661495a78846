//! A file of a command's own, which goes again unless it got its content.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Fresh {
    path: PathBuf,
    file: File,
    /// To be removed if it is dropped.
    is_empty: bool,
}

impl Fresh {
    /// For its owner's eyes. A file is not replaced; what is none (a pipe, a device) is written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        let (file, is_empty) = match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_file = std::fs::metadata(path).is_ok_and(|there| there.is_file());
                if is_file {
                    return Err(error);
                }
                (options.open(path)?, false)
            }
            other => (other?, true),
        };
        Ok(Self { path: path.to_owned(), file, is_empty })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills it; it stays if that succeeds.
    pub fn write(mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        // A pipe or device cannot be synced.
        if self.file.metadata()?.is_file() {
            self.file.sync_all()?;
        }
        self.is_empty = false;
        Ok(())
    }

    /// It stays from here on, whatever comes.
    pub fn keep(mut self) -> io::Result<(File, PathBuf)> {
        self.is_empty = false;
        Ok((self.file.try_clone()?, self.path.clone()))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.is_empty {
            // There is nothing to do about it, and nothing in it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_got_no_content_goes_and_one_that_was_there_is_not_replaced() {
        let path = std::env::temp_dir().join(format!("wv-fresh-{}", std::process::id()));
        drop(Fresh::create(&path).unwrap());
        assert!(!path.exists());
        let (_, kept) = Fresh::create(&path).unwrap().keep().unwrap();
        assert!(kept == path && path.exists());
        assert_eq!(Fresh::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(path.exists(), "it was refused, not removed");
        std::fs::remove_file(&path).unwrap();
        Fresh::create(&path).unwrap().write(b"content").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        std::fs::remove_file(&path).unwrap();
        assert!(Fresh::create(Path::new("/dev/full")).unwrap().write(b"content").is_err());
        drop(Fresh::create(Path::new("/dev/null")).unwrap());
        assert!(Path::new("/dev/null").exists());
    }
}
