//! `gate --attest`: what came of it, signed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::super::common::Sources;
use super::super::exit;
use super::super::fresh::Fresh;
use super::super::gate::Watched;
use super::super::recording::{Kept, files, seconds};
use crate::attest::dsse::seal;
use crate::attest::keys::SigningKey;
use crate::attest::statement::{Statement, Subject, Tested};
use crate::policy::{GROUP, KIND, WaypointPolicy};
use crate::recording::{Digest, Role, Source};
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
    /// What was judged so long before that counts, too.
    since: Duration,
    min_verified: u64,
}

impl Attesting {
    /// Before policies and inventory are read.
    pub fn plan(&self, from: &Sources, min_verified: u64) -> anyhow::Result<Option<Planned>> {
        if self.attest.is_some() && from.policies.iter().chain(&from.inventory).any(|path| *path == *Path::new("-")) {
            bail!("--attest: what comes by standard input cannot be named in an attestation: give files");
        }
        self.prepare(min_verified, || files(from))
    }

    /// For a policy of a cluster, before the verifier is asked; `since`: what was judged so long before counts, too.
    pub fn plan_for_cluster(&self, min_verified: u64, since: Duration) -> anyhow::Result<Option<Planned>> {
        let planned = self.prepare(min_verified, || Ok(Vec::new()))?;
        Ok(planned.map(|planned| Planned { since, ..planned }))
    }

    pub fn is_wanted(&self) -> bool {
        self.attest.is_some()
    }

    fn prepare(
        &self,
        min_verified: u64,
        sources: impl FnOnce() -> anyhow::Result<Vec<Source>>,
    ) -> anyhow::Result<Option<Planned>> {
        let (Some(path), Some(key)) = (&self.attest, &self.attest_key) else { return Ok(None) };
        let of_key = || format!("--attest-key {}", key.display());
        let key = SigningKey::from_pem(&std::fs::read(key).with_context(of_key)?).with_context(of_key)?;
        let sources = sources()?;
        let file = Fresh::create(path).with_context(|| format!("--attest {}", path.display()))?;
        Ok(Some(Planned { file, key, sources, began: seconds(), since: Duration::ZERO, min_verified }))
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
    fn of_machine(mut self, summary: &Summary, kept: Option<&Kept>) -> anyhow::Result<()> {
        let mut sources = std::mem::take(&mut self.sources);
        if let Some(Kept { path, digest }) = kept {
            let Ok(sha256) = *digest else { bail!("the recording is not whole") };
            let name = path.to_string_lossy().into_owned();
            sources.push(Source { role: Role::Evidence, name, sha256 });
        }
        let subjects: Vec<_> = sources.into_iter().map(Subject::from).collect();
        self.write(&Tested::from(summary), &subjects, json!({"command": "gate"}))
    }

    /// Signs what a verifier has told of a policy of the cluster, which is told as a whole.
    fn of_cluster(mut self, watched: &Watched) -> anyhow::Result<()> {
        let Watched { found, policy, began } = watched;
        let counted = u64::try_from(began.as_second()).unwrap_or_default();
        self.began = counted.saturating_sub(self.since.as_secs());
        let document = document(policy);
        if found.uid.is_some() && document["metadata"]["uid"].as_str() != found.uid.as_deref() {
            bail!("the policy was replaced by another one of its name meanwhile");
        }
        let content = serde_json::to_vec(&document)?;
        let source = Source { role: Role::Policy, name: found.policy.to_string(), sha256: Digest::of(&content) };
        let subjects = [Subject { source, content: Some(content) }];
        let tested = Tested {
            overall: found.verdict,
            policies: vec![(found.policy.clone(), found.verdict)],
            uncovered_nodes: Vec::new(),
            counted: json!([found]),
        };
        self.write(&tested, &subjects, json!({"command": "gate", "judgedBy": "verifier"}))
    }

    fn write(self, tested: &Tested, subjects: &[Subject], mut settings: Value) -> anyhow::Result<()> {
        settings["program"] = env!("CARGO_PKG_VERSION").into();
        settings["minVerified"] = self.min_verified.into();
        let statement = Statement::of(tested, subjects, (self.began, seconds()), &settings);
        let envelope = seal(&serde_json::to_vec(&statement)?, &self.key)?;
        let mut text = serde_json::to_string(&envelope)?;
        text.push('\n');
        Ok(self.file.write(text.as_bytes())?)
    }
}

/// What of a policy decides how requests are judged, and which object it is.
fn document(policy: &WaypointPolicy) -> Value {
    let meta = &policy.metadata;
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": KIND,
        "metadata": {
            "namespace": meta.namespace, "name": meta.name, "uid": meta.uid, "generation": meta.generation,
        },
        "spec": policy.spec,
    })
}

/// Writes what was planned.
pub fn told(planned: Option<Planned>, summary: &Summary, kept: Option<&Kept>, code: u8) -> u8 {
    attested(planned, code, |planned| planned.of_machine(summary, kept))
}

/// The same of what a verifier has told.
pub fn told_of_cluster(planned: Option<Planned>, watched: &Watched, code: u8) -> u8 {
    attested(planned, code, |planned| planned.of_cluster(watched))
}

/// A bypass stays one; without the attestation that was asked for nothing else is proven.
fn attested(planned: Option<Planned>, code: u8, write: impl FnOnce(Planned) -> anyhow::Result<()>) -> u8 {
    let Some(planned) = planned else { return code };
    let path = planned.file.path().to_owned();
    match write(planned) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("waypoint-verify: nothing is attested in {}: {error:#}", path.display());
            if code == exit::BYPASSED { code } else { exit::NOT_VERIFIABLE }
        }
    }
}
