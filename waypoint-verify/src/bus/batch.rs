//! What an agent publishes: evidence in batches, numbered without a hole, and its answers to ticks.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::evidence::Evidence;
use crate::model::OlderConnections;

/// One message of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub node: String,
    /// Tells this run of the agent from the ones before it: what it followed, it followed from its own start.
    pub epoch: u64,
    /// Of this batch in its epoch, from 0 without a hole. A hole is evidence that is missing.
    pub sequence: u64,
    pub evidence: Vec<Evidence>,
    /// After all of `evidence`.
    pub answer: Option<Answer>,
}

/// Everything that this node observed before it read tick `tick` has been published, in this batch or before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub tick: u64,
    /// The verifier that asked: ticks of another one have the same numbers.
    pub verifier: u64,
    /// Of the watch list that is in force there.
    pub revision: u64,
    /// What keeps this node from seeing everything, in words.
    pub blind: Vec<String>,
    /// What else a reader should know of it: checks that could not be made, ways past the probes that were found.
    pub notes: Vec<String>,
    /// What it does not see, because it was there before.
    pub older: OlderConnections,
}

impl Message for Batch {
    const VERSION: u16 = 1;
}

#[cfg(test)]
pub(crate) mod tests;
