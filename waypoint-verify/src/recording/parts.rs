//! What the frames of a recording hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CHUNK, Digest, SCHEMA};
use crate::bus::Message;
use crate::engine::Latency;
use crate::judge::{self, Explain, PolicyVerdict};
use crate::model::WatchList;
use crate::report::{Summary, Unread};
use crate::trace::Counters;

/// What recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    Run,
    Gate,
}

/// What a file was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Policy,
    Inventory,
    Evidence,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Inventory => "inventory",
            Self::Evidence => "evidence",
        })
    }
}

/// A file, by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub role: Role,
    /// As it was named on the command line; in a directory, with the path from there.
    pub name: String,
    pub sha256: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Version of the program that recorded.
    pub program: String,
    pub command: Command,
    /// Seconds of the epoch.
    pub began: u64,
    /// Of a gate; 1 of `run`.
    pub min_verified: u64,
    /// Bounds of the judge: messages, connections.
    pub limits: (usize, usize),
    /// Nodes of the inventory that nobody observed.
    pub uncovered_nodes: Vec<String>,
    /// Paths and authorities are hashes.
    pub redacted: bool,
    /// Policies and inventory; without those that came by standard input.
    pub sources: Vec<Source>,
    pub watch: WatchList,
}

impl Begin {
    pub fn limits(&self, explain: Explain) -> judge::Limits {
        judge::Limits { messages: self.limits.0, connections: self.limits.1, explain }
    }
}

/// Evidence: `pieces` of it, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub pieces: u32,
    pub octets: Vec<u8>,
}

/// What a summary tells beside the counts of the judge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    pub counters: Counters,
    pub ring_octets: u64,
    pub unread: Unread,
    pub uncovered_nodes: Vec<String>,
    pub time_to_verdict: Latency,
    pub findings: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Seconds of the epoch.
    pub ended: u64,
    pub observed: Observed,
    /// What was said of each policy when it was recorded.
    pub said: Vec<(String, PolicyVerdict)>,
}

impl End {
    pub fn of(summary: &Summary, ended: u64) -> Self {
        let observed = Observed {
            counters: summary.counters.clone(),
            ring_octets: summary.ring_octets,
            unread: summary.unread,
            uncovered_nodes: summary.uncovered_nodes.clone(),
            time_to_verdict: summary.time_to_verdict,
            findings: summary.findings.clone(),
        };
        let said = summary.policies.iter().map(|policy| (policy.policy.to_string(), policy.verdict)).collect();
        Self { ended, observed, said }
    }
}

impl Message for Begin {
    const VERSION: u16 = SCHEMA;
}

impl Message for Chunk {
    const VERSION: u16 = SCHEMA;
    // What each number in front of the octets takes at most.
    const UNPACKED: usize = CHUNK + 16;
}

impl Message for End {
    const VERSION: u16 = SCHEMA;
}
