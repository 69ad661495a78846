//! Evidence as it comes in.

use std::time::Instant;

use super::super::checkpoint;
use super::super::early::Released;
use super::super::readers::Read;
use super::State;
use crate::lockstep::{Taken, Testimony};
use crate::probe::boot_ns;

impl State {
    /// This node's stream is read from the position after this one on.
    pub fn began(&mut self, node: &str, position: u64) {
        if self.progress.begin(node, position) {
            self.saved_at = None;
        }
    }

    /// What was in this node's stream at the start has been read.
    pub fn caught_up(&mut self, node: &str) {
        if self.behind.remove(node) && self.behind.is_empty() {
            self.caught_up_at = Instant::now();
            let unfound = self.progress.unfound();
            if unfound > 0 {
                tracing::warn!(
                    "{unfound} requests were under way for too long when another verifier ended: they are lost"
                );
                self.counters.gaps += 1;
                self.lockstep.gap(node);
            }
        }
    }

    pub fn read(&mut self, mut read: Read) -> anyhow::Result<()> {
        if let Ok(batch) = &mut read.batch {
            batch.evidence.retain(|evidence| self.progress.is_new(&read.node, read.position, evidence));
        }
        if let Some(read) = self.early.hold(read, &self.cluster.roles, boot_ns()?) {
            self.take(read);
        }
        Ok(())
    }

    /// What was waited for is there, or has been waited for long enough.
    pub(super) fn release(&mut self) -> anyhow::Result<()> {
        while let Some(Released { read, unknown }) = self.early.release(&self.cluster.roles, boot_ns()?) {
            let node = read.node.clone();
            self.take(read);
            if !unknown.is_empty() {
                tracing::warn!(
                    "node {node} testifies of a role that the API server did not tell of: {}",
                    unknown.join(", ")
                );
                self.counters.unknown_roles += 1;
                self.lockstep.gap(&node);
            }
        }
        Ok(())
    }

    fn take(&mut self, read: Read) {
        self.counters.batches += 1;
        self.counters.octets += read.octets as u64;
        if self.progress.read(&read.node, read.position) == checkpoint::Read::Gap {
            self.counters.gaps += 1;
            self.lockstep.gap(&read.node);
        }
        let batch = match read.batch {
            Ok(batch) => batch,
            Err(error) => {
                self.counters.unreadable += 1;
                tracing::warn!("a message of node {} {error}", read.node);
                self.lockstep.gap(&read.node);
                return;
            }
        };
        self.counters.evidence += batch.evidence.len() as u64;
        let mut testimony = Vec::new();
        match self.lockstep.take(&read.node, batch, &self.picture.watch, &mut testimony) {
            Taken::Next | Taken::Again => {}
            Taken::Gap => self.counters.gaps += 1,
            Taken::Refused(why) => {
                self.counters.refused += 1;
                tracing::warn!("evidence is refused: {why}");
            }
        }
        self.judge(testimony);
    }

    /// What the policies of this partition need of it.
    pub(super) fn judge(&mut self, testimony: Vec<Testimony>) {
        let ours = testimony.into_iter().filter(|testimony| self.relevant.takes(&testimony.evidence));
        ours.for_each(|testimony| self.judges.apply(testimony));
    }
}
