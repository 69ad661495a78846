//! What an engine records through: the first error ends the recording, and is kept until somebody asks.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use super::Digest;
use super::parts::{Begin, End};
use super::redact::Redactor;
use super::writer::{Unwritten, Writer};
use crate::evidence::Evidence;
use crate::model::{Guards, ProxySpec, WatchList};

#[derive(Debug)]
pub struct Recorder {
    writer: Result<Writer<BufWriter<File>>, Unwritten>,
    redactor: Redactor,
}

impl Recorder {
    pub fn begin(file: File, begin: &Begin, redactor: Redactor) -> Result<Self, Unwritten> {
        Ok(Self { writer: Ok(Writer::begin(BufWriter::new(file), begin)?), redactor })
    }

    pub fn evidence(&mut self, evidence: &Evidence) {
        if let Ok(writer) = &mut self.writer
            && let Err(error) = writer.evidence(&self.redactor.evidence(evidence))
        {
            self.writer = Err(error);
        }
    }

    /// Nothing is recorded any more.
    pub fn has_failed(&self) -> bool {
        self.writer.is_err()
    }

    /// Returns the digest of the file, which is on the disk then.
    pub fn end(self, end: &End) -> Result<Digest, Unwritten> {
        let (out, digest) = self.writer?.end(end)?;
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        // A pipe or device cannot be synced.
        if file.metadata()?.is_file() {
            file.sync_all()?;
        }
        Ok(digest)
    }
}

/// Of a watch list what a judge asks for. The values that routes set in headers are not in it.
pub fn for_the_judge(watch: &WatchList) -> WatchList {
    let proxies = watch.proxies.iter().map(|(id, proxy)| {
        let guards = Guards { makes_up: proxy.guards.makes_up, ..Guards::default() };
        (id.clone(), Arc::new(ProxySpec { kind: proxy.kind, guards }))
    });
    WatchList { proxies: proxies.collect(), ..watch.clone() }
}
