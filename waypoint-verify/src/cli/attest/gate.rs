//! `gate --attest`: what came of it, signed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::super::common::Sources;
use super::super::exit;
use super::super::fresh::Fresh;
use super::super::recording::{Kept, files, seconds};
use crate::attest::dsse::seal;
use crate::attest::keys::SigningKey;
use crate::attest::statement::Statement;
use crate::recording::{Role, Source};
use crate::report::Summary;

#[derive(Args, Clone, Debug)]
pub struct Attesting {
    /// Sign what was found, and of which files: an in-toto attestation (DSSE); the file must not be there yet.
    #[arg(long, value_name = "FILE", requires = "attest_key")]
    attest: Option<PathBuf>,
    /// The private key to sign with: Ed25519 or ECDSA P-256, PKCS#8 in PEM, without a password.
    #[arg(long, value_name = "FILE", requires = "attest")]
    attest_key: Option<PathBuf>,
}

/// An attestation that can be written: its key is read and its file is there.
#[derive(Debug)]
pub struct Planned {
    file: Fresh,
    key: SigningKey,
    sources: Vec<Source>,
    began: u64,
    min_verified: u64,
}

impl Attesting {
    /// Before policies and inventory are read.
    pub fn plan(&self, from: &Sources, min_verified: u64) -> anyhow::Result<Option<Planned>> {
        let (Some(path), Some(key)) = (&self.attest, &self.attest_key) else { return Ok(None) };
        if from.policies.iter().chain(&from.inventory).any(|path| *path == *Path::new("-")) {
            bail!("--attest: what comes by standard input cannot be named in an attestation: give files");
        }
        let of_key = || format!("--attest-key {}", key.display());
        let key = SigningKey::from_pem(&std::fs::read(key).with_context(of_key)?).with_context(of_key)?;
        let sources = files(from)?;
        let file = Fresh::create(path).with_context(|| format!("--attest {}", path.display()))?;
        Ok(Some(Planned { file, key, sources, began: seconds(), min_verified }))
    }

    /// Where nothing can be attested.
    pub fn refuse(&self, why: &str) -> anyhow::Result<()> {
        if self.attest.is_some() { bail!("{why}") } else { Ok(()) }
    }
}

impl Planned {
    /// What was hashed is what was read.
    pub fn unchanged(&self, from: &Sources) -> anyhow::Result<()> {
        if self.sources == files(from)? {
            return Ok(());
        }
        bail!("policies or inventory changed while they were read: wait until who writes them is done")
    }

    /// Signs what was found. Of evidence that is not whole nothing is attested.
    fn write(self, summary: &Summary, kept: Option<&Kept>) -> anyhow::Result<()> {
        let mut sources = self.sources;
        if let Some(Kept { path, digest }) = kept {
            let Ok(sha256) = *digest else { bail!("the recording is not whole") };
            let name = path.to_string_lossy().into_owned();
            sources.push(Source { role: Role::Evidence, name, sha256 });
        }
        let statement = Statement::of(summary, &sources, (self.began, seconds()), self.min_verified);
        let envelope = seal(&serde_json::to_vec(&statement)?, &self.key)?;
        let mut text = serde_json::to_string(&envelope)?;
        text.push('\n');
        Ok(self.file.write(text.as_bytes())?)
    }
}

/// Writes what was planned. A bypass stays one; without the attestation that was asked for nothing else is proven.
pub fn told(planned: Option<Planned>, summary: &Summary, kept: Option<&Kept>, code: u8) -> u8 {
    let Some(planned) = planned else { return code };
    let path = planned.file.path().to_owned();
    match planned.write(summary, kept) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("waypoint-verify: nothing is attested in {}: {error:#}", path.display());
            if code == exit::BYPASSED { code } else { exit::NOT_VERIFIABLE }
        }
    }
}
